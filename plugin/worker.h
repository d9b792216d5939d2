/*
 * The threads of one output instance.
 *
 * Core calls a flush on a coroutine whose stack may be 24 KiB; Go wants 32.
 * So a flush is handed to a thread made for it, and the coroutine waits. Core
 * can flush one instance from two threads at a time, so there are two here.
 */
#ifndef NEWTERMS_WORKER_H
#define NEWTERMS_WORKER_H

#include "log_queue.h"

struct nt_pool;

/*
 * Starts the threads, with every signal blocked: the host's signals are for
 * the host's threads. key is passed to newtermsFlush with each chunk; log is
 * drained after each. NULL, with errno, if a thread could not be made.
 */
struct nt_pool *nt_pool_start(void *key, struct nt_log *log);

void *nt_pool_key(struct nt_pool *pool);

/* Waits for the flush at hand, joins the threads and frees the pool. */
void nt_pool_stop(struct nt_pool *pool);

#endif
