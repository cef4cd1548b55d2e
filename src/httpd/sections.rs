//! What httpd's core has made of the configuration: each server's sections (`http_core.h`), in the order
//! in which a request's walks through them merge those that match (`server/request.c`).

use crate::ffi;
use crate::httpd::config_tree;
use crate::httpd::configuration::{Configuration as _, Module, section_in};
use crate::httpd::hook::Server;
use crate::httpd::module_record;
use crate::httpd::proxy::{self, BackEnd, ProxySection};

/// A server's own configuration, or a section of it.
pub struct Scope<'s, C> {
    /// How it is written: `<Directory "/var/www">`.
    pub title: String,
    /// What it holds for.
    pub reach: Reach,
    /// What stands in it, of the module; of a server, merged with what the main server has.
    pub own: Option<&'s C>,
    /// `<Files>` in it.
    pub files: Vec<Scope<'s, C>>,
    /// `<If>`, `<ElseIf>` and `<Else>` in it.
    pub conditions: Vec<Scope<'s, C>>,
}

/// What a scope holds for.
pub enum Reach {
    /// This path, URL or name: as core has it, that of a directory with a slash at its end.
    Path(String),
    /// What such a pattern with wildcards matches.
    Wildcard(String),
    /// What a regular expression or a condition matches, or, for a server, everything.
    Other,
}

/// A server, with its sections; those of a virtual host have the main server's in front of them.
pub struct ServerScopes<'s, C> {
    /// The server itself.
    pub server: Scope<'s, C>,
    /// `<Directory>`, the shallower ones first, regular expressions last.
    pub directories: Vec<Scope<'s, C>>,
    /// `<Location>`, as written.
    pub locations: Vec<Scope<'s, C>>,
    /// `<Proxy>`, as written: mod_proxy's, which a request that it sends on has in place of `<Directory>`.
    pub proxies: Vec<Scope<'s, C>>,
    /// Where its requests may be sent on to, by way of connections that are kept.
    pub back_ends: Vec<BackEnd<'s>>,
}

impl<C> ServerScopes<'_, C> {
    /// The server and all sections, each before those in it.
    pub fn all(&self) -> impl Iterator<Item = ScopePath<'_, C>> {
        let in_folder: Covers = |outer, path| path.starts_with(outer);
        let lists = [
            (&self.directories, in_folder),
            (&self.locations, is_in_location as Covers),
            (&self.proxies, in_folder),
        ];
        let sections = lists
            .into_iter()
            .flat_map(|(list, covers)| list.iter().map(move |section| (section, list.as_slice(), covers)));
        let own = (&self.server, &[][..], in_folder);
        std::iter::once(own).chain(sections).flat_map(|(outermost, siblings, covers)| {
            let (server, inner) = (&self.server, Vec::new());
            ScopePath { server, siblings, covers, outermost, inner }.with_those_inside()
        })
    }
}

/// Whether a section for the first path applies to the whole of the second.
type Covers = fn(&str, &str) -> bool;

/// A scope, with the way that leads to it.
pub struct ScopePath<'a, C> {
    server: &'a Scope<'a, C>,
    /// The sections of the same kind as the outermost one, itself included; none where that is the server.
    siblings: &'a [Scope<'a, C>],
    covers: Covers,
    /// The server, or the outermost section.
    outermost: &'a Scope<'a, C>,
    /// The sections inside of it, down to this one.
    inner: Vec<InnerScope<'a, C>>,
}

enum InnerScope<'a, C> {
    Files(&'a Scope<'a, C>),
    Condition(&'a Scope<'a, C>),
}

impl<C> Clone for InnerScope<'_, C> {
    fn clone(&self) -> Self {
        match self {
            InnerScope::Files(scope) => InnerScope::Files(scope),
            InnerScope::Condition(scope) => InnerScope::Condition(scope),
        }
    }
}

impl<'a, C> ScopePath<'a, C> {
    /// The scope.
    pub fn scope(&self) -> &'a Scope<'a, C> {
        match self.inner.last() {
            None => self.outermost,
            Some(InnerScope::Files(scope) | InnerScope::Condition(scope)) => scope,
        }
    }

    /// How many sections it is inside of, itself included.
    pub fn depth(&self) -> usize {
        usize::from(!self.siblings.is_empty()) + self.inner.len()
    }

