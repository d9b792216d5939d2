/* The shared object, loaded and registered as flb_plugin_proxy.c does it. */
#define _GNU_SOURCE
#include "host.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

void *proxy_symbol(struct proxy *p, const char *name)
{
    return dlsym(p->dso, name);
}

struct proxy *proxy_open(const char *path, int hot_reload)
{
    struct proxy *p = xalloc(sizeof(*p));
    int (*pre_register)(int);
    int (*do_register)(struct proxy_def *);

    p->dso = dlopen(path, RTLD_LAZY);
    if (!p->dso) {
        fail("cannot load the plugin: %s", dlerror());
    }
    p->api = api_make();
    p->def.type = PROXY_OUTPUT;
    *(void **) &pre_register = proxy_symbol(p, "FLBPluginPreRegister");
    if (pre_register && pre_register(hot_reload) == -1) {
        fail("FLBPluginPreRegister of %s failed", path);
    }
    *(void **) &do_register = proxy_symbol(p, "FLBPluginRegister");
    if (!do_register) {
        fail("%s has no FLBPluginRegister", path);
    }
    if (do_register(&p->def) == -1) {
        fail("FLBPluginRegister of %s answered -1, which core does not survive", path);
    }
    if (p->def.proxy != PROXY_GOLANG || !p->def.name) {
        fail("FLBPluginRegister of %s left the definition unfilled", path);
    }
    p->plugin.name = xstrdup(p->def.name);
    *(void **) &p->init = proxy_symbol(p, "FLBPluginInit");
    *(void **) &p->flush_ctx = proxy_symbol(p, "FLBPluginFlushCtx");
    *(void **) &p->flush = proxy_symbol(p, "FLBPluginFlush");
    *(void **) &p->exit = proxy_symbol(p, "FLBPluginExit");
    *(void **) &p->exit_ctx = proxy_symbol(p, "FLBPluginExitCtx");
    *(void **) &p->collect = proxy_symbol(p, "FLBPluginInputCallback");
    *(void **) &p->cleanup = proxy_symbol(p, "FLBPluginInputCleanupCallback");
    *(void **) &p->pause = proxy_symbol(p, "FLBPluginInputPause");
    *(void **) &p->resume = proxy_symbol(p, "FLBPluginInputResume");
    if (!p->init) {
        fail("%s has no FLBPluginInit", path);
    }
    return p;
}

void proxy_close(struct proxy *p)
{
    void (*unregister)(struct proxy_def *);

    *(void **) &unregister = proxy_symbol(p, "FLBPluginUnregister");
    if (unregister) {
        unregister(&p->def);
    }
    free(p->plugin.name);
    dlclose(p->dso);
    free(p);
}
