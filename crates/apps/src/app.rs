//! `/etc/mod_selinux/apps/NAME.toml`: what an application is, and who may have processes of it.
//!
//! Owns the file's grammar and its limits. It starts nothing, and asks the kernel nothing.

use mapping::Escaped;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use toml::Spanned;

/// What a command or an environment's value has in the place of the context's own folder.
pub const STATE: &str = "${STATE}";

/// How long an application's name may be, in bytes.
pub const MAX_NAME: usize = 32;

/// An application, as its file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct App {
    /// The file's name without `.toml`; what `SetHandler selinux-app:NAME` says.
    pub name: String,
    /// The program, by its whole path, and its arguments.
    pub command: Vec<String>,
    /// How it takes its listening socket.
    pub socket: SocketStyle,
    /// What is spoken on it.
    pub protocol: Protocol,
    /// How many processes of one context there are at most.
    pub processes: u32,
    /// How many contexts have processes at one time, at most.
    pub contexts: u32,
    /// How long processes are kept that have nothing to do.
    pub idle: Duration,
    /// How much address space each process has, in bytes; `None`: no limit.
    pub memory: Option<u64>,
    /// Whether each context has a folder of its own.
    pub state: bool,
    /// What the program's environment has beside what the broker puts there.
    pub environment: BTreeMap<String, String>,
    /// Who is served, by which type: the types of requests, and those of processes.
    pub callers: BTreeMap<String, String>,
}

/// How a program takes its listening socket.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum SocketStyle {
    /// As descriptor 0, as FastCGI says.
    Fastcgi,
    /// As descriptor 3, as `sd_listen_fds(3)` has it.
    Systemd,
    /// As php-fpm takes over those of its predecessor (`FPM_SOCKETS`).
    Fpm,
}

/// What a program speaks: what a module of httpd's own has a scheme for.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// mod_proxy_fcgi.
    Fcgi,
    /// mod_proxy_http.
    Http,
    /// mod_proxy_scgi.
    Scgi,
    /// mod_proxy_uwsgi.
    Uwsgi,
}

impl Protocol {
    /// The scheme of mod_proxy's URLs.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Protocol::Fcgi => "fcgi",
            Protocol::Http => "http",
            Protocol::Scgi => "scgi",
            Protocol::Uwsgi => "uwsgi",
        }
    }

    /// The module of httpd's that speaks it, by its source's name.
    #[must_use]
    pub fn module(self) -> &'static CStr {
        match self {
            Protocol::Fcgi => c"mod_proxy_fcgi.c",
            Protocol::Http => c"mod_proxy_http.c",
            Protocol::Scgi => c"mod_proxy_scgi.c",
            Protocol::Uwsgi => c"mod_proxy_uwsgi.c",
        }
    }
}

