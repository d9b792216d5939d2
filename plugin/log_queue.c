#include "log_queue.h"

#include <pthread.h>
#include <string.h>

/* A full queue is printed by whoever fills it, so memory stays bounded and no
 * line is lost. */
enum { MAX_WAITING = 256 };

struct line {
    struct line *next;
    int level;
    char text[];
};

struct nt_log {
    int kind;
    struct nt_api *api;
    void *instance;
    pthread_mutex_t queue;   /* guards the three below */
    struct line *first;
    struct line *last;
    int waiting;
    pthread_mutex_t printer; /* held while printing, so that order is kept */
};

struct nt_log *nt_log_new(int kind, struct nt_api *api, void *instance)
{
    struct nt_log *log = calloc(1, sizeof(*log));

    if (!log) {
        return NULL;
    }
    log->kind = kind;
    log->api = api;
    log->instance = instance;
    pthread_mutex_init(&log->queue, NULL);
    pthread_mutex_init(&log->printer, NULL);
    return log;
}

void nt_log_free(struct nt_log *log)
{
    nt_log_drain(log);
    pthread_mutex_destroy(&log->queue);
    pthread_mutex_destroy(&log->printer);
    free(log);
}

int nt_log_enabled(struct nt_log *log, int level)
{
    int (*check)(void *, int) = log->kind == NT_OUTPUT ?
        log->api->output_log_check : log->api->input_log_check;

    return check(log->instance, level);
}

void nt_log_push(struct nt_log *log, int level, const char *text, size_t len)
{
    struct line *line = malloc(sizeof(*line) + len + 1);
    int waiting;

    if (!line) {
        return;
    }
    line->next = NULL;
    line->level = level;
    memcpy(line->text, text, len);
    line->text[len] = '\0';

    pthread_mutex_lock(&log->queue);
    if (log->last) {
        log->last->next = line;
    }
    else {
        log->first = line;
    }
    log->last = line;
    waiting = ++log->waiting;
    pthread_mutex_unlock(&log->queue);

    if (waiting >= MAX_WAITING) {
        nt_log_drain(log);
    }
}

void nt_log_drain(struct nt_log *log)
{
    struct line *line;
    struct line *next;

    pthread_mutex_lock(&log->printer);
    pthread_mutex_lock(&log->queue);
    line = log->first;
    log->first = NULL;
    log->last = NULL;
    log->waiting = 0;
    pthread_mutex_unlock(&log->queue);

    for (; line; line = next) {
        next = line->next;
        log->api->log_print(line->level, NULL, 0, "%s", line->text);
        free(line);
    }
    pthread_mutex_unlock(&log->printer);
}
