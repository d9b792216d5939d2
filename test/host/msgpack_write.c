#include "msgpack.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 200 };

/* A header of a container or string: short form, then 8, 16 or 32 bits of
 * length. A first byte of 0 says that the form does not exist. */
struct header {
    int fix;
    size_t fix_max;
    int with8;
    int with16;
    int with32;
};

static const struct header STRING = {0xa0, 31, 0xd9, 0xda, 0xdb};
static const struct header ARRAY = {0x90, 15, 0, 0xdc, 0xdd};
static const struct header MAP = {0x80, 15, 0, 0xde, 0xdf};

static void put_header(struct buf *out, const struct header *h, size_t n)
{
    if (n <= h->fix_max) {
        buf_byte(out, h->fix | (int) n);
    }
    else if (h->with8 && n <= 0xff) {
        buf_byte(out, h->with8);
        buf_be(out, n, 1);
    }
    else if (n <= 0xffff) {
        buf_byte(out, h->with16);
        buf_be(out, n, 2);
    }
    else {
        buf_byte(out, h->with32);
        buf_be(out, n, 4);
    }
}

void msgpack_array(struct buf *out, size_t n)
{
    put_header(out, &ARRAY, n);
}

void msgpack_map(struct buf *out, size_t n)
{
    put_header(out, &MAP, n);
}

void msgpack_string_put(struct buf *out, const void *text, size_t len)
{
    put_header(out, &STRING, len);
    buf_put(out, text, len);
}

static void put_uint(struct buf *out, uint64_t v)
{
    int bytes = v <= 0xff ? 1 : v <= 0xffff ? 2 : v <= 0xffffffff ? 4 : 8;

    if (v <= 0x7f) {
        buf_byte(out, (int) v);
        return;
    }
    buf_byte(out, bytes == 1 ? 0xcc : bytes == 2 ? 0xcd : bytes == 4 ? 0xce : 0xcf);
    buf_be(out, v, bytes);
}

void msgpack_int(struct buf *out, int64_t v)
{
    int bytes = v >= INT8_MIN ? 1 : v >= INT16_MIN ? 2 : v >= INT32_MIN ? 4 : 8;

    if (v >= 0) {
        put_uint(out, (uint64_t) v);
        return;
    }
    if (v >= -32) {
        buf_byte(out, (int) (v & 0xff));
        return;
    }
    buf_byte(out, bytes == 1 ? 0xd0 : bytes == 2 ? 0xd1 : bytes == 4 ? 0xd2 : 0xd3);
    buf_be(out, (uint64_t) v, bytes);
}

void msgpack_float(struct buf *out, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    buf_byte(out, 0xcb);
    buf_be(out, bits, 8);
}

void msgpack_time(struct buf *out, uint32_t seconds, uint32_t nanoseconds)
{
    buf_byte(out, 0xd7);
    buf_byte(out, 0);
    buf_be(out, seconds, 4);
    buf_be(out, nanoseconds, 4);
}

/* A JSON text being read. error is set once and ends everything. */
struct json {
    const char *at;
    const char *end;
    const char *error;
    struct buf *out;
};

static void put_value(struct json *j, int depth);

static int wrong(struct json *j, const char *what)
{
    if (!j->error) {
        j->error = what;
    }
    return 0;
}

static int peek(struct json *j)
{
    while (j->at < j->end && strchr(" \t\r\n", *j->at) && *j->at) {
        j->at++;
    }
    return j->at < j->end ? (unsigned char) *j->at : -1;
}

static int accept(struct json *j, int c)
{
    if (peek(j) != c) {
        return 0;
    }
    j->at++;
    return 1;
}

