//! Directives, which fill the per-directory configuration.

use crate::ffi;
use crate::httpd::configuration::{Configuration as _, Keeper, Module};
use crate::httpd::module_record;
use crate::httpd::panic::catch_panic;
use crate::httpd::pool::Pool;
use crate::httpd::provider::{Provider, ProviderError};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt as _;
use std::ptr::null;

/// Where a directive may stand.
#[derive(Clone, Copy)]
pub enum DirectiveContext {
    /// In the main server's configuration, outside of every section.
    Server,
    /// There, and in virtual hosts and `<Directory>`, `<Location>`, `<Files>`, `<If>`; never in
    /// `.htaccess`, whose author must not choose a label, nor in `<Limit>`, where it would apply to all
    /// methods.
    Anywhere,
    /// Wherever `AllowOverride AuthConfig` allows it, too.
    AuthConfig,
}

/// A directive at work: where it stands.
pub struct Directive<'d> {
    parameters: &'d ffi::cmd_parms,
}

impl<'d> Directive<'d> {
    /// The pool of the configuration.
    pub fn pool(&self) -> Pool<'d> {
        // SAFETY: httpd passes a live pool with every directive.
        unsafe { Pool::from_ptr(self.parameters.pool) }
    }

    /// Keeps what the configuration refers to.
    pub fn keeper(&self) -> Keeper<'d> {
        Keeper::of(self.pool())
    }

    /// A file's path, made absolute by `ServerRoot`.
    pub fn path(&self, path: &str) -> Option<std::path::PathBuf> {
        let path = std::ffi::CString::new(path).ok()?;
        let absolute = self.pool().server_root_relative(&path)?;
        Some(std::path::Path::new(std::ffi::OsStr::from_bytes(absolute.to_bytes())).to_owned())
    }

    /// The file and line it stands in.
    pub fn location(&self) -> String {
        // SAFETY: null, or the directive's node in the tree, which lives as long as the reading.
        let Some(node) = (unsafe { self.parameters.directive.as_ref() }) else {
            return "command line".to_owned();
        };
        // SAFETY: httpd gives every node its file's name.
        let file = unsafe { CStr::from_ptr(node.filename) };
        format!("{}:{}", file.to_string_lossy(), node.line_num)
    }

    /// Whether it stands in a `.htaccess` file.
    pub fn is_in_htaccess(&self) -> bool {
        self.objection(ffi::NOT_IN_HTACCESS).is_some()
    }

    /// The directive's name, as the table has it.
    fn name(&self) -> std::borrow::Cow<'d, str> {
        // SAFETY: httpd passes the row that the directive was found by.
        unsafe { CStr::from_ptr((*self.parameters.cmd).name) }.to_string_lossy()
    }

    /// The authorization provider that the rest of the directive's words name, with its arguments.
    pub fn provider(&self, mut words: Words<'_>) -> Result<Provider, ProviderError> {
        let name = words.next().unwrap_or_default();
        // SAFETY: the parameters are this directive's. Both texts are in the words' pool or in their directive's node, which
        // httpd keeps as long (mod_authz_core relies on that).
        unsafe { Provider::new(self.parameters, name, words.rest(), words.pool) }
    }

    /// Nothing where the directive may stand where it does, else what httpd says of it. `.htaccess` is for
    /// the row to exclude.
    fn refuse_in(&self, place: DirectiveContext) -> Option<&'d CStr> {
        let forbidden = match place {
            DirectiveContext::Server => ffi::GLOBAL_ONLY,
            DirectiveContext::Anywhere => ffi::NOT_IN_LIMIT,
            DirectiveContext::AuthConfig => return None,
        };
        self.objection(forbidden)
    }

    /// What httpd says of the directive where it stands, if it may not be in such sections.
    fn objection(&self, forbidden: c_int) -> Option<&'d CStr> {
        // SAFETY: httpd checks the sections around the directive, and answers null or a pool's text.
        unsafe {
            let parameters = std::ptr::from_ref(self.parameters).cast_mut();
            let objection = ffi::ap_check_cmd_context(parameters, forbidden as _);
            (!objection.is_null()).then(|| CStr::from_ptr(objection))
        }
    }
}

/// What a directive does with its one argument. Its error is shown after file, line and name.
pub trait Setter {
    /// Whose section it sets.
    type Module: Module;
    /// Where the directive may stand.
    const CONTEXT: DirectiveContext;
    /// Takes the directive's argument up.
    fn set<'c>(
        directive: &Directive<'c>,
        section: &mut <Self::Module as Module>::Section<'c>,
        argument: &str,
    ) -> Result<(), String>;
}

/// What a directive does with all that follows its name.
pub trait WordsSetter {
    /// Whose section it sets.
    type Module: Module;
    /// Where the directive may stand.
    const CONTEXT: DirectiveContext;
    /// Takes the directive's words up.
    fn set<'c>(
        directive: &Directive<'c>,
        section: &mut <Self::Module as Module>::Section<'c>,
        words: Words<'_>,
    ) -> Result<(), String>;
}

/// What follows a directive's name, word by word.
#[derive(Clone, Copy)]
pub struct Words<'d> {
    rest: &'d CStr,
    pool: Pool<'d>,
}

impl<'d> Words<'d> {
    /// All that was not taken yet.
    pub fn rest(&self) -> &'d CStr {
        self.rest
    }
}

impl<'d> Iterator for Words<'d> {
    type Item = &'d CStr;

    /// The next word, without the quotes around it.
    fn next(&mut self) -> Option<&'d CStr> {
        if self.rest.is_empty() {
            return None;
        }
        let mut rest = self.rest.as_ptr();
        // SAFETY: httpd copies the word into the pool, and moves on in the text to the next one.
        unsafe {
            let word = CStr::from_ptr(ffi::ap_getword_conf(self.pool.as_ptr(), &mut rest));
            self.rest = CStr::from_ptr(rest);
            Some(word)
        }
    }
}

