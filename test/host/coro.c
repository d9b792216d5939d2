#define _GNU_SOURCE
#include "coro.h"
#include "buf.h"

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

struct call {
    void (*f)(void *);
    void *arg;
    ucontext_t here;
    ucontext_t there;
};

/* makecontext passes ints only, so the call is found through the thread. */
static __thread struct call *current;

static void entry(void)
{
    struct call *c = current;

    c->f(c->arg);
}

void on_stack(size_t stack, void (*f)(void *), void *arg)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    size_t size = (stack + page - 1) / page * page + page;
    struct call c = {.f = f, .arg = arg};
    char *block;

    if (stack == 0) {
        f(arg);
        return;
    }
    block = mmap(NULL, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED || mprotect(block, page, PROT_NONE) != 0 ||
        getcontext(&c.there) != 0) {
        fail("cannot make a stack of %zu bytes", stack);
    }
    c.there.uc_stack.ss_sp = block + page;
    c.there.uc_stack.ss_size = size - page;
    c.there.uc_link = &c.here;
    makecontext(&c.there, entry, 0);
    current = &c;
    swapcontext(&c.here, &c.there);
    munmap(block, size);
}
