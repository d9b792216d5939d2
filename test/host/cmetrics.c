/*
 * Counters and gauges under the names of Fluent Bit's cmetrics, so that a
 * plugin that looks for them in the program finds these. Like cmetrics, they
 * take no lock when a set of labels is new: a plugin that does not serialise
 * its own updates shows under a thread sanitizer.
 */
#include "host.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_LABELS = 16 };

struct sample {
    struct sample *next;
    char *labels[MAX_LABELS];
    double value;
};

struct metric {
    struct metric *next;
    const char *type;
    char *name;
    char *help;
    int count;
    char *labels[MAX_LABELS];
    struct sample *samples;
};

struct metrics {
    struct metric *first;
};

void *cmt_counter_create(void *cmt, char *ns, char *subsystem, char *name,
                         char *help, int count, char **labels);
void *cmt_gauge_create(void *cmt, char *ns, char *subsystem, char *name,
                       char *help, int count, char **labels);
int cmt_counter_add(void *counter, uint64_t now, double v, int count, char **labels);
int cmt_gauge_set(void *gauge, uint64_t now, double v, int count, char **labels);

static void *create(void *cmt, const char *type, char *ns, char *subsystem,
                    char *name, char *help, int count, char **labels)
{
    struct metrics *all = cmt;
    struct metric *m = xalloc(sizeof(*m));
    size_t room = strlen(ns) + strlen(subsystem) + strlen(name) + 3;

    m->type = type;
    m->name = xalloc(room);
    snprintf(m->name, room, "%s_%s%s%s", ns, subsystem, *subsystem ? "_" : "", name);
    m->help = xstrdup(help);
    m->count = count;
    for (int i = 0; i < count; i++) {
        m->labels[i] = xstrdup(labels[i]);
    }
    m->next = all->first;
    all->first = m;
    return m;
}

static struct sample *find(struct metric *m, int count, char **labels)
{
    struct sample *s;

    if (count != m->count) {
        fail("%s wants %d labels, not %d", m->name, m->count, count);
    }
    for (s = m->samples; s; s = s->next) {
        int i = 0;

        while (i < count && strcmp(s->labels[i], labels[i]) == 0) {
            i++;
        }
        if (i == count) {
            return s;
        }
    }
    s = xalloc(sizeof(*s));
    for (int i = 0; i < count; i++) {
        s->labels[i] = xstrdup(labels[i]);
    }
    s->next = m->samples;
    m->samples = s;
    return s;
}

void *cmt_counter_create(void *cmt, char *ns, char *subsystem, char *name,
                         char *help, int count, char **labels)
{
    return create(cmt, "counter", ns, subsystem, name, help, count, labels);
}

void *cmt_gauge_create(void *cmt, char *ns, char *subsystem, char *name,
                       char *help, int count, char **labels)
{
    return create(cmt, "gauge", ns, subsystem, name, help, count, labels);
}

int cmt_counter_add(void *counter, uint64_t now, double v, int count, char **labels)
{
    (void) now;
    if (v < 0) {
        fail("a counter cannot go down");
    }
    find(counter, count, labels)->value += v;
    return 0;
}

int cmt_gauge_set(void *gauge, uint64_t now, double v, int count, char **labels)
{
    (void) now;
    find(gauge, count, labels)->value = v;
    return 0;
}

void *metrics_new(void)
{
    return xalloc(sizeof(struct metrics));
}

void metrics_dump(FILE *out, void *metrics)
{
    for (struct metric *m = ((struct metrics *) metrics)->first; m; m = m->next) {
        fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, m->type);
        for (struct sample *s = m->samples; s; s = s->next) {
            fprintf(out, "%s{", m->name);
            for (int i = 0; i < m->count; i++) {
                fprintf(out, "%s%s=\"%s\"", i ? "," : "", m->labels[i], s->labels[i]);
            }
            fprintf(out, "} %.17g\n", s->value);
        }
    }
}

void metrics_free(void *metrics)
{
    struct metrics *all = metrics;

    while (all && all->first) {
        struct metric *m = all->first;

        all->first = m->next;
        while (m->samples) {
            struct sample *s = m->samples;

            m->samples = s->next;
            for (int i = 0; i < m->count; i++) {
                free(s->labels[i]);
            }
            free(s);
        }
        for (int i = 0; i < m->count; i++) {
            free(m->labels[i]);
        }
        free(m->name);
        free(m->help);
        free(m);
    }
    free(all);
}
