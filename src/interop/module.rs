//! A module of others with handlers that confining the thread is not enough for.

use crate::config::settings::{Configured, Interpreters, Started};
use crate::httpd::has_module;
use crate::httpd::request::Request;
use messages::{Code, Message};
use std::ffi::{CStr, CString};

/// A module with such handlers.
pub struct ForeignModule {
    /// The name of its source, by which httpd knows it.
    pub source: &'static CStr,
    /// The names of its handlers (`SetHandler`).
    pub handlers: Handlers,
    pub kind: HandlerKind,
}

/// What there is about a module's handlers.
#[derive(Clone, Copy)]
pub enum HandlerKind {
    /// They have the work done where it is not confined, or shared; the message says so.
    Elsewhere(&'static Message),
    /// They run pages in an interpreter that all contexts share.
    Interpreter,
    /// They show what other requests are about.
    OthersData,
    /// They do the server's own work, and run nobody's page.
    ServersOwn,
    /// httpd's own, which serve whatever no other handler takes.
    Default,
}

/// By what names a module's handlers are asked for (`SetHandler`).
pub enum Handlers {
    /// These.
    Named(&'static [&'static CStr]),
    /// Those that the configuration has told when the server started.
    Configured(fn(&Started) -> &[CString]),
}

static OTHERS_DATA: Message = Code::OthersRequests.constant("the handler shows what other requests are about: refused to a mapped request (serve it where no rule applies, or name it in SELinuxServerHandler)");

impl ForeignModule {
    /// Whether httpd has loaded it.
    pub fn is_loaded(&self) -> bool {
        has_module(self.source)
    }

    /// Whether the module's handler would take the request, as far as it goes by its name.
    pub fn takes(&self, request: Request<'_>, started: &Started) -> bool {
        let Some(handler) = request.handler() else { return false };
        match self.handlers {
            Handlers::Named(names) => names.contains(&handler),
            Handlers::Configured(names) => names(started).iter().any(|name| name.as_c_str() == handler),
        }
    }

    /// Why it is not to run a mapped request.
    pub fn refusal(&self, configured: &Configured) -> Option<Message> {
        match self.kind {
            HandlerKind::Elsewhere(why) => Some(why.clone()),
            HandlerKind::OthersData => Some(OTHERS_DATA.clone()),
            HandlerKind::ServersOwn | HandlerKind::Default => None,
            HandlerKind::Interpreter => match configured.interpreters() {
                Interpreters::Shared => None,
                Interpreters::Refuse => {
                    let module = self.source.to_string_lossy();
                    Some(Code::SharedInterpreter.message(format!(
                        "{module} would run the page in httpd itself, beside those of other contexts: refused (run it as CGI or in a process of its context; or say SELinuxInterpreters shared where all mapped pages trust each other)"
                    )))
                }
            },
        }
    }
}
