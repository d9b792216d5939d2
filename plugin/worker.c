#define _GNU_SOURCE
#include "worker.h"
#include "_cgo_export.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

enum {
    THREADS = 2,
    STACK_BYTES = 512 * 1024, /* Go code runs on stacks of Go's own */
    CODE_RETRY = 2
};

/* A chunk that waits for its answer. It lives on the caller's stack. */
struct job {
    struct job *next;
    const void *data;
    size_t len;
    char *tag;
    int code;
    int done;
    pthread_cond_t answered;
};

struct nt_pool {
    void *key;
    struct nt_log *log;
    pthread_mutex_t mutex; /* guards the jobs and stop */
    pthread_cond_t work;
    struct job *first;
    struct job *last;
    int stop;
    int started;
    pthread_t threads[THREADS];
};

static void *run(void *arg)
{
    struct nt_pool *pool = arg;
    struct job *job;
    int code;

    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        while (!pool->first && !pool->stop) {
            pthread_cond_wait(&pool->work, &pool->mutex);
        }
        job = pool->first;
        if (!job) {
            break; /* told to stop, and nothing waits */
        }
        pool->first = job->next;
        if (!pool->first) {
            pool->last = NULL;
        }
        pthread_mutex_unlock(&pool->mutex);

        code = newtermsFlush(pool->key, (void *) job->data, job->len, job->tag);

        pthread_mutex_lock(&pool->mutex);
        job->code = code;
        job->done = 1;
        pthread_cond_signal(&job->answered);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

static int start_threads(struct nt_pool *pool)
{
    pthread_attr_t attr;
    sigset_t all;
    sigset_t before;
    int err;

    err = pthread_attr_init(&attr);
    if (err) {
        return err;
    }
    err = pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* threads inherit it */
    while (!err && pool->started < THREADS) {
        err = pthread_create(&pool->threads[pool->started], &attr, run, pool);
        if (!err) {
            pthread_setname_np(pool->threads[pool->started], "newterms-flush");
            pool->started++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return err;
}

struct nt_pool *nt_pool_start(void *key, struct nt_log *log)
{
    struct nt_pool *pool = calloc(1, sizeof(*pool));
    int err;

    if (!pool) {
        return NULL;
    }
    pool->key = key;
    pool->log = log;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    err = start_threads(pool);
    if (err) {
        nt_pool_stop(pool);
        errno = err;
        return NULL;
    }
    return pool;
}

void *nt_pool_key(struct nt_pool *pool)
{
    return pool->key;
}

void nt_pool_stop(struct nt_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->stop = 1;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < pool->started; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

/*
 * FLBPluginFlushCtx is the flush callback: ctx is the pool, which
 * FLBPluginInit left as the instance's context. data and tag are borrowed
 * until it returns. No Go runs below it on this stack.
 */
int FLBPluginFlushCtx(void *ctx, const void *data, size_t len, char *tag)
{
    struct nt_pool *pool = ctx;
    struct job job = {.data = data, .len = len, .tag = tag};

    if (!pool) {
        return CODE_RETRY;
    }
    pthread_cond_init(&job.answered, NULL);
    pthread_mutex_lock(&pool->mutex);
    if (pool->last) {
        pool->last->next = &job;
    }
    else {
        pool->first = &job;
    }
    pool->last = &job;
    pthread_cond_signal(&pool->work);
    while (!job.done) {
        pthread_cond_wait(&job.answered, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    pthread_cond_destroy(&job.answered);

    nt_log_drain(pool->log);
    return job.code;
}
