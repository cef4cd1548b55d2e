//! Handlers that do not do their work on the thread that runs them, so that confining the thread is not enough.

use crate::config::Started;
use crate::httpd::request::Request;

/// Why scripts and SSI `exec` of mapped requests are refused beside mod_cgid.
pub const IN_CGI_DAEMON: &str =
    "SEL0103: mod_cgid would run the script outside of the confinement (load mod_cgi instead)";

/// Why pages of mapped requests get no connection of mod_dbd's.
pub const ON_KEPT_CONNECTION: &str = "SEL0111: a page asked for a connection of mod_dbd's, which the server or another context may have opened: refused (say DBDPersist Off, or have it open one of its own)";

/// mod_wsgi's "embedded mode".
const IN_HTTPD: &str = "SEL0110: mod_wsgi may run the script in an interpreter that it shares and that is tied to httpd's own threads (say WSGIRestrictEmbedded On, and have daemon processes for it)";

/// Why the handler of a request would do its work elsewhere; `None` where it would not.
pub fn why(request: Request<'_>, started: &Started) -> Option<&'static str> {
    let handler = request.handler()?;
    match handler.to_bytes() {
        b"cgi-script" | b"application/x-httpd-cgi" if started.cgi_daemon => Some(IN_CGI_DAEMON),
        _ if started.python.iter().any(|name| name.as_c_str() == handler) => Some(IN_HTTPD),
        _ => None,
    }
}
