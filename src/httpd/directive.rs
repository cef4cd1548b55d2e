//! Directives and the per-directory configuration they fill.

use crate::ffi;
use crate::httpd::boundary::guard;
use crate::httpd::hook::Server;
use crate::httpd::pool::Pool;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt as _;
use std::ptr::null;

/// What a module keeps for each section (`<Directory>`, a virtual host, …) and, merged, for the
/// place of a request. It is copied into pools and never dropped: plain references and values.
pub trait Configuration: Copy {
    /// Of a section in which no directive of the module stands.
    fn unset() -> Self;
    /// Of a place in both the section `outer` and, further in, `self`.
    fn merged_into(&self, outer: &Self, keeper: Keeper<'_>) -> Self;
}

/// Keeps what a configuration refers to, in the configuration's own pool.
///
/// `'static` stands for the life of that pool: httpd lets nobody have a configuration for longer, and
/// what is kept here is to be reached by the configuration alone.
#[derive(Clone, Copy)]
pub struct Keeper<'p>(Pool<'p>);

impl<'p> Keeper<'p> {
    /// For the configuration that lives in this pool.
    pub fn of(configuration: Pool<'p>) -> Self {
        Keeper(configuration)
    }

    /// Puts a value that needs no destructor.
    pub fn put<T: 'static>(self, value: T) -> &'static T {
        // SAFETY: see `Keeper`.
        unsafe { &*std::ptr::from_ref(self.0.put(value)) }
    }

    /// Keeps a value, and drops it with the configuration.
    pub fn keep<T: 'static>(self, value: T) -> &'static T {
        // SAFETY: see `Keeper`.
        unsafe { &*std::ptr::from_ref(self.0.keep(value)) }
    }

    /// The one value of this type for the whole configuration.
    pub fn the_one<T: Default + 'static>(self, name: &'static CStr) -> &'static T {
        // SAFETY: see `Keeper`.
        unsafe { &*std::ptr::from_ref(self.0.the_one::<T>(name)) }
    }
}

/// The module's `create_dir_config`.
pub unsafe extern "C" fn create<C: Configuration>(pool: *mut ffi::apr_pool_t, _: *mut c_char) -> *mut c_void {
    // A panic here would leave httpd without a configuration: null, on which its use faults.
    guard(std::ptr::null_mut(), || {
        // SAFETY: httpd passes the pool of the configuration or of the request.
        let pool = unsafe { Pool::from_ptr(pool) };
        std::ptr::from_ref(pool.put(C::unset())).cast_mut().cast()
    })
}

/// The module's `merge_dir_config`.
pub unsafe extern "C" fn merge<C: Configuration>(
    pool: *mut ffi::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    guard(std::ptr::null_mut(), || {
        // SAFETY: as above; both come from `create` or from here, and live as long as the pool.
        unsafe {
            let pool = Pool::from_ptr(pool);
            let merged = (*inner.cast::<C>()).merged_into(&*outer.cast::<C>(), Keeper(pool));
            std::ptr::from_ref(pool.put(merged)).cast_mut().cast()
        }
    })
}

/// Gives each server's own configuration, which is outermost for all of its requests, to `body`.
pub fn for_each_server<C: Configuration>(main: Server<'_>, mut body: impl FnMut(&mut C)) {
    let mut next = main.as_ptr();
    // SAFETY: null, or a server of the list, which lives as long as the configuration.
    while let Some(server) = unsafe { next.as_ref() } {
        // SAFETY: `create` or `merge` made the configuration, and in the start's one thread nobody else has it.
        unsafe {
            let slot = ffi::ap_get_module_config(server.lookup_defaults, crate::httpd::module::record());
            body(&mut *slot.cast::<C>());
        }
        next = server.next;
    }
}

/// Where a directive may stand.
#[derive(Clone, Copy)]
pub enum Place {
    /// In the main server's configuration, outside of every section.
    Server,
    /// There, and in virtual hosts and `<Directory>`, `<Location>`, `<Files>`, `<If>`; never in
    /// `.htaccess`, whose author must not choose a label.
    Anywhere,
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
        Keeper(self.pool())
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

    /// Whether it stands in `<Limit>` or `<LimitExcept>`, whose methods httpd leaves to each directive to heed.
    pub fn is_limited(&self) -> bool {
        self.parameters.limited != -1
    }

