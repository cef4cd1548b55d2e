/* The least that the module's workers can cost: N clients, each of which hands over to a thread and waits for its
 * word, again and again, and nothing else.
 *   one-time   each time to a thread that was made before, on a stack that is kept, and that ends afterwards; another
 *              is made in its place
 *   resident   each time to the same thread
 * limit MODE CLIENTS SECONDS [CONTEXT]: prints how many microseconds of processor time a turn took. With a context,
 * threads enter it as the module's do (lsm_set_self_attr, Linux 6.8): one-time ones each, resident ones once. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { STACK = 8 << 20, SET_SELF_ATTR = 460, CURRENT = 100, SELINUX = 101 };

struct slot {
    atomic_int go, done, dismissed;
    pthread_t thread;
    pthread_attr_t attr;
};

static const char *context;
static int resident;
static atomic_int stop;
static atomic_long turns;

static void check(int failed, const char *what)
{
    if (failed) {
        fprintf(stderr, "limit: %s failed\n", what);
        exit(1);
    }
}

static void set(atomic_int *word)
{
    atomic_store(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Waits until it is set, and takes it back. */
static void take(atomic_int *word)
{
    while (!atomic_exchange(word, 0))
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static void enter(void)
{
    struct {
        uint64_t id, flags, length, text_length;
        char text[256];
    } record = {SELINUX, 0, sizeof record, 0, ""};
    if (!context)
        return;
    snprintf(record.text, sizeof record.text, "%s", context);
    record.text_length = strlen(record.text) + 1;
    check(syscall(SET_SELF_ATTR, CURRENT, &record, sizeof record, 0) != 0, "lsm_set_self_attr");
}

static void *worker(void *argument)
{
    struct slot *slot = argument;
    for (int entered = 0;; entered = 1) {
        take(&slot->go);
        if (atomic_load(&slot->dismissed))
            return NULL;
        if (!entered)
            enter();
        set(&slot->done);
        if (!resident)
            return NULL;
    }
}

static void start(struct slot *slot)
{
    check(pthread_create(&slot->thread, &slot->attr, worker, slot) != 0, "pthread_create");
}

static void *client(void *unused)
{
    /* Two, by turns: a thread has ended long before its stack is wanted again. */
    struct slot slots[2] = {0};
    int made = 0, now = 0;
    long count = 0;
    for (int i = 0; i < 2; i++) {
        void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        check(stack == MAP_FAILED, "mmap");
        madvise(stack, STACK, MADV_NOHUGEPAGE);
        pthread_attr_init(&slots[i].attr);
        check(pthread_attr_setstack(&slots[i].attr, stack, STACK) != 0, "pthread_attr_setstack");
    }
    (void)unused;
    start(&slots[0]);
    for (; !atomic_load(&stop); count++) {
        set(&slots[now].go);
        take(&slots[now].done);
        if (resident)
            continue;
        now = !now;
        if (made++)
            pthread_join(slots[now].thread, NULL);
        start(&slots[now]);
    }
    atomic_store(&slots[now].dismissed, 1);
    set(&slots[now].go);
    pthread_join(slots[now].thread, NULL);
    if (made)
        pthread_join(slots[!now].thread, NULL);
    atomic_fetch_add(&turns, count);
    return NULL;
}

int main(int argc, char **argv)
{
    struct rusage used;
    if (argc < 4) {
        fprintf(stderr, "usage: limit one-time|resident CLIENTS SECONDS [CONTEXT]\n");
        return 2;
    }
    resident = !strcmp(argv[1], "resident");
    int clients = atoi(argv[2]);
    double seconds = atof(argv[3]);
    context = argc > 4 ? argv[4] : NULL;
    pthread_t *threads = calloc(clients, sizeof *threads);
    for (int i = 0; i < clients; i++)
        check(pthread_create(&threads[i], NULL, client, NULL) != 0, "pthread_create");
    struct timespec time = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
    atomic_store(&stop, 1);
    for (int i = 0; i < clients; i++)
        pthread_join(threads[i], NULL);
    getrusage(RUSAGE_SELF, &used);
    double cpu = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
    printf("%.3f\n", cpu / turns);
    return 0;
}
