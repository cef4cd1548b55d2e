//! Binds the module to the httpd it is built for: asks `apxs` where its headers are and with which
//! flags it was compiled, lets bindgen translate the allowlisted parts, and has the C compiler check
//! what the Rust side takes for granted.
//!
//! `APXS` in the environment names another `apxs` than the one on the `PATH`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// What the module uses of httpd and APR; nothing else is translated.
const FUNCTIONS: &[&str] = &[
    "ap_cfg_closefile",
    "ap_check_cmd_context",
    "ap_close_listeners",
    "ap_exists_config_define",
    "ap_finalize_request_protocol",
    "ap_finalize_sub_req_protocol",
    "ap_find_linked_module",
    "ap_bucket_error_create",
    "ap_get_brigade",
    "ap_get_conn_socket",
    "ap_get_core_module_config",
    "ap_get_module_config",
    "ap_get_request_module_loglevel",
    "ap_getword_conf",
    "ap_hook_check_config",
    "ap_hook_child_init",
    "ap_hook_child_status",
    "ap_hook_expr_lookup",
    "ap_hook_fixups",
    "ap_hook_handler",
    "ap_hook_log_transaction",
    "ap_hook_open_htaccess",
    "ap_hook_post_config",
    "ap_hook_post_perdir_config",
    "ap_hook_pre_config",
    "ap_hook_test_config",
    "ap_if_walk",
    "ap_internal_redirect",
    "ap_location_walk",
    "ap_log_error_",
    "ap_log_rerror_",
    "ap_lookup_provider",
    "ap_make_full_path",
    "ap_mpm_query",
    "ap_pass_brigade",
    "ap_pcfg_openfile",
    "ap_run_handler",
    "ap_runtime_dir_relative",
    "ap_remove_output_filter",
    "ap_rwrite",
    "ap_server_root_relative",
    "ap_set_content_length",
    "ap_set_content_type",
    "ap_set_module_config",
    "ap_state_query",
    "apr_brigade_create",
    "apr_brigade_split_ex",
    "apr_dynamic_fn_register",
    "apr_dynamic_fn_retrieve",
    "apr_hash_set",
    "apr_optional_hook_add",
    "apr_os_file_get",
    "apr_os_sock_get",
    "apr_os_thread_put",
    "apr_palloc",
    "apr_pool_cleanup_null",
    "apr_pool_cleanup_register",
    "apr_pool_create_ex",
    "apr_pool_destroy",
    "apr_pool_is_ancestor",
    "apr_pool_userdata_get",
    "apr_pool_userdata_set",
    "apr_pool_userdata_setn",
    "apr_proc_other_child_register",
    "apr_proc_other_child_unregister",
    "apr_psprintf",
    "apr_pstrmemdup",
    "apr_table_add",
    "apr_table_clone",
    "apr_table_copy",
    "apr_table_elts",
    "apr_table_get",
    "apr_table_make",
    "apr_table_set",
    "apr_table_setn",
    "apr_table_unset",
];

const TYPES: &[&str] = &[
    "module",
    "command_rec",
    "cmd_parms",
    "request_rec",
    "ap_filter_t",
    "apr_array_header_t",
    "apr_table_entry_t",
    "authz_provider",
    "authz_status",
    "apr_bucket_brigade",
    "ap_expr_lookup_parms",
    "core_dir_config",
    "core_server_config",
    "include_ctx_t",
    "proxy_dir_conf",
    "proxy_server_conf",
];

const VARIABLES: &[&str] = &[
    "ap_conftree",
    "ap_thread_stacksize",
    "ap_unixd_config",
    "AP_MPMQ_IS_THREADED",
    "AP_MPMQ_MAX_THREADS",
    "AP_MPMQ_MPM_STATE",
    "AP_MPMQ_NOT_SUPPORTED",
    "AP_MPMQ_STOPPING",
    "AP_SQ_.*",
    "AP_STATUS_SHORT",
    "AUTHZ_PROVIDER_.*",
    "AP_DECLINED",
    "AP_EXPR_.*",
    "APLOG_.*",
    "APR_EGENERAL",
    "APR_HOOK_.*",
    "APR_OC_REASON_.*",
    "APR_SUCCESS",
    "APR_INET6?",
    "DECLINED",
    "DONE",
    "EXEC_ON_READ",
    "GLOBAL_ONLY",
    "HTTP_FORBIDDEN",
    "HTTP_INTERNAL_SERVER_ERROR",
    "HTTP_SERVICE_UNAVAILABLE",
    "MODULE_MAGIC_.*",
    "M_GET",
    "NOT_IN_HTACCESS",
    "NOT_IN_LIMIT",
    "OK",
    "OR_.*",
    "ACCESS_CONF",
    "RSRC_CONF",
    "SSI_FLAG_NO_EXEC",
    "SSI_FLAG_PRINTING",
    "SUSPENDED",
];

fn main() {
    for file in ["apxs/wrapper.h", "apxs/assert.c", "build.rs"] {
        println!("cargo::rerun-if-changed={file}");
    }
    println!("cargo::rerun-if-env-changed=APXS");

    let includes = [apxs("INCLUDEDIR"), apxs("APR_INCLUDEDIR"), apxs("APU_INCLUDEDIR")];
    let defines: Vec<String> = apxs("EXTRA_CPPFLAGS").split_whitespace().map(str::to_owned).collect();

    let mut builder = bindgen::Builder::default()
        .header("apxs/wrapper.h")
        .clang_args(includes.iter().map(|directory| format!("-I{directory}")))
        .clang_args(&defines)
        // OK, DECLINED and their kin are compared with C ints.
        .default_macro_constant_type(bindgen::MacroTypeVariation::Signed)
        .derive_default(false)
        .generate_cstr(true)
        .generate_comments(false)
        // A handler may end its thread (pthread_exit), which unwinds through the caller.
        .override_abi(bindgen::Abi::CUnwind, "ap_run_handler")
        .layout_tests(true);
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in TYPES {
        builder = builder.allowlist_type(name);
    }
    for name in VARIABLES {
        builder = builder.allowlist_var(name);
    }
    let output = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("bindings.rs");
    builder
        .generate()
        .expect("bindgen reads httpd's headers (are apache2-dev or httpd-devel and libclang installed?)")
        .write_to_file(output)
        .expect("the bindings are written to OUT_DIR");

    let mut check = cc::Build::new();
    check.file("apxs/assert.c").includes(&includes).cargo_metadata(false);
    for define in &defines {
        check.flag(define);
    }
    check.compile("assert");
}

/// One of httpd's build settings, as `apxs -q` tells it.
fn apxs(setting: &str) -> String {
    let program = env::var("APXS").unwrap_or_else(|_| "apxs".to_owned());
    let output = Command::new(&program).args(["-q", setting]).output().unwrap_or_else(|error| {
        panic!("{program} cannot be run ({error}): install apache2-dev or httpd-devel, or set APXS")
    });
    assert!(
        output.status.success(),
        "{program} -q {setting} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("apxs prints UTF-8").trim().to_owned()
}
