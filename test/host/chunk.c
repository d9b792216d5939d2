#define _GNU_SOURCE
#include "chunk.h"
#include "msgpack.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    RECORDS_A_GROUP = 10,
    GROUP_START = -1, /* seconds 0xFFFFFFFF */
    GROUP_END = -2
};

struct chunk_style chunk_style_default(void)
{
    return (struct chunk_style) {
        .tag = xstrdup("kube.audit"),
        .timestamp = 'e',
        .size = 2000000,
        .truncate = -1,
    };
}

/* Parses RFC 3339 in UTC, or seconds with or without a fraction. */
static int parse_time(const char *text, size_t len, uint32_t *s, uint32_t *ns)
{
    char copy[64];
    struct tm tm = {0};
    char *rest;

    if (len >= sizeof(copy)) {
        return 0;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest) {
        *s = (uint32_t) timegm(&tm);
    }
    else {
        *s = (uint32_t) strtoul(copy, &rest, 10);
        if (rest == copy) {
            return 0;
        }
    }
    *ns = 0;
    if (*rest == '.') {
        uint32_t digit = 100000000;

        for (rest++; isdigit((unsigned char) *rest); rest++, digit /= 10) {
            *ns += digit * (uint32_t) (*rest - '0');
        }
    }
    return *rest == '\0' || strcmp(rest, "Z") == 0;
}

static void put_time(struct buf *out, const struct chunk_style *style,
                     uint32_t s, uint32_t ns)
{
    switch (style->timestamp) {
    case 'i':
        msgpack_int(out, s);
        break;
    case 'f':
        msgpack_float(out, s + ns / 1e9);
        break;
    default:
        msgpack_time(out, s, ns);
    }
}

static void put_record(struct buf *out, const struct chunk_style *style,
                       const struct buf *body)
{
    uint32_t s = style->seconds;
    uint32_t ns = style->nanoseconds;
    const char *text = NULL;
    size_t len;

    if (style->time_key) {
        text = msgpack_string(body->data, body->len, style->time_key, &len);
    }
    if ((!text || !parse_time(text, len, &s, &ns)) && s == 0) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        s = (uint32_t) now.tv_sec;
        ns = (uint32_t) now.tv_nsec;
    }
    msgpack_array(out, 2);
    if (!style->old_form) {
        msgpack_array(out, 2);
    }
    put_time(out, style, s, ns);
    if (!style->old_form) {
        msgpack_map(out, 0);
    }
    buf_put(out, body->data, body->len);
}

static void put_marker(struct buf *out, int which)
{
    msgpack_array(out, 2);
    msgpack_array(out, 2);
    msgpack_time(out, (uint32_t) which, 0);
    msgpack_map(out, 0);
    msgpack_map(out, 0);
}

/* Cuts and flips as the style says. */
static void spoil(struct buf *b, const struct chunk_style *style)
{
    unsigned seed = style->flip_seed;

    if (style->truncate >= 0 && (size_t) style->truncate < b->len) {
        b->len = (size_t) style->truncate;
    }
    for (int i = 0; i < style->flip_count && b->len > 0; i++) {
        size_t at = (size_t) rand_r(&seed) % b->len;

        b->data[at] ^= (unsigned char) (1 + rand_r(&seed) % 255);
    }
}

static struct chunk *new_chunk(const struct chunk_style *style)
{
    struct chunk *c = xalloc(sizeof(*c));

    c->tag = xstrdup(style->tag);
    return c;
}

struct chunk *chunks_from_events(const char *path, const struct chunk_style *style)
{
    struct buf file = buf_read(path);
    struct buf body = {0};
    struct chunk *first = NULL;
    struct chunk **last = &first;
    struct chunk *c = NULL;
    const char *end;
    const char *error;
    int number = 0;
    int in_chunk = 0;

    for (size_t at = 0; at < file.len; at += (size_t) (end - (char *) file.data) - at + 1) {
        char *line = (char *) file.data + at;

        end = memchr(line, '\n', file.len - at);
        if (!end) {
            end = (char *) file.data + file.len;
        }
        number++;
        if (strspn(line, " \t\r") >= (size_t) (end - line)) {
            continue;
        }
        body.len = 0;
        error = json_to_msgpack(&body, line, (size_t) (end - line));
        if (error) {
            fail("%s:%d: %s", path, number, error);
        }
        if (!c || c->bytes.len + body.len > style->size) {
            c = new_chunk(style);
            *last = c;
            last = &c->next;
            in_chunk = 0;
        }
        if (style->groups && in_chunk % RECORDS_A_GROUP == 0) {
            if (in_chunk > 0) {
                put_marker(&c->bytes, GROUP_END);
            }
            put_marker(&c->bytes, GROUP_START);
        }
        put_record(&c->bytes, style, &body);
        in_chunk++;
    }
    for (c = first; c; c = c->next) {
        if (style->groups) {
            put_marker(&c->bytes, GROUP_END);
        }
        spoil(&c->bytes, style);
    }
    buf_free(&file);
    buf_free(&body);
    return first;
}

struct chunk *chunk_from_file(const char *path, const struct chunk_style *style)
{
    struct chunk *c = new_chunk(style);

    c->bytes = buf_read(path);
    spoil(&c->bytes, style);
    return c;
}

void chunks_free(struct chunk *c)
{
    while (c) {
        struct chunk *next = c->next;

        buf_free(&c->bytes);
        free(c->tag);
        free(c);
        c = next;
    }
}

struct guarded guarded_copy(const void *data, size_t len)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    size_t body = (len + page - 1) / page * page;
    struct guarded g = {.pages_len = body + 2 * page};

    g.pages = mmap(NULL, g.pages_len, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.pages == MAP_FAILED ||
        (body > 0 && mprotect((char *) g.pages + page, body,
                              PROT_READ | PROT_WRITE) != 0)) {
        fail("cannot map a chunk of %zu bytes", len);
    }
    g.data = (unsigned char *) g.pages + page + body - len;
    if (len > 0) {
        memcpy(g.data, data, len);
    }
    return g;
}

void guarded_free(struct guarded *g)
{
    munmap(g->pages, g->pages_len);
}
