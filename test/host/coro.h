/* Calls on a small stack, as Fluent Bit's flush callbacks are. */
#ifndef HOST_CORO_H
#define HOST_CORO_H

#include <stddef.h>

/*
 * Calls f(arg) on a stack of its own of `stack` bytes, rounded up to pages,
 * with a page below it that cannot be touched: a deeper call faults. With a
 * stack of 0, f runs on the caller's.
 */
void on_stack(size_t stack, void (*f)(void *), void *arg);

#endif
