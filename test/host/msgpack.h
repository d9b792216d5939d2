/*
 * msgpack, written from JSON and read back to JSON, losing nothing: integers
 * up to 64 bits stay integers, strings stay the bytes they were. Everything
 * is written in its shortest form.
 */
#ifndef HOST_MSGPACK_H
#define HOST_MSGPACK_H

#include "buf.h"

#include <stdio.h>

/* Appends the one JSON value in text as msgpack. NULL, or what is wrong. */
const char *json_to_msgpack(struct buf *out, const char *text, size_t len);

/*
 * Prints the value at data as JSON and returns how many bytes it had, 0 if it
 * is malformed or cut short. Bytes that are not UTF-8 become \u00XX; a
 * timestamp (ext type 0) becomes seconds with nine decimals; bin becomes a
 * string, other ext the string "ext".
 */
size_t msgpack_to_json(FILE *out, const unsigned char *data, size_t len);

/* The number of bytes of the value at data; 0 as above. */
size_t msgpack_skip(const unsigned char *data, size_t len);

/* The string under the top-level key of the map at data; NULL if none. */
const char *msgpack_string(const unsigned char *map, size_t len,
                           const char *key, size_t *size);

void msgpack_array(struct buf *out, size_t n);
void msgpack_map(struct buf *out, size_t n);
void msgpack_int(struct buf *out, int64_t v);
void msgpack_float(struct buf *out, double v);
void msgpack_string_put(struct buf *out, const void *text, size_t len);
/* Fluent Bit's EventTime: ext type 0. */
void msgpack_time(struct buf *out, uint32_t seconds, uint32_t nanoseconds);

#endif
