/* What a plugin may call: its properties, its log level, the log. */
#define _GNU_SOURCE
#include "host.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <time.h>

int global_log_level = LOG_INFO;

static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;

/* Properties that core keeps to itself. */
static int reserved(const char *key)
{
    static const char *const NAMES[] = {
        "name", "match", "match_regex", "alias", "log_level",
        "log_suppress_interval", "host", "port", "ipv6", "retry_limit",
        "workers", "tls", "storage.total_limit_size", "routes", "processors",
        "tag", "mem_buf_limit", "threaded",
    };

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
        if (strcasecmp(key, NAMES[i]) == 0) {
            return 1;
        }
    }
    return strncasecmp(key, "tls.", 4) == 0 || strncasecmp(key, "net.", 4) == 0 ||
        strncasecmp(key, "oauth2", 6) == 0;
}

static const char *output_property(const char *key, void *instance)
{
    return reserved(key) ? NULL : config_get(((struct output *) instance)->section, key);
}

static const char *input_property(const char *key, void *instance)
{
    /* an input has a host and port of its own, but a tag is core's */
    return reserved(key) ? NULL : config_get(((struct input *) instance)->section, key);
}

static void *output_metrics(void *instance)
{
    return ((struct output *) instance)->metrics;
}

static void *input_metrics(void *instance)
{
    return ((struct input *) instance)->metrics;
}

static int output_check(void *instance, int level)
{
    return ((struct output *) instance)->head.log_level >= level;
}

static int input_check(void *instance, int level)
{
    return ((struct input *) instance)->head.log_level >= level;
}

static void print(int level, const char *format, va_list args)
{
    static const char *const LEVELS[] = {"help", "error", " warn", " info", "debug", "trace"};
    struct timespec now;
    struct tm tm;
    char date[32];
    char text[4096];

    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof(date), "%Y/%m/%d %H:%M:%S", &tm);
    vsnprintf(text, sizeof(text), format, args);
    pthread_mutex_lock(&printing);
    fprintf(stderr, "[%s.%03ld] [%s] %s\n", date, now.tv_nsec / 1000000,
            LEVELS[level >= 0 && level <= LOG_TRACE ? level : 0], text);
    pthread_mutex_unlock(&printing);
}

static void log_print(int level, const char *file, int line, const char *format, ...)
{
    va_list args;

    (void) file;
    (void) line;
    va_start(args, format);
    print(level, format, args);
    va_end(args);
}

void host_log(int level, const char *format, ...)
{
    va_list args;

    if (level > global_log_level) {
        return;
    }
    va_start(args, format);
    print(level, format, args);
    va_end(args);
}

int log_level(const char *text, int otherwise)
{
    static const char *const NAMES[] = {"off", "error", "warn", "info", "debug", "trace"};

    if (!text) {
        return otherwise;
    }
    for (int i = 0; i <= LOG_TRACE; i++) {
        if (strcasecmp(text, NAMES[i]) == 0) {
            return i;
        }
    }
    fail("log_level %s: it is one of off, error, warn, info, debug, trace", text);
}

struct api api_make(void)
{
    return (struct api) {
        .output_get_property = output_property,
        .input_get_property = input_property,
        .output_get_cmt_instance = output_metrics,
        .input_get_cmt_instance = input_metrics,
        .log_print = log_print,
        .input_log_check = input_check,
        .output_log_check = output_check,
    };
}

/* Exported by the program, as Fluent Bit does; found by dlsym only when the
 * host is linked with -rdynamic. */
const char *flb_output_name(void *instance);
const char *flb_input_name(void *instance);
void *flb_output_get_cmt_instance(void *instance);

const char *flb_output_name(void *instance)
{
    struct output_head *head = instance;

    return head->alias ? head->alias : head->name;
}

const char *flb_input_name(void *instance)
{
    struct input_head *head = instance;

    return head->alias ? head->alias : head->name;
}

void *flb_output_get_cmt_instance(void *instance)
{
    return output_metrics(instance);
}
