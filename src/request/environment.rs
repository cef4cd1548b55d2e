//! The names of variables that a request may take along into another context. A program that finds another name in its
//! environment may obey it (`LD_PRELOAD`, `PERL5OPT`, `PHP_VALUE`): so these are all that there are, as with suEXEC
//! (`support/suexec.c: safe_env_lst`).

/// Whether a variable of this name may be taken along.
pub fn is_safe(name: &[u8]) -> bool {
    let name = name.strip_prefix(b"REDIRECT_").map_or(name, unredirected);
    (NAMES.iter().any(|safe| name == safe.as_bytes())
        || PREFIXES.iter().any(|safe| name.starts_with(safe.as_bytes())))
        // A header that programs take for their proxy (httpoxy).
        && name != b"HTTP_PROXY"
}

/// Without any more of the prefixes that each internal redirect adds.
fn unredirected(mut name: &[u8]) -> &[u8] {
    while let Some(rest) = name.strip_prefix(b"REDIRECT_") {
        name = rest;
    }
    name
}

/// Beginnings of names: headers, what mod_ssl says of the connection, what authentication and authorization looked up
/// (`AuthLDAP…`, `AuthDBD…`), what this module says, and what mod_proxy is told.
const PREFIXES: [&str; 6] = ["HTTP_", "SSL_", "AUTHENTICATE_", "AUTHORIZE_", "SELINUX_", "proxy-"];

/// Whole names: CGI's (RFC 3875), those that httpd and SSI set, and those that httpd's own modules obey.
const NAMES: [&str; 56] = [
    "AUTH_TYPE",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "CONTEXT_DOCUMENT_ROOT",
    "CONTEXT_PREFIX",
    "DATE_GMT",
    "DATE_LOCAL",
    "DOCUMENT_NAME",
    "DOCUMENT_PATH_INFO",
    "DOCUMENT_ROOT",
    "DOCUMENT_URI",
    "ERROR_NOTES",
    "GATEWAY_INTERFACE",
    "HANDLER",
    "HTTPS",
    "LAST_MODIFIED",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "QUERY_STRING",
    "QUERY_STRING_UNESCAPED",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_IDENT",
    "REMOTE_PORT",
    "REMOTE_USER",
    "REQUEST_METHOD",
    "REQUEST_SCHEME",
    "REQUEST_URI",
    "SCRIPT_FILENAME",
    "SCRIPT_NAME",
    "SCRIPT_URI",
    "SCRIPT_URL",
    "SERVER_ADDR",
    "SERVER_ADMIN",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_SIGNATURE",
    "SERVER_SOFTWARE",
    "STATUS",
    "TZ",
    "UNIQUE_ID",
    "URL",
    "USER_NAME",
    // What httpd's documentation calls special purpose environment variables.
    "dont-vary",
    "downgrade-1.0",
    "force-gzip",
    "force-no-vary",
    "force-response-1.0",
    "gzip-only-text/html",
    "no-brotli",
    "no-gzip",
    "nokeepalive",
    "prefer-language",
    "redirect-carefully",
    "suppress-error-charset",
];
