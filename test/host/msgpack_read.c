#include "msgpack.h"

#include <inttypes.h>
#include <string.h>

enum { MAX_DEPTH = 200 };

/* The kinds of a value's first byte. */
enum kind { NIL, BOOL, UINT, INT, FLOAT, STR, BIN, EXT, ARR, MAPS, BAD };

/* A value's head: what it is, and how many bytes the head has. */
struct head {
    enum kind kind;
    size_t size;  /* of the head, 0 if it is cut short */
    uint64_t n;   /* the number, the length, or the count of elements */
    int ext_type;
};

static uint64_t be(const unsigned char *p, size_t n)
{
    uint64_t v = 0;

    while (n-- > 0) {
        v = v << 8 | *p++;
    }
    return v;
}

/* What bytes 0xc0 to 0xdf say: kind, bytes of number or length, fixed length
 * of an ext. */
static const struct {
    enum kind kind;
    unsigned char bytes;
    unsigned char fixed;
} CODES[] = {
    {NIL, 0, 0}, {BAD, 0, 0}, {BOOL, 0, 0}, {BOOL, 0, 0},
    {BIN, 1, 0}, {BIN, 2, 0}, {BIN, 4, 0},
    {EXT, 1, 0}, {EXT, 2, 0}, {EXT, 4, 0},
    {FLOAT, 4, 0}, {FLOAT, 8, 0},
    {UINT, 1, 0}, {UINT, 2, 0}, {UINT, 4, 0}, {UINT, 8, 0},
    {INT, 1, 0}, {INT, 2, 0}, {INT, 4, 0}, {INT, 8, 0},
    {EXT, 0, 1}, {EXT, 0, 2}, {EXT, 0, 4}, {EXT, 0, 8}, {EXT, 0, 16},
    {STR, 1, 0}, {STR, 2, 0}, {STR, 4, 0},
    {ARR, 2, 0}, {ARR, 4, 0}, {MAPS, 2, 0}, {MAPS, 4, 0},
};

static struct head read_head(const unsigned char *p, size_t len)
{
    struct head h = {BAD, 0, 0, 0};
    unsigned char c;
    size_t bytes;

    if (len == 0) {
        return h;
    }
    c = *p;
    h.size = 1;
    if (c < 0x80 || c >= 0xe0) {
        h.kind = INT;
        h.n = (uint64_t) (int64_t) (signed char) c;
    }
    else if (c < 0xc0) {
        h.kind = c < 0x90 ? MAPS : c < 0xa0 ? ARR : STR;
        h.n = c & (h.kind == STR ? 0x1f : 0x0f);
    }
    else {
        bytes = CODES[c - 0xc0].bytes;
        h.kind = CODES[c - 0xc0].kind;
        h.size = 1 + bytes + (h.kind == EXT);
        if (len < h.size || h.kind == BAD) {
            return (struct head) {BAD, 0, 0, 0};
        }
        h.n = h.kind == BOOL ? (uint64_t) (c & 1) : be(p + 1, bytes);
        if (h.kind == INT) {
            h.n = (uint64_t) ((int64_t) (h.n << (64 - 8 * bytes)) >> (64 - 8 * bytes));
        }
        if (h.kind == FLOAT && bytes == 4) {
            uint32_t bits = (uint32_t) h.n;
            float f;
            double d;

            memcpy(&f, &bits, sizeof(f));
            d = f;
            memcpy(&h.n, &d, sizeof(d));
        }
        if (h.kind == EXT) {
            h.ext_type = p[1 + bytes];
            h.n = bytes ? h.n : CODES[c - 0xc0].fixed;
        }
    }
    return h;
}

/* The length of the UTF-8 character at p, 0 if there is none. */
static size_t utf8(const unsigned char *p, size_t len)
{
    size_t n = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 :
        *p < 0xf5 ? 4 : 0;

    if (n == 0 || n > len) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}

