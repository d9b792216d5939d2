#define _GNU_SOURCE
#include "metrics.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

typedef void *create_fn(void *context, const char *ns, const char *subsystem,
                        const char *name, const char *help,
                        int count, char **labels);
typedef int update_fn(void *metric, uint64_t now, double value,
                      int count, char **labels);

static create_fn *create[2];
static update_fn *update[2];
static int instances_have_metrics;

static void find(void)
{
    *(void **) &create[NT_COUNTER] = dlsym(RTLD_DEFAULT, "cmt_counter_create");
    *(void **) &update[NT_COUNTER] = dlsym(RTLD_DEFAULT, "cmt_counter_add");
    *(void **) &create[NT_GAUGE] = dlsym(RTLD_DEFAULT, "cmt_gauge_create");
    *(void **) &update[NT_GAUGE] = dlsym(RTLD_DEFAULT, "cmt_gauge_set");
    /* A program built without metrics leaves the function in the api unset:
     * that the function exists is the sign that it was set. */
    instances_have_metrics =
        dlsym(RTLD_DEFAULT, "flb_output_get_cmt_instance") != NULL;
}

void *nt_metrics_context(int kind, struct nt_api *api, void *instance)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, find);
    if (!instances_have_metrics || !create[NT_COUNTER] || !update[NT_COUNTER] ||
        !create[NT_GAUGE] || !update[NT_GAUGE]) {
        return NULL;
    }
    return kind == NT_OUTPUT ? api->output_get_cmt_instance(instance) :
        api->input_get_cmt_instance(instance);
}

/* Points list at the count texts that follow one another in labels. */
static void split(const char *labels, int count, char **list)
{
    for (int i = 0; i < count; i++) {
        list[i] = (char *) labels;
        labels += strlen(labels) + 1;
    }
}

void *nt_metric_create(int type, void *context, const char *name,
                       const char *help, int count, const char *labels)
{
    char *list[NT_MAX_LABELS];

    split(labels, count, list);
    return create[type](context, "newterms", "", name, help, count, list);
}

void nt_metric_update(int type, void *metric, uint64_t now, double value,
                      int count, const char *labels)
{
    char *list[NT_MAX_LABELS];

    split(labels, count, list);
    update[type](metric, now, value, count, list);
}