static uint32_t hex4(struct json *j)
{
    uint32_t v = 0;

    for (int i = 0; i < 4; i++) {
        if (j->at >= j->end || !isxdigit((unsigned char) *j->at)) {
            return (uint32_t) wrong(j, "\\u wants four hexadecimal digits");
        }
        int c = tolower((unsigned char) *j->at++);

        v = v * 16 + (uint32_t) (c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return v;
}

static void put_utf8(struct buf *b, uint32_t r)
{
    if (r < 0x80) {
        buf_byte(b, (int) r);
    }
    else if (r < 0x800) {
        buf_byte(b, (int) (0xc0 | r >> 6));
        buf_byte(b, (int) (0x80 | (r & 0x3f)));
    }
    else if (r < 0x10000) {
        buf_byte(b, (int) (0xe0 | r >> 12));
        buf_byte(b, (int) (0x80 | (r >> 6 & 0x3f)));
        buf_byte(b, (int) (0x80 | (r & 0x3f)));
    }
    else {
        buf_byte(b, (int) (0xf0 | r >> 18));
        buf_byte(b, (int) (0x80 | (r >> 12 & 0x3f)));
        buf_byte(b, (int) (0x80 | (r >> 6 & 0x3f)));
        buf_byte(b, (int) (0x80 | (r & 0x3f)));
    }
}

static void unescape(struct json *j, struct buf *text)
{
    static const char FROM[] = "\"\\/bfnrt";
    static const char TO[] = "\"\\/\b\f\n\r\t";
    int c = j->at < j->end ? *j->at++ : 0;
    const char *simple = c ? strchr(FROM, c) : NULL;
    uint32_t r;

    if (simple) {
        buf_byte(text, TO[simple - FROM]);
        return;
    }
    if (c != 'u') {
        wrong(j, "unknown escape in a string");
        return;
    }
    r = hex4(j);
    if (r >= 0xd800 && r < 0xdc00 && j->end - j->at >= 6 &&
        j->at[0] == '\\' && j->at[1] == 'u') {
        j->at += 2;
        r = 0x10000 + ((r - 0xd800) << 10) + (hex4(j) - 0xdc00);
    }
    put_utf8(text, r);
}

static void put_string(struct json *j)
{
    struct buf text = {0};

    while (!j->error) {
        if (j->at >= j->end) {
            wrong(j, "a string does not end");
            break;
        }
        int c = (unsigned char) *j->at++;

        if (c == '"') {
            msgpack_string_put(j->out, text.data, text.len);
            break;
        }
        if (c == '\\') {
            unescape(j, &text);
        }
        else {
            buf_byte(&text, c);
        }
    }
    buf_free(&text);
}

static void put_number(struct json *j)
{
    char text[64];
    size_t len = 0;
    char *end;

    while (j->at < j->end && *j->at && strchr("+-0123456789.eE", *j->at) &&
           len < sizeof(text) - 1) {
        text[len++] = *j->at++;
    }
    text[len] = '\0';
    errno = 0;
    if (!strpbrk(text, ".eE")) {
        int64_t v = strtoll(text, &end, 10);
        uint64_t u;

        if (errno == 0 && end != text && !*end) {
            msgpack_int(j->out, v);
            return;
        }
        errno = 0;
        u = strtoull(text, &end, 10);
        if (errno == 0 && end != text && !*end && *text != '-') {
            put_uint(j->out, u);
            return;
        }
    }
    double d = strtod(text, &end);

    if (end == text || *end) {
        wrong(j, "not a JSON value");
        return;
    }
    msgpack_float(j->out, d);
}

/* The header of an array or map goes in front once the elements are counted. */
static void put_container(struct json *j, int close, int depth)
{
    struct buf header = {0};
    size_t start = j->out->len;
    size_t n = 0;

    if (depth > MAX_DEPTH) {
        wrong(j, "nested too deep");
        return;
    }
    while (!j->error && !accept(j, close)) {
        if (n++ > 0 && !accept(j, ',')) {
            wrong(j, "a comma is missing");
            break;
        }
        if (close == '}') {
            if (!accept(j, '"')) {
                wrong(j, "a key is missing");
                break;
            }
            put_string(j);
            if (!j->error && !accept(j, ':')) {
                wrong(j, "a colon is missing");
                break;
            }
        }
        if (!j->error) {
            put_value(j, depth + 1);
        }
    }
    put_header(&header, close == '}' ? &MAP : &ARRAY, n);
    buf_insert(j->out, start, header.data, header.len);
    buf_free(&header);
}

static int put_word(struct json *j, const char *word, int byte)
{
    size_t len = strlen(word);

    if ((size_t) (j->end - j->at) < len || memcmp(j->at, word, len) != 0) {
        return 0;
    }
    j->at += len;
    buf_byte(j->out, byte);
    return 1;
}

static void put_value(struct json *j, int depth)
{
    int c = peek(j);

    if (c == '"') {
        j->at++;
        put_string(j);
    }
    else if (c == '{' || c == '[') {
        j->at++;
        put_container(j, c == '{' ? '}' : ']', depth);
    }
    else if (!put_word(j, "null", 0xc0) && !put_word(j, "false", 0xc2) &&
             !put_word(j, "true", 0xc3)) {
        put_number(j);
    }
}

const char *json_to_msgpack(struct buf *out, const char *text, size_t len)
{
    struct json j = {text, text + len, NULL, out};

    put_value(&j, 0);
    if (!j.error && peek(&j) != -1) {
        wrong(&j, "text after the value");
    }
    return j.error;
}
