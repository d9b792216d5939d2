/*
 * host loads a Go plugin as Fluent Bit does, without Fluent Bit: it is how
 * the tests reach the shared object's edges, which a real pipeline reaches
 * rarely or never. Build and run:
 *
 *   cc -O2 -g -pthread -rdynamic -o build/host test/host/?*.c -ldl
 *   build/host -p build/out_newterms.so -p build/out_newterms.so \
 *       -c test.conf events=audit.jsonl records=2 reload events=more.jsonl
 *
 * (-rdynamic lets the plugin find the host's cmt_ and flb_ functions, as it
 * finds Fluent Bit's.) What host --help says is all there is to know.
 */
#define _GNU_SOURCE
#include "host.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct options options = {
    .interval_ms = 20,
    .timeout_ms = 10000,
    .stack = 24 * 1024,
    .threads = 1,
    .retry_wait_ms = 10,
};

static struct chunk_style style;

static const char HELP[] =
"Usage: host -p PLUGIN.so [-p PLUGIN.so] -c CONFIG [OPTION...] STEP...\n"
"\n"
"Loads a Go plugin for Fluent Bit as Fluent Bit does, starts the instances of\n"
"CONFIG, does the STEPs in order, and stops: inputs pause, outputs exit, inputs\n"
"exit, plugins are unregistered. Log and metrics go to standard error.\n"
"Exit status: 0; 1 if an instance refused to start; 2 for a mistake of use, or\n"
"when the plugin breaks the rules.\n"
"\n"
"CONFIG is in Fluent Bit's classic format: [SERVICE] log_level, [OUTPUT] and\n"
"[INPUT] with Name, Match, Tag, Alias, Log_Level, Retry_Limit and the plugin's\n"
"own properties. An output with Match_Regex gets every chunk.\n"
"\n"
"Options:\n"
"  -p, --plugin PATH    a shared object; twice, if it is an output and an input\n"
"  -c, --config PATH    the configuration\n"
"  -r, --records PATH   where the records that inputs collect go, as JSON lines\n"
"                       {\"tag\":…,\"record\":…}; - is standard output (default)\n"
"  -m, --metrics        give instances a place for metrics; print it at the end\n"
"  -i, --interval MS    how often inputs collect (default 20)\n"
"      --ring MS        how long what they collect lies in a ring in memory, which\n"
"                       is thrown away at the end (default 0; Fluent Bit: 250)\n"
"  -t, --timeout MS     how long the step records=N waits (default 10000)\n"
"      --layout 5.0     lay instances out as before Fluent Bit 5.1\n"
"  -h, --help\n"
"\n"
"Steps that do something:\n"
"  events=FILE     flush chunks made from FILE, a JSON object a line\n"
"  chunk=FILE      flush FILE's bytes as one chunk\n"
"  sleep=MS        wait\n"
"  say=TEXT        print TEXT on a line, where collected records go\n"
"  records=N       wait until inputs have collected N records in all\n"
"  pause, resume   stop and start the inputs' timers\n"
"  reload[=CONFIG] hot reload: register anew, stop the old, start the new\n"
"  kill            end the process at once, calling nothing\n"
"  @FILE           do the steps in FILE, one a line\n"
"\n"
"Steps that set something for the steps after them:\n"
"  tag=TAG         of chunks (default kube.audit)\n"
"  form=new|old    records are [[time,{}],{}] or [time,{}]\n"
"  timestamp=ext|int|float\n"
"  time=now|TIME   of records: seconds since the epoch, with a fraction\n"
"  time-key=KEY    take it from KEY of the record, RFC 3339 or seconds\n"
"  groups=on|off   put group markers around every ten records\n"
"  size=BYTES      of a chunk, at most (default 2000000)\n"
"  truncate=N      cut chunks to N bytes; -1: do not\n"
"  flip=SEED:N     change N bytes of each chunk at random\n"
"  threads=N       flush with N threads at once (default 1)\n"
"  stack=KIB       flush on a stack of that size (default 24), 0: the thread's\n"
"  retry-wait=MS   between attempts of a chunk (default 10)\n";