static void print_string(FILE *out, const unsigned char *p, size_t len)
{
    fputc('"', out);
    for (size_t i = 0; i < len;) {
        size_t n = utf8(p + i, len - i);

        if (p[i] == '"' || p[i] == '\\') {
            fprintf(out, "\\%c", p[i]);
        }
        else if (n == 0 || p[i] < 0x20) {
            fprintf(out, "\\u%04x", p[i]);
            n = 1;
        }
        else {
            fwrite(p + i, 1, n, out);
        }
        i += n;
    }
    fputc('"', out);
}

static void print_float(FILE *out, uint64_t bits)
{
    char text[40];
    double d;

    memcpy(&d, &bits, sizeof(d));
    snprintf(text, sizeof(text), "%.17g", d);
    /* inf and nan are no JSON; a whole float keeps its point */
    if (strpbrk(text, "in")) {
        fprintf(out, "\"%s\"", text);
    }
    else {
        fprintf(out, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
    }
}

static void print_scalar(FILE *out, const struct head *h, const unsigned char *p)
{
    switch (h->kind) {
    case NIL:
        fputs("null", out);
        break;
    case BOOL:
        fputs(h->n ? "true" : "false", out);
        break;
    case UINT:
        fprintf(out, "%" PRIu64, h->n);
        break;
    case INT:
        fprintf(out, "%" PRId64, (int64_t) h->n);
        break;
    case FLOAT:
        print_float(out, h->n);
        break;
    case STR:
    case BIN:
        print_string(out, p, h->n);
        break;
    default:
        if (h->ext_type == 0 && h->n == 8) {
            fprintf(out, "%" PRIu64 ".%09" PRIu64, be(p, 4), be(p + 4, 4));
        }
        else {
            fputs("\"ext\"", out);
        }
    }
}

/* Walks the value; prints it if out is not NULL. */
static size_t walk(FILE *out, const unsigned char *p, size_t len, int depth)
{
    struct head h = read_head(p, len);
    size_t at = h.size;
    size_t elements;
    size_t n;

    if (h.kind == BAD || depth > MAX_DEPTH) {
        return 0;
    }
    if (h.kind != ARR && h.kind != MAPS) {
        n = h.kind >= STR ? h.n : 0;
        if (n > len - at) {
            return 0;
        }
        if (out) {
            print_scalar(out, &h, p + at);
        }
        return at + n;
    }
    elements = h.kind == MAPS ? 2 * h.n : h.n;
    if (out) {
        fputc(h.kind == MAPS ? '{' : '[', out);
    }
    for (size_t i = 0; i < elements; i++) {
        if (out && i > 0) {
            fputc(h.kind == MAPS && i % 2 ? ':' : ',', out);
        }
        n = walk(out, p + at, len - at, depth + 1);
        if (n == 0) {
            return 0;
        }
        at += n;
    }
    if (out) {
        fputc(h.kind == MAPS ? '}' : ']', out);
    }
    return at;
}

size_t msgpack_to_json(FILE *out, const unsigned char *data, size_t len)
{
    return walk(out, data, len, 0);
}

size_t msgpack_skip(const unsigned char *data, size_t len)
{
    return walk(NULL, data, len, 0);
}

const char *msgpack_string(const unsigned char *map, size_t len,
                           const char *key, size_t *size)
{
    struct head h = read_head(map, len);
    size_t at = h.size;

    for (uint64_t i = 0; h.kind == MAPS && i < h.n; i++) {
        struct head k = read_head(map + at, len - at);
        int same = k.kind == STR && k.n == strlen(key) &&
            memcmp(map + at + k.size, key, k.n) == 0;
        struct head v;

        at += msgpack_skip(map + at, len - at);
        v = read_head(map + at, len - at);
        if (same && v.kind == STR) {
            *size = v.n;
            return (const char *) map + at + v.size;
        }
        at += msgpack_skip(map + at, len - at);
    }
    return NULL;
}
