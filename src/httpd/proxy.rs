//! mod_proxy's back ends (`mod_proxy.h`), each of which has a pool of connections that it keeps for later requests.

use crate::ffi;
use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A back end, as mod_proxy has it in this process.
///
/// # Invariants
///
/// The process has one thread for `'s`; mod_proxy keeps what the pointer is to as long as the configuration.
pub struct BackEnd<'s> {
    shared: NonNull<ffi::proxy_worker_shared>,
    lifetime: PhantomData<&'s ()>,
}

impl BackEnd<'_> {
    fn get(&self) -> &ffi::proxy_worker_shared {
        // SAFETY: the invariant.
        unsafe { self.shared.as_ref() }
    }

    /// Its URL.
    pub fn name(&self) -> String {
        // SAFETY: mod_proxy ends the name in a null, where it has to cut it too (`PROXY_STRNCPY`).
        unsafe { CStr::from_ptr(self.get().name.as_ptr()) }.to_string_lossy().into_owned()
    }

    /// Whether the configuration says `enablereuse=on`.
    pub fn has_enablereuse(&self) -> bool {
        self.get().disablereuse_set() != 0 && self.get().disablereuse() == 0
    }

    /// From now on, has each connection to it closed after the request that made it. Not before mod_proxy has
    /// initialised its back ends in the child: it would look their names up again for each request.
    pub fn keep_no_connections(&mut self) {
        // SAFETY: the invariant: the child has one thread yet. Of several that share it, each writes the same.
        unsafe { self.shared.as_mut() }.set_disablereuse(1);
    }
}

/// A `<Proxy>` or `<ProxyMatch>`, as mod_proxy keeps it.
pub(super) struct ProxySection {
    /// What modules have in it.
    pub vector: *mut ffi::ap_conf_vector_t,
    /// The beginning of the URLs that it is for, the wildcards or the regular expression.
    pub path: *const c_char,
    /// Whether that has wildcards.
    pub is_wildcard: bool,
    /// Whether it is a regular expression.
    pub is_regex: bool,
}

/// The sections of mod_proxy in a server, those that it inherits first; none where mod_proxy is not loaded.
///
/// # Safety
///
/// As `back_ends`.
pub(super) unsafe fn sections(server: &ffi::server_rec) -> Vec<ProxySection> {
    // SAFETY: the caller's word. mod_proxy keeps a list of sections (`ap_add_per_proxy_conf`), in each of which it has a
    // configuration of its own (`proxysection`).
    unsafe {
        let Some((module, configuration)) = configuration(server) else { return Vec::new() };
        let vectors = elements::<*mut ffi::ap_conf_vector_t>(configuration.sec_proxy);
        let section = |vector: &*mut ffi::ap_conf_vector_t| {
            let own = ffi::ap_get_module_config(*vector, module).cast::<ffi::proxy_dir_conf>().as_ref()?;
            let (path, is_wildcard) = (own.p, own.p_is_fnmatch != 0);
            Some(ProxySection { vector: *vector, path, is_wildcard, is_regex: !own.r.is_null() })
        };
        vectors.iter().filter_map(section).collect()
    }
}

/// mod_proxy, and what it has for a server.
///
/// # Safety
///
/// As `back_ends`.
unsafe fn configuration(server: &ffi::server_rec) -> Option<(*mut ffi::module, &ffi::proxy_server_conf)> {
    // SAFETY: the caller's word; mod_proxy has a configuration for every server.
    unsafe {
        let module = ffi::ap_find_linked_module(c"mod_proxy.c".as_ptr());
        if module.is_null() {
            return None;
        }
        let configuration = ffi::ap_get_module_config(server.module_config, module);
        Some((module, configuration.cast::<ffi::proxy_server_conf>().as_ref()?))
    }
}

/// The back ends of a server, those that it inherits among them; none where mod_proxy is not loaded. Those that
/// have no pool (`RewriteRule [P]` to others than are configured) are not.
///
/// # Safety
///
/// The server's configuration has been read, and the process has one thread for `'s`.
pub(super) unsafe fn back_ends<'s>(server: &ffi::server_rec) -> Vec<BackEnd<'s>> {
    // SAFETY: the caller's word. The arrays hold what is said here: `conf->workers` the workers themselves,
    // `balancer->workers` pointers to them.
    unsafe {
        let Some((_, configuration)) = configuration(server) else { return Vec::new() };
        let mut workers: Vec<*const ffi::proxy_worker> =
            elements::<ffi::proxy_worker>(configuration.workers).iter().map(std::ptr::from_ref).collect();
        for balancer in elements::<ffi::proxy_balancer>(configuration.balancers) {
            let members = elements::<*mut ffi::proxy_worker>(balancer.workers);
            workers.extend(members.iter().map(|member| member.cast_const()));
        }
        let shared = workers.into_iter().filter_map(|worker| NonNull::new((*worker).s));
        shared.map(|shared| BackEnd { shared, lifetime: PhantomData }).collect()
    }
}

/// # Safety
///
/// Null, or an array of `T` that nobody changes while it is borrowed.
unsafe fn elements<'a, T>(array: *const ffi::apr_array_header_t) -> &'a [T] {
    // SAFETY: the caller's word.
    unsafe {
        match array.as_ref() {
            Some(array) if array.nelts > 0 => {
                // Of another httpd than the module was built for, nothing is touched.
                assert_eq!(array.elt_size as usize, size_of::<T>(), "mod_proxy is not the one of this build");
                std::slice::from_raw_parts(array.elts.cast::<T>(), array.nelts as usize)
            }
            _ => &[],
        }
    }
}
