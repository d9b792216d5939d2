/*
 * The structures that Fluent Bit and a Go plugin share, and those of the
 * instances that a plugin may look at, in the order of Fluent Bit 5.1
 * (flb_plugin_proxy.h, flb_api.h, src/proxy/go/go.h, flb_output.h,
 * flb_input.h).
 */
#ifndef HOST_FLUENTBIT_H
#define HOST_FLUENTBIT_H

#include <stddef.h>
#include <stdint.h>

enum { FLB_ERROR = 0, FLB_OK = 1, FLB_RETRY = 2 };
enum { PROXY_INPUT = 1, PROXY_OUTPUT = 2, PROXY_GOLANG = 11 };
enum { LOG_ERROR = 1, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

struct proxy_def {
    int type;
    int proxy;
    int flags;
    char *name;
    char *description;
    int event_type;
    void *config_map;
};

struct api {
    const char *(*output_get_property)(const char *key, void *instance);
    const char *(*input_get_property)(const char *key, void *instance);
    void *(*output_get_cmt_instance)(void *instance);
    void *(*input_get_cmt_instance)(void *instance);
    void (*log_print)(int level, const char *file, int line,
                      const char *format, ...);
    int (*input_log_check)(void *instance, int level);
    int (*output_log_check)(void *instance, int level);
    const char *(*custom_get_property)(const char *key, void *instance);
    int (*custom_log_check)(void *instance, int level);
};

/* What Init is given. One per registration, so shared by its instances. */
struct go_plugin {
    char *name;
    struct api *api;
    void *instance;
    void *context;
};

/* A plugin writes the first word of an output's only. */
struct output_context {
    void *remote_context;
    void *proxy;
};

/* An input's must not be written: the first word is core's own. */
struct input_context {
    int collector;
    void *remote_context;
    void *proxy;
};

struct event {
    uint64_t words[8];
};

struct output_head {
    struct event event;
    void *processor;
    int event_type;
    int id;
    int log_level;
    int log_suppress_interval;
    char name[32];
    char *alias;
    int flags;
    int test_mode;
    int ch_events[2];
    void *plugin;
    void *context;
    int retry_limit;
    int retry_limit_is_set;
    int use_tls;
    char *match;
    void *match_regex;
};

struct input_head {
    struct event event;
    void *processor;
    int flags;
    int id;
    void *chunk_trace;
    uint64_t chunk_trace_lock[5];
    int log_level;
    int log_suppress_interval;
    int channel[2];
    int runs_in_coroutine;
    char name[32];
    char *alias;
    int test_mode;
    void *context;
    int ch_events[2];
    void *plugin;
    char *tag;
    int tag_len;
    int tag_default;
};

#endif
