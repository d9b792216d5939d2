#include "buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(struct buf *b, size_t more)
{
    if (b->len + more <= b->room) {
        return;
    }
    b->room = (b->len + more) * 2 + 64;
    b->data = realloc(b->data, b->room);
    if (!b->data) {
        fail("out of memory");
    }
}

void buf_put(struct buf *b, const void *data, size_t len)
{
    reserve(b, len);
    if (len > 0) {
        memcpy(b->data + b->len, data, len);
    }
    b->len += len;
}

void buf_byte(struct buf *b, int byte)
{
    reserve(b, 1);
    b->data[b->len++] = (unsigned char) byte;
}

void buf_be(struct buf *b, uint64_t v, int bytes)
{
    while (bytes-- > 0) {
        buf_byte(b, (int) (v >> (8 * bytes)) & 0xff);
    }
}

void buf_insert(struct buf *b, size_t at, const void *data, size_t len)
{
    reserve(b, len);
    memmove(b->data + at + len, b->data + at, b->len - at);
    memcpy(b->data + at, data, len);
    b->len += len;
}

void buf_free(struct buf *b)
{
    free(b->data);
    memset(b, 0, sizeof(*b));
}

struct buf buf_read(const char *path)
{
    struct buf b = {0};
    FILE *f = fopen(path, "rb");
    size_t n;

    if (!f) {
        fail("cannot open %s: %s", path, strerror(errno));
    }
    do {
        reserve(&b, 1 << 16);
        n = fread(b.data + b.len, 1, b.room - b.len, f);
        b.len += n;
    } while (n > 0);
    if (ferror(f)) {
        fail("cannot read %s: %s", path, strerror(errno));
    }
    fclose(f);
    return b;
}

void *xalloc(size_t size)
{
    void *p = calloc(1, size);

    if (!p) {
        fail("out of memory");
    }
    return p;
}

char *xstrdup(const char *text)
{
    return strcpy(xalloc(strlen(text) + 1), text);
}

char *sds_new(const char *text)
{
    uint64_t len = strlen(text);
    char *block = xalloc(2 * sizeof(len) + len + 1);

    memcpy(block, &len, sizeof(len));
    memcpy(block + sizeof(len), &len, sizeof(len));
    return strcpy(block + 2 * sizeof(len), text);
}

void sds_free(char *sds)
{
    if (sds) {
        free(sds - 2 * sizeof(uint64_t));
    }
}

void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("host: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}
