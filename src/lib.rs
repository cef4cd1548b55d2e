//! mod_selinux: serves each request of Apache httpd on a thread of its own that the kernel has confined,
//! for good, to the SELinux context mapped from who is asking.
//!
//! This file is the module record and the list of hooks. What happens in a hook is in `startup::hooks` and `request::hooks`, what a
//! directive does in `config::directives`; `worker` is the thread, `selinux` the kernel, the crate `mapping` who gets
//! which context.
#![deny(unsafe_code)]

mod config;
mod ffi;
mod httpd;
mod interop;
mod maps;
mod request;
mod selinux;
mod startup;
mod status;
mod worker;

/// What httpd calls the module for, and when.
struct Hooks;

impl httpd::module::Hooks for Hooks {
    fn register(start: &httpd::hook::OneThread) {
        use httpd::hook::{self, HookOrder, RunBefore};
        use request::hooks::{FirstFixups, Handler, LastFixups, Logged, PlaceKnown};
        use startup::hooks::{CheckConfig, ChildEnd, ChildInit, Dump, PostConfig, PreConfig};

        hook::pre_config::<PreConfig>(HookOrder::MIDDLE, start);
        hook::check_config::<CheckConfig>(HookOrder::MIDDLE, start);
        hook::test_config::<Dump>(HookOrder::MIDDLE, start);
        hook::post_config::<PostConfig>(HookOrder::REALLY_LAST, start);
        // After mod_proxy, which makes its pools of connections.
        hook::child_init::<ChildInit>(HookOrder::REALLY_LAST, start);
        hook::child_end::<ChildEnd>(HookOrder::MIDDLE, start);
        httpd::status_page::status_page::<status::page::StatusSection>(HookOrder::MIDDLE, start);
        httpd::lua::pages::<interop::lua::Restricted>(HookOrder::MIDDLE, start);
        httpd::htaccess::register::<request::htaccess::Htaccess>(HookOrder::REALLY_FIRST, start);
        hook::post_perdir_config::<PlaceKnown>(HookOrder::REALLY_FIRST, start);
        // Before mod_rewrite and mod_env, which `.htaccess` can have set variables.
        hook::fixups::<FirstFixups>(HookOrder::REALLY_FIRST, start);
        // After mod_dir, which takes a request to another place.
        hook::fixups::<LastFixups>(HookOrder::REALLY_LAST, start);
        // After core's own, which serves a whole HTTP/2 connection inside of an `Upgrade:` request; before mod_cache's,
        // which answers through content filters (`CacheQuickHandler Off`).
        hook::handler::<Handler>(
            HookOrder::AFTER_REALLY_FIRST,
            const { &RunBefore::new(c"mod_cache.c") },
            start,
        );
        hook::log_transaction::<Logged>(HookOrder::REALLY_LAST, start);
    }
}

#[allow(unsafe_code, reason = "its record and the types that go with it are one promise")]
// SAFETY: the exported record below is made of this, and there is no other.
unsafe impl httpd::configuration::Module for config::settings::Selinux {
    type Section<'c> = config::settings::Section<'c>;
    type Request = request::record::Record;

    fn shorter<'s, 'l: 's>(section: &'s Self::Section<'l>) -> &'s Self::Section<'s> {
        section
    }
}

/// What `LoadModule selinux_module` looks for: the one symbol that is exported.
#[allow(unsafe_code, reason = "an exported name is one that others could have too")]
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "httpd's convention")]
pub static selinux_module: httpd::module::ModuleRecord = httpd::module::ModuleRecord::new::<
    config::settings::Selinux,
    Hooks,
    16,
>(c"mod_selinux.c", &config::directives::TABLE);
