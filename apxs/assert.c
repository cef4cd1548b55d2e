/*
 * What the Rust side takes for granted of this httpd, checked by the compiler that knows its headers.
 */
#include "wrapper.h"

#include <stddef.h>

/* The API of 2.4 is fixed by this number; the minor one is checked by httpd when it loads the module. */
_Static_assert(MODULE_MAGIC_NUMBER_MAJOR == 20120211, "mod_selinux is written for httpd 2.4");

/* A confined request needs a thread of its own. */
_Static_assert(APR_HAS_THREADS, "mod_selinux needs an APR with threads");

/* The handover filter is spliced into the chain by hand: the record must be the one of httpd 2.4. */
_Static_assert(sizeof(ap_filter_t) == 5 * sizeof(void *), "ap_filter_t has fields mod_selinux does not know");

/* A brigade's sentinel is its list, seen as a bucket. */
_Static_assert(offsetof(apr_bucket, link) == 0, "a bucket does not begin with its link");

/* The signals and the thread identity passed between APR and libc are the same objects. */
_Static_assert(sizeof(apr_os_thread_t) == sizeof(pthread_t), "apr_os_thread_t is not a pthread_t");

/* The lists of hooks: an element begins with the function, then has the module's name (as mod_info relies on). */
_Static_assert(sizeof(ap_LINK_translate_name_t) == 5 * sizeof(void *), "a hook has fields mod_selinux does not know");
_Static_assert(offsetof(ap_LINK_translate_name_t, pFunc) == 0, "a hook does not begin with its function");
_Static_assert(offsetof(ap_LINK_translate_name_t, szName) == sizeof(void *), "a hook's module is elsewhere");