    /// The scopes that surely apply wherever it does, itself included, in the order in which httpd merges them.
    pub fn around(&self) -> Vec<&'a Scope<'a, C>> {
        let path = self.outermost.certain_path();
        let applies = |other: &&Scope<'_, C>| {
            std::ptr::eq(*other, self.outermost)
                || matches!(&other.reach, Reach::Path(outer) if (self.covers)(outer, path))
        };
        let mut around: Vec<_> =
            std::iter::once(self.server).chain(self.siblings.iter().filter(applies)).collect();
        for inner in &self.inner {
            match inner {
                InnerScope::Condition(scope) => around.push(scope),
                // httpd walks through those of the scopes around as well.
                InnerScope::Files(scope) => {
                    let all: Vec<_> = around.iter().flat_map(|outer| &outer.files).collect();
                    around.extend(all.into_iter().filter(|files| files.is_for_the_same(scope)));
                }
            }
        }
        around
    }

    /// Itself, and the sections in it.
    fn with_those_inside(self) -> Vec<ScopePath<'a, C>> {
        let scope = self.scope();
        let files = scope.files.iter().map(InnerScope::Files);
        let conditions = scope.conditions.iter().map(InnerScope::Condition);
        let inside: Vec<_> = files.chain(conditions).map(|inner| self.followed_by(inner)).collect();
        let inside = inside.into_iter().flat_map(ScopePath::with_those_inside);
        std::iter::once(self).chain(inside).collect()
    }

    fn followed_by(&self, inner: InnerScope<'a, C>) -> ScopePath<'a, C> {
        ScopePath { inner: self.inner.iter().cloned().chain([inner]).collect(), ..*self }
    }
}

impl<C> Scope<'_, C> {
    /// The path that all which it applies to has at its beginning.
    fn certain_path(&self) -> &str {
        match &self.reach {
            Reach::Path(path) => path,
            Reach::Wildcard(pattern) => folder(pattern),
            Reach::Other => "/",
        }
    }

    /// Whether both are one section, or for one name.
    fn is_for_the_same(&self, other: &Self) -> bool {
        match (&self.reach, &other.reach) {
            (Reach::Path(one), Reach::Path(name)) => one == name,
            _ => std::ptr::eq(self, other),
        }
    }
}

/// The part of a pattern before the first name that has a wildcard in it.
fn folder(pattern: &str) -> &str {
    let wildcard = pattern.find(['*', '?', '[', '\\']).unwrap_or(pattern.len());
    &pattern[..pattern[..wildcard].rfind('/').map_or(0, |slash| slash + 1)]
}

/// Whether `<Location outer>` applies to a URL: for whole names only, unless it ends in a slash.
fn is_in_location(outer: &str, url: &str) -> bool {
    url.strip_prefix(outer)
        .is_some_and(|rest| outer.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}

/// The servers, the main one first, and the others as they are written.
pub fn of_servers<'s, M: Module>(main: &'s Server<'_>) -> Vec<ServerScopes<'s, M::Section<'s>>> {
    // SAFETY: the servers of the list live as long as the configuration, and so do their parts.
    let mut servers: Vec<_> = main.all().filter_map(|server| unsafe { server.as_ref() }).collect();
    // httpd puts each virtual host right behind the main server.
    servers[1..].reverse();
    servers
        .into_iter()
        .map(|server| {
            // SAFETY: core has a configuration for every server, with lists of sections; these are the server's, which who
            // would write to them has borrowed. Code that has a `Server` runs while httpd starts.
            unsafe {
                let core = ffi::ap_get_core_module_config(server.module_config);
                let core = &*core.cast::<ffi::core_server_config>();
                let mut own = scope::<M>(server.lookup_defaults, Kind::Server);
                own.title = title_of_server(server);
                let proxies = proxy::sections(server);
                ServerScopes {
                    server: own,
                    directories: scopes::<M>(core.sec_dir, Kind::Directory),
                    locations: scopes::<M>(core.sec_url, Kind::Location),
                    proxies: proxies.iter().map(|section| proxy_scope::<M>(section)).collect(),
                    back_ends: proxy::back_ends(server),
                }
            }
        })
        .collect()
}

/// Gives each server's own configuration, which is outermost for all of its requests, to `body`; `false` where one is
/// broken.
pub fn for_each_server<'s, M: Module>(
    main: &mut Server<'s>,
    mut body: impl FnMut(&mut M::Section<'s>),
) -> bool {
    let mut next = main.as_ptr();
    let mut are_whole = true;
    // SAFETY: null, or a server of the list, which lives as long as the configuration.
    while let Some(server) = unsafe { next.as_ref() } {
        // SAFETY: `create` or `merge` made the configuration, and who has the servers has no other reference to it.
        unsafe {
            let slot = ffi::ap_get_module_config(server.lookup_defaults, module_record::record());
            let slot = slot.cast::<M::Section<'s>>();
            if (*slot).is_broken() {
                are_whole = false;
            } else {
                body(&mut *slot);
            }
        }
        next = server.next;
    }
    are_whole
}

/// The main server's own configuration.
pub fn server_section<'s, M: Module>(main: &'s Server<'_>) -> &'s M::Section<'s> {
    // SAFETY: the server lives as long as the configuration, and who would write to that has borrowed the servers.
    unsafe { section_in::<M>((*main.as_ptr()).lookup_defaults) }.unwrap_or_else(M::Section::broken)
}

fn title_of_server(server: &ffi::server_rec) -> String {
    // SAFETY: a server's texts are C strings, or null.
    let text = |text| unsafe { config_tree::text(text) };
    let name = text(server.server_hostname);
    if server.is_virtual == 0 {
        return format!("Main server {name}{}", port(server.port));
    }
    // SAFETY: null, or the first of the addresses that the virtual host is for.
    let address = unsafe { server.addrs.as_ref() };
    let address = address.map(|address| format!("{}{}", text(address.virthost), port(address.host_port)));
    let (address, place) = (address.unwrap_or_default(), text(server.defn_name));
    format!("Virtual host {address} {name} ({place}:{})", server.defn_line_number)
}

