/* The least that the module's workers can cost: N clients, each of which hands over to a thread and waits for its
 * word, again and again, and nothing else.
 *   one-time   each time to a thread that was made before, on a stack that is kept, and that ends afterwards; another
 *              is made in its place
 *   resident   each time to the same thread
 * limit MODE CLIENTS SECONDS [CONTEXT]: prints how many microseconds of processor time a turn took. With a context,
 * threads enter it as the module's do (lsm_set_self_attr, Linux 6.8): one-time ones each, resident ones once. */
#define _GNU_SOURCE
#include "hand_over.h"
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

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

static void *worker(void *argument)
{
    struct slot *slot = argument;
    for (int entered = 0;; entered = 1) {
        take(&slot->go);
        if (atomic_load(&slot->dismissed))
            return NULL;
        if (!entered)
            check(enter(context), "lsm_set_self_attr");
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
    for (int i = 0; i < 2; i++)
        check(with_stack(&slots[i].attr), "a stack");
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
