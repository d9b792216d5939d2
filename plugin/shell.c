#define _GNU_SOURCE
#include "shell.h"

#include <dlfcn.h>
#include <string.h>

const char *nt_instance_name(int kind, void *instance)
{
    const char *(*name)(void *);

    *(void **) &name = dlsym(RTLD_DEFAULT, kind == NT_OUTPUT ?
                             "flb_output_name" : "flb_input_name");
    return name ? name(instance) : NULL;
}

size_t nt_find_property(int kind, struct nt_api *api, void *instance,
                        const char *names, size_t size, size_t from)
{
    const char *(*get)(const char *, void *) = kind == NT_OUTPUT ?
        api->output_get_property : api->input_get_property;

    for (size_t at = from; at < size; at += strlen(names + at) + 1) {
        if (get(names + at, instance)) {
            return at;
        }
    }
    return size;
}

/*
 * Core runs an input instance's Init, collects and exit on a thread of its
 * own, and in some versions gives the plugin no other way to tell instances
 * apart.
 */
static __thread uintptr_t thread_input;

uintptr_t nt_thread_input(void)
{
    return thread_input;
}

void nt_set_thread_input(uintptr_t handle)
{
    thread_input = handle;
}