fn port(port: ffi::apr_port_t) -> String {
    if port == 0 { String::new() } else { format!(":{port}") }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Server,
    Directory,
    Location,
    Files,
    Condition,
}

/// The scopes of one of core's lists of sections.
///
/// # Safety
///
/// Null, or such a list. It lives for `'s`, and so does what is in it, to which nobody writes meanwhile.
unsafe fn scopes<'s, M: Module>(
    sections: *const ffi::apr_array_header_t,
    kind: Kind,
) -> Vec<Scope<'s, M::Section<'s>>> {
    // SAFETY: the caller's word; the elements are the configurations of sections.
    let vectors = unsafe {
        sections.as_ref().filter(|sections| sections.nelts > 0).map_or(&[][..], |sections| {
            let first = sections.elts.cast::<*mut ffi::ap_conf_vector_t>();
            std::slice::from_raw_parts(first, sections.nelts as usize)
        })
    };
    // SAFETY: the caller's word.
    vectors.iter().map(|vector| unsafe { scope::<M>(*vector, kind) }).collect()
}

/// # Safety
///
/// A section of core's, which lives for `'s`, and to which nobody writes meanwhile.
unsafe fn scope<'s, M: Module>(vector: *mut ffi::ap_conf_vector_t, kind: Kind) -> Scope<'s, M::Section<'s>> {
    // SAFETY: the caller's word; core has a configuration for every section of its own, with a path or null.
    let (core, path) = unsafe {
        let core = &*ffi::ap_get_core_module_config(vector).cast::<ffi::core_dir_config>();
        (core, config_tree::text(core.d))
    };
    let is_regex = !core.r.is_null();
    let reach = match kind {
        Kind::Server | Kind::Condition => Reach::Other,
        _ if is_regex => Reach::Other,
        _ if core.d_is_fnmatch() != 0 => Reach::Wildcard(path.clone()),
        _ => Reach::Path(path.clone()),
    };
    let suffix = if is_regex { "Match" } else { "" };
    let title = match kind {
        Kind::Server => String::new(),
        Kind::Directory => {
            // Core adds the slash; the pattern of a regular expression is as written.
            let path = if is_regex || path == "/" { &path } else { path.trim_end_matches('/') };
            format!("<Directory{suffix} \"{path}\">")
        }
        Kind::Location => format!("<Location{suffix} \"{path}\">"),
        Kind::Files => format!("<Files{suffix} \"{path}\">"),
        Kind::Condition => title_of_condition(core),
    };
    // Others that stand in `<Files>` or `<If>` come too late for httpd's walk through them.
    let has_files = matches!(kind, Kind::Server | Kind::Directory);
    // SAFETY: the caller's word, which goes for the sections in this one.
    unsafe {
        Scope {
            title,
            reach,
            own: section_in::<M>(vector),
            files: if has_files { scopes::<M>(core.sec_file, Kind::Files) } else { Vec::new() },
            conditions: scopes::<M>(core.sec_if, Kind::Condition),
        }
    }
}

/// A section of mod_proxy's. httpd walks through `<If>` in it, and not through `<Files>`.
///
/// # Safety
///
/// It lives for `'s`, and nobody writes to it meanwhile.
unsafe fn proxy_scope<'s, M: Module>(section: &ProxySection) -> Scope<'s, M::Section<'s>> {
    let suffix = if section.is_regex { "Match" } else { "" };
    // SAFETY: the caller's word. Core has null where no directive of its own stands in it, or what it made.
    let (path, own, conditions) = unsafe {
        let core = ffi::ap_get_core_module_config(section.vector).cast::<ffi::core_dir_config>().as_ref();
        let conditions = core.map_or_else(Vec::new, |core| scopes::<M>(core.sec_if, Kind::Condition));
        (config_tree::text(section.path), section_in::<M>(section.vector), conditions)
    };
    Scope {
        title: format!("<Proxy{suffix} \"{path}\">"),
        reach: match section {
            ProxySection { is_regex: true, .. } => Reach::Other,
            ProxySection { is_wildcard: true, .. } => Reach::Wildcard(path),
            _ => Reach::Path(path),
        },
        own,
        files: Vec::new(),
        conditions,
    }
}

fn title_of_condition(core: &ffi::core_dir_config) -> String {
    // SAFETY: null for `<Else>`, or the condition, which lives as long as the configuration.
    let Some(condition) = (unsafe { core.condition.as_ref() }) else { return "<Else>".to_owned() };
    // SAFETY: a condition has its file's name.
    let (file, line) = (unsafe { config_tree::text(condition.filename) }, condition.line_number);
    // Core keeps what it has compiled the condition to, and where it was written.
    let written = config_tree::section_at(&file, line);
    format!("{} ({file}:{line})", written.unwrap_or_else(|| "<If>".to_owned()))
}
