/* Memory: a growing buffer, strings as Fluent Bit keeps them, and allocation
 * that ends the program instead of failing. */
#ifndef HOST_BUF_H
#define HOST_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
    unsigned char *data;
    size_t len;
    size_t room;
};

void buf_put(struct buf *b, const void *data, size_t len);
void buf_byte(struct buf *b, int byte);
/* Puts the low `bytes` bytes of v, most significant first. */
void buf_be(struct buf *b, uint64_t v, int bytes);
/* Puts data in at offset `at`, moving what is there. */
void buf_insert(struct buf *b, size_t at, const void *data, size_t len);
void buf_free(struct buf *b);

/* Reads a whole file; ends the program with a message if it cannot. */
struct buf buf_read(const char *path);

void *xalloc(size_t size); /* zeroed */
char *xstrdup(const char *text);

/* A string with its length and capacity before the text: an flb_sds. */
char *sds_new(const char *text);
void sds_free(char *sds);

/* Prints "host: …" and ends the program with status 2. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
