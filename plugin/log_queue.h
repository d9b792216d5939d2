/*
 * Log lines on their way to Fluent Bit.
 *
 * Fluent Bit's log_print writes to the configured Log_File only from threads
 * that Fluent Bit made; called from any other thread it writes to standard
 * error. Our lines come from threads of Go and of the pool, so they wait
 * here until a thread of Fluent Bit's passes by: at the end of each callback.
 */
#ifndef NEWTERMS_LOG_QUEUE_H
#define NEWTERMS_LOG_QUEUE_H

#include "shell.h"

struct nt_log;

/* NULL if there is no memory. */
struct nt_log *nt_log_new(int kind, struct nt_api *api, void *instance);

/* Prints what waits, then frees. Nobody may use log after it. */
void nt_log_free(struct nt_log *log);

/* Whether the instance's log level lets level pass. */
int nt_log_enabled(struct nt_log *log, int level);

/* Queues a line. text is copied; it must hold no newline. */
void nt_log_push(struct nt_log *log, int level, const char *text, size_t len);

/* Prints what waits, in order, from the calling thread. Safe on a small
 * stack: it needs no more of it than log_print does. */
void nt_log_drain(struct nt_log *log);

#endif
