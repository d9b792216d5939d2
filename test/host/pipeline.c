/* A configuration, running: its instances in the order that core has. */
#define _GNU_SOURCE
#include "host.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct proxy *find_proxy(struct pipeline *p, int type, const char *name)
{
    for (struct proxy *x = p->proxies; x; x = x->next) {
        if (x->def.type == type && name && strcasecmp(x->def.name, name) == 0) {
            return x;
        }
    }
    return NULL;
}

struct pipeline *pipeline_load(const char *config, int hot_reload)
{
    struct pipeline *p = xalloc(sizeof(*p));
    struct proxy **proxy = &p->proxies;
    struct output **output = &p->outputs;
    struct input **input = &p->inputs;
    int outputs = 0;
    int inputs = 0;

    p->config = config_load(config);
    for (struct section *s = p->config; s; s = s->next) {
        if (strcasecmp(s->kind, "SERVICE") == 0) {
            global_log_level = log_level(config_get(s, "log_level"), LOG_INFO);
        }
    }
    for (int i = 0; i < options.plugin_count; i++) {
        *proxy = proxy_open(options.plugins[i], hot_reload);
        proxy = &(*proxy)->next;
    }
    for (struct section *s = p->config; s; s = s->next) {
        int type = strcasecmp(s->kind, "OUTPUT") == 0 ? PROXY_OUTPUT :
            strcasecmp(s->kind, "INPUT") == 0 ? PROXY_INPUT : 0;
        const char *name = config_get(s, "name");
        struct proxy *x = find_proxy(p, type, name);

        if (type != 0 && !x) {
            fail("%s: no plugin is called %s", config, name ? name : "(no name)");
        }
        if (type == PROXY_OUTPUT) {
            *output = output_new(s, x, outputs++);
            output = &(*output)->next;
        }
        else if (type == PROXY_INPUT) {
            *input = input_new(s, x, inputs++);
            input = &(*input)->next;
        }
    }
    return p;
}

int pipeline_init(struct pipeline *p)
{
    for (struct input *in = p->inputs; in; in = in->next) {
        if (!input_init(in)) {
            return 0;
        }
    }
    for (struct output *o = p->outputs; o; o = o->next) {
        if (!output_init(o)) {
            return 0;
        }
    }
    pipeline_set_inputs(p, RUNNING);
    return 1;
}

void pipeline_set_inputs(struct pipeline *p, int state)
{
    for (struct input *in = p->inputs; in; in = in->next) {
        input_set(in, state);
    }
}

/* Core's Match: a star stands for any run of characters. */
static int matches(const char *pattern, const char *tag)
{
    if (!pattern) {
        return 0;
    }
    for (; *pattern && *pattern != '*'; pattern++, tag++) {
        if (*pattern != *tag) {
            return 0;
        }
    }
    if (!*pattern) {
        return !*tag;
    }
    for (;; tag++) {
        if (matches(pattern + 1, tag)) {
            return 1;
        }
        if (!*tag) {
            return 0;
        }
    }
}

void pipeline_flush(struct pipeline *p, const struct chunk *chunks)
{
    for (struct output *o = p->outputs; chunks && o; o = o->next) {
        if (config_get(o->section, "match_regex") ||
            matches(config_get(o->section, "match"), chunks->tag)) {
            output_flush(o, chunks);
        }
    }
}

/* Inputs have paused by now; outputs end before inputs do. */
void pipeline_stop(struct pipeline *p, int hot_reload)
{
    pipeline_set_inputs(p, PAUSED);
    while (p->outputs) {
        struct output *o = p->outputs;

        p->outputs = o->next;
        output_exit(o, hot_reload);
        output_free(o);
    }
    while (p->inputs) {
        struct input *in = p->inputs;

        p->inputs = in->next;
        input_exit(in);
        input_free(in);
    }
    while (p->proxies) {
        struct proxy *x = p->proxies;

        p->proxies = x->next;
        proxy_close(x);
    }
    config_free(p->config);
    free(p);
}