static void sleep_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    nanosleep(&t, NULL);
}

static long number(const char *step, const char *value)
{
    char *end;
    long n = value ? strtol(value, &end, 10) : 0;

    if (!value || end == value || *end) {
        fail("%s: a number is wanted", step);
    }
    return n;
}

/* The place of value among choices, which a NULL ends. */
static int choice(const char *step, const char *value, const char *const *choices)
{
    for (int i = 0; choices[i]; i++) {
        if (value && strcmp(value, choices[i]) == 0) {
            return i;
        }
    }
    fail("%s: not one of its values; see --help", step);
}

static void set_time(const char *step, const char *value)
{
    double t;

    free(style.time_key);
    style.time_key = NULL;
    style.seconds = style.nanoseconds = 0;
    if (value && strcmp(value, "now") != 0) {
        t = strtod(value, NULL);
        if (t <= 0) {
            fail("%s: now, or seconds since the epoch", step);
        }
        style.seconds = (uint32_t) t;
        style.nanoseconds = (uint32_t) ((t - style.seconds) * 1e9);
    }
}

static void set_flip(const char *step, const char *value)
{
    if (!value || sscanf(value, "%u:%d", &style.flip_seed, &style.flip_count) != 2) {
        fail("%s: flip=SEED:N is wanted", step);
    }
}

/* Does a step that sets something; returns 0 if it is none. */
static int set(const char *step, const char *name, const char *value)
{
    static const char *const FORMS[] = {"new", "old", NULL};
    static const char *const TIMESTAMPS[] = {"ext", "int", "float", NULL};
    static const char *const SWITCH[] = {"off", "on", NULL};

    if (strcmp(name, "tag") == 0 && value) {
        free(style.tag);
        style.tag = xstrdup(value);
    }
    else if (strcmp(name, "form") == 0) {
        style.old_form = choice(step, value, FORMS);
    }
    else if (strcmp(name, "timestamp") == 0) {
        style.timestamp = "eif"[choice(step, value, TIMESTAMPS)];
    }
    else if (strcmp(name, "time") == 0) {
        set_time(step, value);
    }
    else if (strcmp(name, "time-key") == 0 && value) {
        free(style.time_key);
        style.time_key = xstrdup(value);
    }
    else if (strcmp(name, "groups") == 0) {
        style.groups = choice(step, value, SWITCH);
    }
    else if (strcmp(name, "size") == 0) {
        style.size = (size_t) number(step, value);
    }
    else if (strcmp(name, "truncate") == 0) {
        style.truncate = number(step, value);
    }
    else if (strcmp(name, "flip") == 0) {
        set_flip(step, value);
    }
    else if (strcmp(name, "threads") == 0) {
        options.threads = (int) number(step, value);
    }
    else if (strcmp(name, "stack") == 0) {
        options.stack = (size_t) number(step, value) * 1024;
    }
    else if (strcmp(name, "retry-wait") == 0) {
        options.retry_wait_ms = (int) number(step, value);
    }
    else {
        return 0;
    }
    return 1;
}

static void wait_records(long wanted)
{
    for (int waited = 0; input_records() < wanted; waited += 5) {
        if (waited >= options.timeout_ms) {
            fail("%ld records wanted, %ld collected in %d ms", wanted, input_records(),
                 options.timeout_ms);
        }
        sleep_ms(5);
    }
}

static void flush(struct pipeline *p, struct chunk *chunks)
{
    pipeline_flush(p, chunks);
    chunks_free(chunks);
}

/* Core registers the new configuration's plugins before it stops the old. */
static struct pipeline *reload(struct pipeline *old, const char *config)
{
    struct pipeline *p = pipeline_load(config ? config : options.config, 1);

    pipeline_stop(old, 1);
    if (!pipeline_init(p)) {
        pipeline_stop(p, 0);
        exit(1);
    }
    return p;
}

static struct pipeline *run_file(struct pipeline *p, const char *path);