    /// The directive's name, as the table has it.
    fn name(&self) -> std::borrow::Cow<'d, str> {
        // SAFETY: httpd passes the row that the directive was found by.
        unsafe { CStr::from_ptr((*self.parameters.cmd).name) }.to_string_lossy()
    }

    /// Nothing where the directive stands in the main server's configuration outside of every
    /// section, else what httpd says of it.
    fn refuse_in_sections(&self) -> Option<&'d CStr> {
        // SAFETY: httpd checks the sections around the directive, and answers null or a pool's text.
        unsafe {
            let parameters = std::ptr::from_ref(self.parameters).cast_mut();
            let objection = ffi::ap_check_cmd_context(parameters, ffi::GLOBAL_ONLY as _);
            (!objection.is_null()).then(|| CStr::from_ptr(objection))
        }
    }
}

/// What a directive does with its one argument. Its error is shown after file, line and name.
pub trait Setter {
    /// The section's configuration.
    type Configuration: Configuration;
    /// Where the directive may stand.
    const PLACE: Place;
    /// Takes the directive's argument up.
    fn set(
        directive: &Directive<'_>,
        configuration: &mut Self::Configuration,
        argument: &str,
    ) -> Result<(), String>;
}

unsafe extern "C" fn take_one<S: Setter>(
    parameters: *mut ffi::cmd_parms,
    configuration: *mut c_void,
    argument: *const c_char,
) -> *const c_char {
    guard(c"mod_selinux failed on this directive (the log says why)".as_ptr(), || {
        // SAFETY: httpd passes its parameters, the section's configuration made by `create`, and an
        // argument; the configuration is read by one thread, and nobody else has this section.
        let (directive, configuration, argument) = unsafe {
            (
                Directive { parameters: &*parameters },
                &mut *configuration.cast::<S::Configuration>(),
                CStr::from_ptr(argument),
            )
        };
        if let Place::Server = S::PLACE
            && let Some(objection) = directive.refuse_in_sections()
        {
            return objection.as_ptr();
        }
        let result = match argument.to_str() {
            Ok(argument) => S::set(&directive, configuration, argument),
            Err(_) => Err("the argument is not UTF-8".to_owned()),
        };
        let report = |reason: String| {
            let argument = argument.to_string_lossy();
            directive.pool().text(&format!("{} {argument}: {reason}", directive.name())).as_ptr()
        };
        result.map_or_else(report, |()| null())
    })
}

/// A row of the table.
const fn row(
    name: &'static CStr,
    help: &'static CStr,
    func: ffi::cmd_func,
    how: ffi::cmd_how,
    place: c_int,
) -> ffi::command_rec {
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
pub const fn one_argument<S: Setter>(name: &'static CStr, help: &'static CStr) -> Row<S::Configuration> {
    let place = match S::PLACE {
        Place::Server => ffi::RSRC_CONF,
        Place::Anywhere => ffi::RSRC_CONF | ffi::ACCESS_CONF,
    };
    let func = ffi::cmd_func { take1: Some(take_one::<S>) };
    Row { row: row(name, help, func, ffi::cmd_how_TAKE1, place), configuration: PhantomData }
}

/// A row, for configurations of one type.
pub struct Row<C> {
    row: ffi::command_rec,
    configuration: PhantomData<fn(C)>,
}

/// A table of directives, ended as httpd wants it.
#[repr(C)]
pub struct Table<const ROWS: usize> {
    rows: [ffi::command_rec; ROWS],
    end: ffi::command_rec,
}

// SAFETY: httpd only reads the table, and it points to constants.
unsafe impl<const ROWS: usize> Sync for Table<ROWS> {}

impl<const ROWS: usize> Table<ROWS> {
    /// A table of these rows, whose setters all fill a `C`.
    pub const fn new<C: Configuration>(rows: [Row<C>; ROWS]) -> Self {
        let end = ffi::command_rec {
            name: null(),
            func: ffi::cmd_func { no_args: None },
            cmd_data: std::ptr::null_mut(),
            req_override: 0,
            args_how: ffi::cmd_how_RAW_ARGS,
            errmsg: null(),
        };
        let mut table = Table { rows: [end; ROWS], end };
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
