/*
 * Input instances. As in core, Init, every collect, pauses and the exit of an
 * instance run on a thread of its own; what is collected lies in a ring for a
 * while (--ring) before it is delivered, and what lies there when the input is
 * paused to stop is thrown away.
 */
#define _GNU_SOURCE
#include "host.h"
#include "msgpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static atomic_long collected;

long input_records(void)
{
    return collected;
}

/* Prints each record of data as a line {"tag":…,"record":[…]}. */
static void write_records(struct input *in, const unsigned char *data, size_t len)
{
    size_t at = 0;
    size_t n;

    pthread_mutex_lock(&writing);
    while (at < len) {
        n = msgpack_skip(data + at, len - at);
        if (n == 0) {
            fail("%s handed over malformed records at byte %zu of %zu", in->head.name, at, len);
        }
        if (options.records) {
            fprintf(options.records, "{\"tag\":\"%s\",\"record\":", in->head.tag);
            msgpack_to_json(options.records, data + at, len - at);
            fputs("}\n", options.records);
            fflush(options.records);
        }
        at += n;
        collected++;
    }
    pthread_mutex_unlock(&writing);
}

void input_say(const char *text)
{
    pthread_mutex_lock(&writing);
    if (options.records) {
        fprintf(options.records, "%s\n", text);
        fflush(options.records);
    }
    pthread_mutex_unlock(&writing);
}

/* Records in the ring. */
struct slot {
    struct slot *next;
    long at_ms; /* when they came */
    size_t len;
    unsigned char data[];
};

static long clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void put_in_ring(struct input *in, const void *data, size_t len)
{
    struct slot *slot = xalloc(sizeof(*slot) + len);

    slot->at_ms = clock_ms();
    slot->len = len;
    memcpy(slot->data, data, len);
    *in->ring_end = slot;
    in->ring_end = &slot->next;
}

/* Takes what has been in the ring for long enough out of it: delivers it, or
 * throws it away. */
static void empty_ring(struct input *in, int away)
{
    while (in->ring && (away || clock_ms() - in->ring->at_ms >= options.ring_ms)) {
        struct slot *slot = in->ring;

        in->ring = slot->next;
        if (!in->ring) {
            in->ring_end = &in->ring;
        }
        if (!away) {
            write_records(in, slot->data, slot->len);
        }
        free(slot);
    }
}

static void collect(struct input *in)
{
    struct proxy *p = in->proxy;
    void *data = NULL;
    size_t len = 0;

    if (!p->collect) {
        return;
    }
    if (p->collect(&data, &len) == -1 || len == 0) {
        return;
    }
    put_in_ring(in, data, len);
    empty_ring(in, 0);
    if (p->cleanup) {
        p->cleanup(data);
    }
    else {
        free(data);
    }
}

/* Waits until the state is another, at most for the timer's interval. */
static int next_state(struct input *in, int state)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += options.interval_ms % 1000 * 1000000L;
    until.tv_sec += options.interval_ms / 1000 + until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&in->mutex);
    while ((int) in->state == state &&
           pthread_cond_timedwait(&in->changed, &in->mutex, &until) != ETIMEDOUT) {
    }
    state = (int) in->state;
    pthread_mutex_unlock(&in->mutex);
    return state;
}

static void *run(void *arg)
{
    struct input *in = arg;
    struct proxy *p = in->proxy;
    int state = READY;
    int before;

    p->plugin.api = &p->api;
    p->plugin.instance = in;
    p->plugin.context = in->head.context;
    in->result = p->init(&p->plugin);
    input_set(in, READY);
    while (in->result > 0 && (state = next_state(in, before = state)) != LEAVING) {
        if (state == PAUSED && before != PAUSED && p->pause) {
            p->pause();
        }
        if (state == RUNNING && before == PAUSED && p->resume) {
            p->resume();
        }
        if (state == RUNNING) {
            collect(in);
            empty_ring(in, 0);
        }
    }
    empty_ring(in, 1);
    if (in->result > 0 && p->exit) {
        p->exit();
    }
    return NULL;
}

struct input *input_new(struct section *s, struct proxy *p, int id)
{
    struct input *in = xalloc(sizeof(*in));
    struct input_context *context = xalloc(sizeof(*context));
    const char *tag = config_get(s, "tag");
    const char *alias = config_get(s, "alias");

    in->section = s;
    in->proxy = p;
    context->collector = 7;
    context->proxy = p;
    in->head.id = id;
    in->head.log_level = log_level(config_get(s, "log_level"), global_log_level);
    snprintf(in->head.name, sizeof(in->head.name), "%.20s.%d", p->def.name, id);
    in->head.alias = alias ? sds_new(alias) : NULL;
    in->head.context = context;
    in->head.plugin = &p->def;
    in->head.tag = sds_new(tag ? tag : in->head.name);
    in->head.tag_len = (int) strlen(in->head.tag);
    in->head.tag_default = tag == NULL;
    in->metrics = options.metrics ? metrics_new() : NULL;
    in->ring_end = &in->ring;
    pthread_mutex_init(&in->mutex, NULL);
    pthread_cond_init(&in->changed, NULL);
    return in;
}

int input_init(struct input *in)
{
    if (pthread_create(&in->thread, NULL, run, in) != 0) {
        fail("cannot start a thread");
    }
    pthread_mutex_lock(&in->mutex);
    while (in->state == STARTING) {
        pthread_cond_wait(&in->changed, &in->mutex);
    }
    pthread_mutex_unlock(&in->mutex);
    if (in->result <= 0) {
        host_log(LOG_ERROR, "[go proxy]: plugin '%s' failed to initialize", in->proxy->def.name);
    }
    return in->result > 0;
}

void input_set(struct input *in, int state)
{
    pthread_mutex_lock(&in->mutex);
    in->state = state;
    pthread_cond_broadcast(&in->changed);
    pthread_mutex_unlock(&in->mutex);
}

void input_exit(struct input *in)
{
    struct input_context *context = in->head.context;

    if (in->thread) {
        input_set(in, LEAVING);
        pthread_join(in->thread, NULL);
    }
    if (context->collector != 7 || context->remote_context || context->proxy != in->proxy) {
        fail("%s: the plugin wrote to the input's context", in->head.name);
    }
}

void input_free(struct input *in)
{
    if (in->metrics) {
        metrics_dump(stderr, in->metrics);
        metrics_free(in->metrics);
    }
    pthread_mutex_destroy(&in->mutex);
    pthread_cond_destroy(&in->changed);
    sds_free(in->head.alias);
    sds_free(in->head.tag);
    free(in->head.context);
    free(in);
}
