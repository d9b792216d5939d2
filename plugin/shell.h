/*
 * What Fluent Bit hands to a plugin, as far as it has been the same since
 * 2022 (v1.9): include/fluent-bit/flb_api.h and src/proxy/go/go.h there.
 * Nothing below these fields is assumed.
 */
#ifndef NEWTERMS_SHELL_H
#define NEWTERMS_SHELL_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct nt_api {
    const char *(*output_get_property)(const char *key, void *instance);
    const char *(*input_get_property)(const char *key, void *instance);
    void *(*output_get_cmt_instance)(void *instance);
    void *(*input_get_cmt_instance)(void *instance);
    void (*log_print)(int level, const char *file, int line,
                      const char *format, ...);
    int (*input_log_check)(void *instance, int level);
    int (*output_log_check)(void *instance, int level);
};

/* The argument of FLBPluginInit. It is shared by the instances of one
 * registration and overwritten by the next Init: copy, never keep it. */
struct nt_plugin {
    const char *name;
    struct nt_api *api;
    void *instance;
    void *context;
};

/* Kinds, as in turns.go. */
enum { NT_OUTPUT = 0, NT_INPUT = 1 };

/*
 * nt_instance_name returns the instance's alias or else its numbered name, by
 * Fluent Bit's own function; NULL if the program exports none. The text
 * belongs to the instance.
 */
const char *nt_instance_name(int kind, void *instance);

/*
 * nt_find_property looks at the strings of names, each ended by a NUL, from
 * byte `from` on, and returns the offset of the first that is set as a
 * property; `size` if none is.
 */
size_t nt_find_property(int kind, struct nt_api *api, void *instance,
                        const char *names, size_t size, size_t from);

/* The Go handle of the input instance that runs on this thread; 0 if none. */
uintptr_t nt_thread_input(void);
void nt_set_thread_input(uintptr_t handle);

#endif