/* Does one step, and returns the pipeline that runs after it. */
static struct pipeline *run_step(struct pipeline *p, const char *step)
{
    const char *equals = strchr(step, '=');
    const char *value = equals ? equals + 1 : NULL;
    char *name = strndup(step, equals ? (size_t) (equals - step) : strlen(step));

    if (*step == '@') {
        p = run_file(p, step + 1);
    }
    else if (strcmp(name, "events") == 0 && value) {
        flush(p, chunks_from_events(value, &style));
    }
    else if (strcmp(name, "chunk") == 0 && value) {
        flush(p, chunk_from_file(value, &style));
    }
    else if (strcmp(name, "sleep") == 0) {
        sleep_ms(number(step, value));
    }
    else if (strcmp(name, "say") == 0 && value) {
        input_say(value);
    }
    else if (strcmp(name, "records") == 0) {
        wait_records(number(step, value));
    }
    else if (strcmp(name, "pause") == 0) {
        pipeline_set_inputs(p, PAUSED);
    }
    else if (strcmp(name, "resume") == 0) {
        pipeline_set_inputs(p, RUNNING);
    }
    else if (strcmp(name, "reload") == 0) {
        p = reload(p, value);
    }
    else if (strcmp(name, "kill") == 0) {
        _exit(0);
    }
    else if (!set(step, name, value)) {
        fail("unknown step %s; see --help", step);
    }
    free(name);
    return p;
}

static struct pipeline *run_file(struct pipeline *p, const char *path)
{
    struct buf file = buf_read(path);
    char *rest;

    buf_byte(&file, 0);
    rest = (char *) file.data;
    while (rest) {
        char *line = strsep(&rest, "\n");

        if (*line && *line != '#') {
            p = run_step(p, line);
        }
    }
    buf_free(&file);
    return p;
}

static FILE *open_records(const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");

    if (!f) {
        fail("cannot write %s", path);
    }
    return f;
}

static void parse(int argc, char **argv)
{
    static const struct option LONG[] = {
        {"plugin", required_argument, NULL, 'p'},
        {"config", required_argument, NULL, 'c'},
        {"records", required_argument, NULL, 'r'},
        {"metrics", no_argument, NULL, 'm'},
        {"interval", required_argument, NULL, 'i'},
        {"timeout", required_argument, NULL, 't'},
        {"ring", required_argument, NULL, 'R'},
        {"layout", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    static const char *const LAYOUTS[] = {"5.1", "5.0", NULL};
    int c;

    options.records = stdout;
    while ((c = getopt_long(argc, argv, "p:c:r:mi:t:h", LONG, NULL)) != -1) {
        switch (c) {
        case 'p':
            if (options.plugin_count == 8) {
                fail("at most 8 plugins");
            }
            options.plugins[options.plugin_count++] = optarg;
            break;
        case 'c':
            options.config = optarg;
            break;
        case 'r':
            options.records = open_records(optarg);
            break;
        case 'm':
            options.metrics = 1;
            break;
        case 'i':
            options.interval_ms = (int) number("--interval", optarg);
            break;
        case 't':
            options.timeout_ms = (int) number("--timeout", optarg);
            break;
        case 'R':
            options.ring_ms = (int) number("--ring", optarg);
            break;
        case 'l':
            options.short_layout = choice("--layout", optarg, LAYOUTS);
            break;
        case 'h':
            fputs(HELP, stdout);
            exit(0);
        default:
            exit(2);
        }
    }
    if (options.plugin_count == 0 || !options.config) {
        fail("--plugin and --config are wanted; see --help");
    }
}

int main(int argc, char **argv)
{
    struct pipeline *p;

    style = chunk_style_default();
    parse(argc, argv);
    p = pipeline_load(options.config, 0);
    if (!pipeline_init(p)) {
        pipeline_stop(p, 0);
        return 1;
    }
    for (int i = optind; i < argc; i++) {
        p = run_step(p, argv[i]);
    }
    pipeline_stop(p, 0);
    return 0;
}
