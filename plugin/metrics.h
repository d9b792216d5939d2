/*
 * Fluent Bit's metrics library, found in the running program. Its functions
 * are exported by the program, not promised to plugins: everything here does
 * nothing when one is absent.
 */
#ifndef NEWTERMS_METRICS_H
#define NEWTERMS_METRICS_H

#include "shell.h"

enum { NT_COUNTER = 0, NT_GAUGE = 1, NT_MAX_LABELS = 8 };

/* The instance's metrics context, NULL if the program has no metrics. */
void *nt_metrics_context(int kind, struct nt_api *api, void *instance);

/*
 * Makes the metric newterms_NAME. labels holds `count` texts, each ended by a
 * NUL. The metric belongs to the context and ends with it. NULL on failure.
 */
void *nt_metric_create(int type, void *context, const char *name,
                       const char *help, int count, const char *labels);

/* Adds to a counter, or sets a gauge, at `now` nanoseconds since the epoch. */
void nt_metric_update(int type, void *metric, uint64_t now, double value,
                      int count, const char *labels);

#endif
