//! httpd's authorization providers: what `Require` asks. Wraps `mod_auth.h` and `ap_provider.h`, and calls
//! providers as mod_authz_core does.

use crate::ffi;
use crate::httpd::pool::{Pool, Presence};
use crate::httpd::request::Request;
use crate::httpd::table::Table;
use std::ffi::{CStr, c_char, c_void};
use std::fmt;

/// What a provider says of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProviderAnswer {
    /// It grants.
    Granted,
    /// It does not: it denies, wants a user first, or has nothing to say.
    Denied,
    /// It cannot tell.
    Failed,
}

/// A provider with its arguments, as a configuration has it.
///
/// # Invariants
///
/// The pointers are good as long as the pool is there that the arguments were parsed in: the provider belongs to a loaded
/// module, the rest is in that pool.
#[derive(Debug)]
pub struct Provider {
    /// How it is written.
    text: String,
    name: *const c_char,
    arguments: *const c_char,
    parsed: *const c_void,
    check: Check,
    presence: Presence,
}

/// `authz_provider.check_authorization`
type Check = unsafe extern "C" fn(*mut ffi::request_rec, *const c_char, *const c_void) -> ffi::authz_status;

// SAFETY: nobody writes to what it points to once the configuration is read, and httpd calls providers
// from all of its threads.
unsafe impl Send for Provider {}
// SAFETY: it is asked through a shared reference, by httpd's own threads as by these.
unsafe impl Sync for Provider {}

/// Why there is no such provider.
pub enum ProviderError {
    /// No loaded module has one of this name.
    Unknown,
    /// It says this of its arguments.
    Arguments(String),
}

/// By this note a provider that has many names learns which one it is asked as.
const NAME_NOTE: &CStr = ffi::AUTHZ_PROVIDER_NAME_NOTE;

impl Provider {
    /// The provider of this name, which takes its arguments up.
    ///
    /// # Safety
    ///
    /// `parameters` are those of the directive that httpd has read the two in, and they live as long as `pool`.
    pub(super) unsafe fn new(
        parameters: &ffi::cmd_parms,
        name: &CStr,
        arguments: &CStr,
        pool: Pool<'_>,
    ) -> Result<Provider, ProviderError> {
        // SAFETY: httpd answers null or the provider that a module has registered for this version.
        let provider = unsafe {
            ffi::ap_lookup_provider(
                ffi::AUTHZ_PROVIDER_GROUP.as_ptr(),
                name.as_ptr(),
                ffi::AUTHZ_PROVIDER_VERSION.as_ptr(),
            )
            .cast::<ffi::authz_provider>()
            .as_ref()
        };
        let (Some(provider), Some(check)) = (provider, provider.and_then(|found| found.check_authorization))
        else {
            return Err(ProviderError::Unknown);
        };
        let mut parsed = std::ptr::null();
        if let Some(parse) = provider.parse_require_line {
            // SAFETY: the caller's word; the name is where providers look for it (mod_lua), in a pool that
            // is gone before the name. The answer is null or a text.
            let objection = unsafe {
                ffi::apr_pool_userdata_setn(
                    name.as_ptr().cast(),
                    NAME_NOTE.as_ptr(),
                    None,
                    parameters.temp_pool,
                );
                let parameters = std::ptr::from_ref(parameters).cast_mut();
                let objection = parse(parameters, arguments.as_ptr(), &mut parsed);
                (!objection.is_null()).then(|| CStr::from_ptr(objection))
            };
            if let Some(objection) = objection {
                return Err(ProviderError::Arguments(objection.to_string_lossy().into_owned()));
            }
        }
        let text = format!("{} {}", name.to_string_lossy(), arguments.to_string_lossy());
        let (name, arguments, presence) = (name.as_ptr(), arguments.as_ptr(), pool.presence());
        Ok(Provider { text: text.trim_end().to_owned(), name, arguments, parsed, check, presence })
    }

    /// Asks it of a request that, while it is asked, has this user and this environment.
    pub fn check(&self, request: Request<'_>, user: Option<&CStr>, environment: Table<'_>) -> ProviderAnswer {
        if !self.presence.is_there() {
            return ProviderAnswer::Failed;
        }
        let notes = request.notes();
        // SAFETY: the configuration is there, and with it the name.
        notes.set(NAME_NOTE, unsafe { CStr::from_ptr(self.name) });
        // SAFETY: nothing but the provider comes to see the user and the environment. The request is live and this thread's;
        // the arguments are those that were parsed.
        let status = unsafe {
            request.as_if(user, environment, || (self.check)(request.as_ptr(), self.arguments, self.parsed))
        };
        notes.unset(NAME_NOTE);
        match status {
            ffi::authz_status_AUTHZ_GRANTED => ProviderAnswer::Granted,
            ffi::authz_status_AUTHZ_DENIED
            | ffi::authz_status_AUTHZ_DENIED_NO_USER
            | ffi::authz_status_AUTHZ_NEUTRAL => ProviderAnswer::Denied,
            _ => ProviderAnswer::Failed,
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
