/*
 * The handlers of faults.
 *
 * Go turns a nil dereference into a panic by a handler of SIGSEGV, which it
 * installs when the object is loaded, and which passes faults outside Go to
 * the handler before it. At a hot reload Fluent Bit installs its own again, on
 * top: from then on every such panic would end the process, recovered or not.
 */
#ifndef NEWTERMS_SIGNALS_H
#define NEWTERMS_SIGNALS_H

/* Remembers the handlers in place; called when Go has installed its own. */
void nt_signals_remember(void);

/* Puts back what was remembered where it was replaced. One system call a
 * signal when there is nothing to do. */
void nt_signals_restore(void);

#endif
