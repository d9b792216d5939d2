/* Output instances: as flb_output.c and src/proxy/go/go.c treat them. */
#define _GNU_SOURCE
#include "host.h"
#include "coro.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static int retry_limit(const char *text)
{
    if (!text) {
        return 1;
    }
    if (strcasecmp(text, "no_limits") == 0 || strcasecmp(text, "false") == 0) {
        return -1;
    }
    if (strcasecmp(text, "no_retries") == 0) {
        return 0;
    }
    return atoi(text);
}

/* What follows the context before 5.1, which had no retry_limit_is_set. */
struct short_tail {
    int retry_limit;
    int use_tls;
    char *match;
    void *match_regex;
};

static void shorten(struct output_head *h)
{
    struct short_tail tail = {
        .retry_limit = h->retry_limit,
        .match = h->match,
        .match_regex = h->match_regex,
    };
    size_t at = offsetof(struct output_head, retry_limit);

    memset((char *) h + at, 0, sizeof(*h) - at);
    memcpy((char *) h + at, &tail, sizeof(tail));
}

struct output *output_new(struct section *s, struct proxy *p, int id)
{
    struct output *o = xalloc(sizeof(*o));
    struct output_context *context = xalloc(sizeof(*context));
    const char *text;

    o->section = s;
    o->proxy = p;
    o->retry_limit = retry_limit(config_get(s, "retry_limit"));
    context->proxy = p;
    o->head.id = id;
    o->head.log_level = log_level(config_get(s, "log_level"), global_log_level);
    snprintf(o->head.name, sizeof(o->head.name), "%.20s.%d", p->def.name, id);
    text = config_get(s, "alias");
    o->head.alias = text ? sds_new(text) : NULL;
    o->head.plugin = &p->def;
    o->head.context = context;
    o->head.retry_limit = o->retry_limit;
    text = config_get(s, "match");
    o->match = text ? sds_new(text) : NULL;
    if (config_get(s, "match_regex")) {
        /* a pointer to something that is no string, as a regex is */
        o->match_regex = xalloc(sizeof(void *));
        *(void **) o->match_regex = o->match_regex;
    }
    o->head.match = o->match;
    o->head.match_regex = o->match_regex;
    if (options.short_layout) {
        shorten(&o->head);
    }
    o->metrics = options.metrics ? metrics_new() : NULL;
    return o;
}

int output_init(struct output *o)
{
    struct proxy *p = o->proxy;

    p->plugin.api = &p->api;
    p->plugin.instance = o;
    p->plugin.context = o->head.context;
    o->started = p->init(&p->plugin) > 0;
    if (!o->started) {
        host_log(LOG_ERROR, "[go proxy]: plugin '%s' failed to initialize", p->def.name);
    }
    return o->started;
}

/* One call of the flush callback, with a copy of the chunk that is gone, and
 * unreadable, when the call returns. */
struct call {
    struct output *output;
    const struct chunk *chunk;
    int code;
};

static void call_flush(void *arg)
{
    struct call *call = arg;
    struct proxy *p = call->output->proxy;
    struct output_context *context = call->output->head.context;
    const struct chunk *c = call->chunk;
    struct guarded data = guarded_copy(c->bytes.data, c->bytes.len);
    struct guarded tag = guarded_copy(c->tag, strlen(c->tag) + 1);

    if (p->flush_ctx) {
        call->code = p->flush_ctx(context->remote_context, data.data,
                                  c->bytes.len, (char *) tag.data);
    }
    else {
        call->code = p->flush(data.data, c->bytes.len, (char *) tag.data);
    }
    guarded_free(&tag);
    guarded_free(&data);
}

/* Flushes one chunk until it is released or dropped. */
static void deliver(struct output *o, const struct chunk *c)
{
    struct call call = {.output = o, .chunk = c};
    struct timespec wait = {.tv_sec = options.retry_wait_ms / 1000,
                            .tv_nsec = options.retry_wait_ms % 1000 * 1000000L};

    for (int attempt = 0;; attempt++) {
        on_stack(options.stack, call_flush, &call);
        if (call.code == FLB_OK) {
            o->oks++;
            return;
        }
        if (call.code != FLB_RETRY) {
            o->errors++;
            host_log(LOG_ERROR, "[host] chunk of %zu bytes dropped: %s answered %d",
                     c->bytes.len, o->head.name, call.code);
            return;
        }
        o->retries++;
        if (o->retry_limit >= 0 && attempt >= o->retry_limit) {
            o->dropped++;
            host_log(LOG_WARN, "[host] chunk of %zu bytes dropped after %d attempts by %s",
                     c->bytes.len, attempt + 1, o->head.name);
            return;
        }
        nanosleep(&wait, NULL);
    }
}

/* What the threads that flush one instance share: the chunks not yet taken. */
struct share {
    struct output *output;
    pthread_mutex_t mutex;
    const struct chunk *next;
};

static void *deliver_shared(void *arg)
{
    struct share *share = arg;
    const struct chunk *c;

    for (;;) {
        pthread_mutex_lock(&share->mutex);
        c = share->next;
        share->next = c ? c->next : NULL;
        pthread_mutex_unlock(&share->mutex);
        if (!c) {
            return NULL;
        }
        deliver(share->output, c);
    }
}

void output_flush(struct output *o, const struct chunk *chunks)
{
    struct share share = {.output = o, .mutex = PTHREAD_MUTEX_INITIALIZER, .next = chunks};
    pthread_t threads[64];
    int n = options.threads > 64 ? 64 : options.threads;

    for (int i = 0; i < n; i++) {
        if (pthread_create(&threads[i], NULL, deliver_shared, &share) != 0) {
            fail("cannot start a thread");
        }
    }
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* Core calls the exit callback of every instance, started or not. */
void output_exit(struct output *o, int hot_reload)
{
    struct proxy *p = o->proxy;
    struct output_context *context = o->head.context;
    void (*pre_exit)(int);

    *(void **) &pre_exit = proxy_symbol(p, "FLBPluginOutputPreExit");
    if (pre_exit) {
        pre_exit(hot_reload);
    }
    if (p->exit_ctx) {
        p->exit_ctx(context->remote_context);
    }
    else if (p->exit) {
        p->exit();
    }
    host_log(LOG_INFO, "[host] %s: ok=%ld retry=%ld error=%ld dropped=%ld", o->head.name,
             o->oks, o->retries, o->errors, o->dropped);
}

void output_free(struct output *o)
{
    if (o->metrics) {
        metrics_dump(stderr, o->metrics);
        metrics_free(o->metrics);
    }
    sds_free(o->match);
    free(o->match_regex);
    sds_free(o->head.alias);
    free(o->head.context);
    free(o);
}