unsafe extern "C" fn take_one<S: Setter>(
    parameters: *mut ffi::cmd_parms,
    configuration: *mut c_void,
    argument: *const c_char,
) -> *const c_char {
    // SAFETY: httpd passes its parameters, the section's configuration made by `create`, and an argument.
    unsafe {
        take::<S::Module>(parameters, configuration, argument, S::CONTEXT, |directive, section, argument| {
            let argument = argument.to_str().map_err(|_| "the argument is not UTF-8")?;
            S::set(directive, section, argument)
        })
    }
}

unsafe extern "C" fn take_words<S: WordsSetter>(
    parameters: *mut ffi::cmd_parms,
    configuration: *mut c_void,
    arguments: *const c_char,
) -> *const c_char {
    // SAFETY: httpd passes its parameters, the section's configuration made by `create`, and the text after the
    // directive's name.
    unsafe {
        take::<S::Module>(parameters, configuration, arguments, S::CONTEXT, |directive, section, rest| {
            S::set(directive, section, Words { rest, pool: directive.pool() })
        })
    }
}

/// Has `set` take a directive up; answers null, or what is wrong with it.
///
/// # Safety
///
/// `configuration` is that of the section, as `create` made it; the rest is as httpd passes it.
unsafe fn take<M: Module>(
    parameters: *mut ffi::cmd_parms,
    configuration: *mut c_void,
    argument: *const c_char,
    place: DirectiveContext,
    set: impl for<'c> FnOnce(&Directive<'c>, &mut M::Section<'c>, &CStr) -> Result<(), String>,
) -> *const c_char {
    catch_panic(c"mod_selinux failed on this directive (the log says why)".as_ptr(), || {
        // SAFETY: as `create` made it.
        let is_broken = unsafe { (*configuration.cast::<M::Section<'_>>()).is_broken() };
        if !module_record::is_registered() || is_broken {
            return c"mod_selinux failed before this directive (the log says why)".as_ptr();
        }
        // SAFETY: the caller's word; the configuration is read by one thread, and nobody else has this section.
        let (directive, section, argument) = unsafe {
            (
                Directive { parameters: &*parameters },
                &mut *configuration.cast::<M::Section<'_>>(),
                CStr::from_ptr(argument),
            )
        };
        if let Some(objection) = directive.refuse_in(place) {
            return objection.as_ptr();
        }
        let report = |reason: String| {
            let argument = argument.to_string_lossy();
            directive.pool().text(&format!("{} {argument}: {reason}", directive.name())).as_ptr()
        };
        set(&directive, section, argument).map_or_else(report, |()| null())
    })
}

/// A row of the table.
const fn row(
    name: &'static CStr,
    help: &'static CStr,
    func: ffi::cmd_func,
    how: ffi::cmd_how,
    place: DirectiveContext,
) -> ffi::command_rec {
    let place = match place {
        DirectiveContext::Server => ffi::RSRC_CONF,
        DirectiveContext::Anywhere => ffi::RSRC_CONF | ffi::ACCESS_CONF,
        DirectiveContext::AuthConfig => ffi::OR_AUTHCFG,
    };
    ffi::command_rec {
        name: name.as_ptr(),
        func,
        cmd_data: std::ptr::null_mut(),
        req_override: place,
        args_how: how,
        errmsg: help.as_ptr(),
    }
}

/// The row of a directive with one argument. `help` is what `httpd -L` prints.
pub const fn one_argument<S: Setter>(name: &'static CStr, help: &'static CStr) -> Row<S::Module> {
    let func = ffi::cmd_func { take1: Some(take_one::<S>) };
    Row { row: row(name, help, func, ffi::cmd_how_TAKE1, S::CONTEXT), module: PhantomData }
}

/// The row of a directive that reads its words itself.
pub const fn words<S: WordsSetter>(name: &'static CStr, help: &'static CStr) -> Row<S::Module> {
    let func = ffi::cmd_func { raw_args: Some(take_words::<S>) };
    Row { row: row(name, help, func, ffi::cmd_how_RAW_ARGS, S::CONTEXT), module: PhantomData }
}

/// A row, for sections of one module's.
pub struct Row<M> {
    row: ffi::command_rec,
    module: PhantomData<fn(M)>,
}

/// A table of directives, ended as httpd wants it.
#[repr(C)]
pub struct DirectiveTable<M, const ROWS: usize> {
    rows: [ffi::command_rec; ROWS],
    end: ffi::command_rec,
    module: PhantomData<fn(M)>,
}

// SAFETY: httpd only reads the table, and it points to constants.
unsafe impl<M, const ROWS: usize> Sync for DirectiveTable<M, ROWS> {}

impl<M: Module, const ROWS: usize> DirectiveTable<M, ROWS> {
    /// A table of these rows, whose setters all fill the module's sections.
    pub const fn new(rows: [Row<M>; ROWS]) -> Self {
        let end = ffi::command_rec {
            name: null(),
            func: ffi::cmd_func { no_args: None },
            cmd_data: std::ptr::null_mut(),
            req_override: 0,
            args_how: ffi::cmd_how_RAW_ARGS,
            errmsg: null(),
        };
        let mut table = DirectiveTable { rows: [end; ROWS], end, module: PhantomData };
        let mut index = 0;
        while index < ROWS {
            table.rows[index] = rows[index].row;
            index += 1;
        }
        table
    }

    /// For the module record.
    pub const fn as_ptr(&'static self) -> *const ffi::command_rec {
        std::ptr::from_ref(self).cast()
    }
}
