/* What the two limits (limit.c, mod_bare.c) have in common: to hand over and to wait, to enter a context, and stacks. Each
 * function that may fail tells so by what is not 0. */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STACK = 8 << 20, SET_SELF_ATTR = 460, CURRENT = 100, SELINUX = 101 };

static inline void set(atomic_int *word)
{
    atomic_store(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Waits until it is set, and takes it back. */
static inline void take(atomic_int *word)
{
    while (!atomic_exchange(word, 0))
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

/* Has this thread enter a context; none where it is NULL. */
static inline int enter(const char *context)
{
    struct {
        uint64_t id, flags, length, text_length;
        char text[256];
    } record = {SELINUX, 0, sizeof record, 0, ""};
    if (!context)
        return 0;
    snprintf(record.text, sizeof record.text, "%s", context);
    record.text_length = strlen(record.text) + 1;
    return syscall(SET_SELF_ATTR, CURRENT, &record, sizeof record, 0) != 0;
}

/* For threads on a stack that is made now, and kept. */
static inline int with_stack(pthread_attr_t *attr)
{
    void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return 1;
    madvise(stack, STACK, MADV_NOHUGEPAGE);
    return pthread_attr_init(attr) != 0 || pthread_attr_setstack(attr, stack, STACK) != 0;
}
