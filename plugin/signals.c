#define _GNU_SOURCE
#include "signals.h"

#include <signal.h>
#include <stddef.h>

static const int FAULTS[] = {SIGSEGV, SIGBUS, SIGFPE};
enum { COUNT = sizeof(FAULTS) / sizeof(*FAULTS) };

static struct sigaction remembered[COUNT];

void nt_signals_remember(void)
{
    for (int i = 0; i < COUNT; i++) {
        sigaction(FAULTS[i], NULL, &remembered[i]);
    }
}

void nt_signals_restore(void)
{
    struct sigaction now;

    for (int i = 0; i < COUNT; i++) {
        if (!(remembered[i].sa_flags & SA_ONSTACK)) {
            continue; /* not one of Go's, which always runs on its own stack */
        }
        if (sigaction(FAULTS[i], NULL, &now) == 0 &&
            now.sa_sigaction != remembered[i].sa_sigaction) {
            sigaction(FAULTS[i], &remembered[i], NULL);
        }
    }
}
