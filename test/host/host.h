/*
 * The host's parts, and what they share.
 *
 *   config.c    the configuration file         chunk.c   what is flushed
 *   msgpack_*.c JSON to msgpack and back       coro.c    on small stacks
 *   proxy.c     the shared object: register, unregister
 *   output.c    output instances: init, flush with retries, exit
 *   input.c     input instances, each on its thread: init, collect, exit
 *   pipeline.c  a configuration, running; hot reload
 *   api.c       what plugins may call: properties, log; cmetrics.c: metrics
 *   host.c      options and steps
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include "chunk.h"
#include "config.h"
#include "fluentbit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

struct options {
    const char *plugins[8];  /* paths, in the order they are listed */
    int plugin_count;
    const char *config;
    FILE *records;           /* where collected records go, NULL: nowhere */
    int metrics;             /* offer metrics contexts, print them at the end */
    int interval_ms;         /* of the inputs' timers */
    int ring_ms;             /* how long collected records lie in the ring */
    int timeout_ms;          /* of the step records=N */
    size_t stack;            /* bytes that a flush runs on */
    int threads;             /* that flush an instance at once */
    int short_layout;        /* instances as before 5.1 */
    int retry_wait_ms;
};

extern struct options options;
extern int global_log_level;

/* One registration of a shared object: a plugin, its def, and what Init gets. */
struct proxy {
    struct proxy *next;
    void *dso;
    struct api api;
    struct proxy_def def;
    struct go_plugin plugin;
    int (*init)(struct go_plugin *);
    int (*flush_ctx)(void *ctx, const void *data, size_t len, char *tag);
    int (*flush)(const void *data, size_t len, const char *tag);
    int (*exit)(void);
    int (*exit_ctx)(void *ctx);
    int (*collect)(void **data, size_t *len);
    int (*cleanup)(void *data);
    void (*pause)(void);
    void (*resume)(void);
};

struct output {
    struct output_head head; /* first, as plugins see it */
    char padding[512];       /* the real one is far larger */
    struct output *next;
    struct section *section;
    struct proxy *proxy;
    void *metrics;
    int retry_limit;         /* -1: none */
    int started;
    char *match;             /* as in the head, wherever that has them */
    void *match_regex;
    atomic_long oks, retries, errors, dropped;
};

struct input {
    struct input_head head;
    char padding[512];
    struct input *next;
    struct section *section;
    struct proxy *proxy;
    void *metrics;
    pthread_t thread;
    pthread_mutex_t mutex;   /* guards state and result */
    pthread_cond_t changed;
    enum { STARTING, READY, RUNNING, PAUSED, LEAVING } state;
    int result;              /* of Init */
    struct slot *ring;       /* handed over, not yet delivered; oldest first */
    struct slot **ring_end;
};

struct pipeline {
    struct section *config;
    struct proxy *proxies;
    struct output *outputs;
    struct input *inputs;
};

/* proxy.c */
struct proxy *proxy_open(const char *path, int hot_reload);
void proxy_close(struct proxy *p);
void *proxy_symbol(struct proxy *p, const char *name);

/* api.c */
struct api api_make(void);
void host_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
int log_level(const char *text, int otherwise);

/* output.c. output_init returns 0 when the plugin refused. */
struct output *output_new(struct section *s, struct proxy *p, int id);
int output_init(struct output *o);
void output_flush(struct output *o, const struct chunk *chunks);
void output_exit(struct output *o, int hot_reload);
void output_free(struct output *o);

/* input.c */
struct input *input_new(struct section *s, struct proxy *p, int id);
int input_init(struct input *in);
void input_set(struct input *in, int state);
void input_exit(struct input *in);
void input_free(struct input *in);
void input_say(const char *text); /* prints a line between the records */
long input_records(void); /* collected so far, of all inputs */

/* pipeline.c. pipeline_init returns 0 when an instance refused to start. */
struct pipeline *pipeline_load(const char *config, int hot_reload);
int pipeline_init(struct pipeline *p);
void pipeline_set_inputs(struct pipeline *p, int state);
void pipeline_flush(struct pipeline *p, const struct chunk *chunks);
void pipeline_stop(struct pipeline *p, int hot_reload);

/* cmetrics.c */
void *metrics_new(void);
void metrics_dump(FILE *out, void *metrics);
void metrics_free(void *metrics);

#endif
