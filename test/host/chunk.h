/*
 * Chunks: concatenated records, as an output is handed them.
 */
#ifndef HOST_CHUNK_H
#define HOST_CHUNK_H

#include "buf.h"

struct chunk {
    struct chunk *next;
    struct buf bytes;
    char *tag;
};

/* How chunks are built; changed by the steps between them. */
struct chunk_style {
    char *tag;
    int old_form;         /* [ts, {}] instead of [[ts, {}], {}] */
    char timestamp;       /* e: EventTime, i: integer, f: float */
    char *time_key;       /* a record's key with its time; NULL: `seconds` */
    uint32_t seconds;     /* since the epoch; 0: now */
    uint32_t nanoseconds;
    int groups;           /* put each 10 records between group markers */
    size_t size;          /* a chunk ends when it has this many bytes */
    long truncate;        /* cut chunks to this many bytes; -1: do not */
    unsigned flip_seed;   /* where to flip */
    int flip_count;       /* this many bytes of each chunk, at random */
};

struct chunk_style chunk_style_default(void);

/* Chunks from a file with a JSON object a line; ends the program with file
 * and line when one is not understood. */
struct chunk *chunks_from_events(const char *path, const struct chunk_style *s);

/* One chunk: the file's bytes. */
struct chunk *chunk_from_file(const char *path, const struct chunk_style *s);

void chunks_free(struct chunk *c);

/*
 * A copy of bytes that ends right before a page that cannot be read, and
 * begins behind another: reading beyond it faults. guarded_free gives the
 * pages back, so that a late read faults too.
 */
struct guarded {
    unsigned char *data;
    void *pages;
    size_t pages_len;
};

struct guarded guarded_copy(const void *data, size_t len);
void guarded_free(struct guarded *g);

#endif