/// What is wrong in an application's file, and where.
#[derive(Error, PartialEq, Eq, Debug)]
#[error("line {line}: {text}")]
pub struct AppError {
    /// From 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub text: String,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    command: Spanned<Vec<String>>,
    socket: SocketStyle,
    protocol: Protocol,
    processes: Option<Spanned<u32>>,
    contexts: Option<Spanned<u32>>,
    idle: Option<Spanned<String>>,
    memory: Option<Spanned<String>>,
    #[serde(default)]
    state: bool,
    #[serde(default)]
    environment: BTreeMap<Spanned<String>, String>,
    callers: Spanned<Vec<Spanned<Caller>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Caller {
    worker: String,
    app: String,
}

impl App {
    /// Reads an application's file. `name`: the file's, without `.toml`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(name: &str, text: &str) -> Result<App, AppError> {
        let at = |offset: usize| 1 + text[..offset.min(text.len())].matches('\n').count();
        // What repeats the file's text is one visible line all the same.
        let wrong = |offset: usize, text: String| AppError {
            line: at(offset),
            text: Escaped::new(&text).to_string(),
        };
        if !is_name(name) {
            return Err(wrong(0, format!("the file's name is not 1 to {MAX_NAME} of a-z, 0-9, - and _")));
        }
        let file: File = toml::from_str(text).map_err(|error| {
            wrong(error.span().map_or(0, |span| span.start), error.message().trim().replace('\n', ", "))
        })?;
        let command = file.command.span().start;
        let program = file.command.get_ref().first();
        if !program.is_some_and(|program| Path::new(program).is_absolute()) {
            return Err(wrong(command, "command wants the program's whole path first".to_owned()));
        }
        let folders = file.command.get_ref().iter().chain(file.environment.values());
        if !file.state && folders.into_iter().any(|text| text.contains(STATE)) {
            return Err(wrong(command, format!("{STATE} is there with state = true alone")));
        }
        if file.command.get_ref().iter().any(|word| word.contains('\0')) {
            return Err(wrong(command, "command has a NUL".to_owned()));
        }
        for (name, value) in &file.environment {
            let start = name.span().start;
            let is_variable = |name: &str| {
                !name.starts_with(|first: char| first.is_ascii_digit())
                    && !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            if !is_variable(name.get_ref()) || value.contains('\0') {
                return Err(wrong(start, format!("environment: {:?} is no variable", name.get_ref())));
            }
        }
        let number = |field: Option<Spanned<u32>>, name, default, limit| match field {
            None => Ok(default),
            Some(value) if (1..=limit).contains(value.get_ref()) => Ok(*value.get_ref()),
            Some(value) => Err(wrong(value.span().start, format!("{name} is a number from 1 to {limit}"))),
        };
        let unit = |field: Option<Spanned<String>>, name, units: &[(&str, u64)]| match field {
            None => Ok(None),
            Some(value) => match quantity(value.get_ref(), units) {
                Some(quantity) => Ok(Some(quantity)),
                None => {
                    let units = units.iter().map(|(unit, _)| format!("\"1{unit}\"")).collect::<Vec<_>>();
                    Err(wrong(
                        value.span().start,
                        format!("{name} is a number with a unit: {}", units.join(", ")),
                    ))
                }
            },
        };
        let mut callers = BTreeMap::new();
        for caller in file.callers.get_ref() {
            let (start, Caller { worker, app }) = (caller.span().start, caller.get_ref());
            if let Some(text) = [worker, app].into_iter().find(|text| !is_type(text)) {
                return Err(wrong(start, format!("callers: {text:?} is no type")));
            }
            if callers.insert(worker.clone(), app.clone()).is_some() {
                return Err(wrong(start, format!("callers: {worker} has an app already")));
            }
        }
        if callers.is_empty() {
            return Err(wrong(
                file.callers.span().start,
                "callers is empty: nobody would be served".to_owned(),
            ));
        }
        Ok(App {
            name: name.to_owned(),
            socket: file.socket,
            protocol: file.protocol,
            processes: number(file.processes, "processes", 1, 1000)?,
            contexts: number(file.contexts, "contexts", 100, 10_000)?,
            idle: Duration::from_secs(
                unit(file.idle, "idle", &[("s", 1), ("m", 60), ("h", 3600)])?.unwrap_or(60),
            ),
            memory: unit(file.memory, "memory", &[("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)])?,
            state: file.state,
            environment: file
                .environment
                .into_iter()
                .map(|(name, value)| (name.into_inner(), value))
                .collect(),
            command: file.command.into_inner(),
            callers,
        })
    }

    /// The name that a path gives an application; `None` where it is no application's file.
    #[must_use]
    pub fn name_of(path: &Path) -> Option<&str> {
        (path.extension()? == "toml").then(|| path.file_stem()?.to_str()).flatten()
    }

    /// The file of an application in a folder.
    #[must_use]
    pub fn path(folder: &Path, name: &str) -> PathBuf {
        folder.join(format!("{name}.toml"))
    }

    /// A command's word, or a value of the environment, for a context whose folder is `state`.
    #[must_use]
    pub fn expand(text: &str, state: Option<&str>) -> String {
        state.map_or_else(|| text.to_owned(), |state| text.replace(STATE, state))
    }
}

/// Whether this may be an application's name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
}

/// Whether this may be an SELinux type.
fn is_type(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte))
}

/// A number with one of these units, above 0.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (unit, factor) = units.iter().find(|(unit, _)| text.ends_with(unit))?;
    let digits = text.strip_suffix(unit)?;
    let number: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    number.checked_mul(*factor).filter(|quantity| *quantity > 0)
}

#[cfg(test)]
mod tests {
    use super::{App, Protocol, SocketStyle};
    use std::time::Duration;

    const PHP: &str = r#"
command   = ["/usr/sbin/php-fpm", "--nodaemonize", "-d", "sys_temp_dir=${STATE}"]
socket    = "fpm"
protocol  = "fcgi"
contexts  = 200
idle      = "2m"
memory    = "512M"
state     = true
[environment]
LANG = "C.UTF-8"
[[callers]]
worker    = "user_webapp_t"
app       = "user_app_t"
[[callers]]
worker    = "anon_webapp_t"
app       = "anon_app_t"
"#;

    #[test]
    fn a_file_says_what_an_application_is() {
        let app = App::parse("php", PHP).unwrap();
        assert_eq!(app.socket, SocketStyle::Fpm);
        assert_eq!(app.protocol, Protocol::Fcgi);
        assert_eq!((app.processes, app.contexts), (1, 200));
        assert_eq!(app.idle, Duration::from_secs(120));
        assert_eq!(app.memory, Some(512 << 20));
        assert_eq!(app.callers["anon_webapp_t"], "anon_app_t");
        assert_eq!(App::expand(&app.command[3], Some("/s")), "sys_temp_dir=/s");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (from, to, line, words) in [
            ("\"fpm\"", "\"pipe\"", 3, "unknown variant"),
            ("socket ", "sockets ", 3, "unknown field"),
            ("\"fpm\"", "\"f\\n\\tp\\u202em\"", 3, r"`f, \x09p\xe2\x80\xaem`"),
            ("/usr/sbin/php-fpm", "php-fpm", 2, "whole path"),
            ("state     = true", "state = false", 2, "state = true"),
            ("200", "0", 5, "from 1 to"),
            ("\"2m\"", "\"2\"", 6, "\"1s\""),
            ("\"512M\"", "\"-1M\"", 7, "\"1K\""),
            ("\"512M\"", "\"99999999999999999G\"", 7, "\"1K\""),
            ("LANG", "\"LA=NG\"", 10, "no variable"),
            ("\"user_app_t\"", "\"user:app\"", 11, "no type"),
            ("anon_webapp_t", "user_webapp_t", 14, "already"),
        ] {
            assert!(PHP.contains(from), "{from}");
            let error = App::parse("php", &PHP.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error.line, line, "{to}: {error}");
            assert!(error.text.contains(words), "{to}: {error}");
        }
        let error = App::parse("PHP", PHP).unwrap_err();
        assert!(error.text.contains("name"), "{error}");
    }
}
