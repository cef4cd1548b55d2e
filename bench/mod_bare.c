/* The limit, in an httpd: the least that a module can do which has requests served by other threads, to be measured beside
 * mod_selinux. It decides nothing, says nothing, and serves neither subrequests nor redirects elsewhere: of no use but here.
 *   BareThreads one-time   each request has a thread that is made for it, on a stack that is kept
 *   BareThreads resident   each has one that waits, the last that was busy
 *   BareContext CONTEXT    which these threads enter (lsm_set_self_attr, Linux 6.8) */
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>
#include "hand_over.h"

module AP_MODULE_DECLARE_DATA bare_module;

struct worker {
    struct worker *next;
    atomic_int go, done;
    request_rec *request;
    int status, was_used;
    pthread_t thread;
    pthread_attr_t attr;
};

static int stays;
static const char *context;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct worker *idle;

static __thread int is_worker;
/* Two, by turns: one has ended long before its stack is wanted again. */
static __thread struct worker *own[2];
static __thread unsigned turn;

static void *work(void *argument)
{
    struct worker *worker = argument;
    is_worker = 1;
    if (enter(context))
        abort();
    do {
        if (stays)
            take(&worker->go);
        worker->status = ap_run_handler(worker->request);
        if (worker->status == OK)
            ap_finalize_request_protocol(worker->request);
        set(&worker->done);
    } while (stays);
    return NULL;
}

static struct worker *new_worker(void)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker || with_stack(&worker->attr))
        abort();
    return worker;
}

static void start(struct worker *worker)
{
    if (pthread_create(&worker->thread, &worker->attr, work, worker) != 0)
        abort();
}

static int one_time(request_rec *r)
{
    struct worker *worker = own[turn % 2];
    if (!worker)
        worker = own[turn % 2] = new_worker();
    turn++;
    if (worker->was_used)
        pthread_join(worker->thread, NULL);
    worker->was_used = 1;
    worker->request = r;
    start(worker);
    take(&worker->done);
    return worker->status;
}

static int resident(request_rec *r)
{
    pthread_mutex_lock(&lock);
    struct worker *worker = idle;
    if (worker)
        idle = worker->next;
    pthread_mutex_unlock(&lock);
    if (!worker)
        start(worker = new_worker());
    worker->request = r;
    set(&worker->go);
    take(&worker->done);
    int status = worker->status;
    pthread_mutex_lock(&lock);
    worker->next = idle;
    idle = worker;
    pthread_mutex_unlock(&lock);
    return status;
}

static int handler(request_rec *r)
{
    if (is_worker || r->main || r->prev)
        return DECLINED;
    return stays ? resident(r) : one_time(r);
}

static const char *threads(cmd_parms *command, void *place, const char *word)
{
    stays = !strcmp(word, "resident");
    return NULL;
}

static const char *enters(cmd_parms *command, void *place, const char *word)
{
    context = word;
    return NULL;
}

static const command_rec directives[] = {
    AP_INIT_TAKE1("BareThreads", threads, NULL, RSRC_CONF, "one-time or resident"),
    AP_INIT_TAKE1("BareContext", enters, NULL, RSRC_CONF, "a context"),
    {NULL}
};

static void hooks(apr_pool_t *pool)
{
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

module AP_MODULE_DECLARE_DATA bare_module = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, directives, hooks};
