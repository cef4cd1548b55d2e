/* The headers that bindgen translates; what is taken from them is listed in build.rs. */
#include <ap_config.h>
#include <ap_mpm.h>
#include <apr_optional.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <apr_thread_proc.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <httpd.h>
#include <mod_include.h>
#include <util_cfgtree.h>
#include <util_filter.h>
#include <mpm_common.h>
