//! Which `.htaccess` applies: none that a page may have written. httpd follows it, and runs what it names (mod_lua's and
//! mod_perl's hooks), before and after the part of a request that is confined. And what its expressions may not do: httpd
//! evaluates them as itself.

use crate::config::settings::{Serving, section};
use crate::httpd::htaccess::{HtaccessHook, Operation};
use crate::httpd::log;
use crate::httpd::request::Request;
use crate::httpd::status::Status;
use crate::maps::PublishedFile;
use crate::selinux::query;
use crate::status::counters;
use mapping::{Context, Quoted};
use messages::Code;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt as _;

/// When httpd opens one.
pub struct Htaccess;

impl HtaccessHook for Htaccess {
    fn is_needed(request: Request<'_>) -> bool {
        serving(request).is_some()
    }

    fn may_apply(request: Request<'_>, file: BorrowedFd<'_>, path: &CStr) -> bool {
        // A worker may not ask the policy, and reads no such file: httpd does, in an early phase.
        if server(request).is_none() || judge(request, file) == Status::OK {
            return true;
        }
        let text = format!(
            "pages may write files of the type of {}: refused; give it a type that they may not, as with `chcon -t httpd_sys_htaccess_t`, or say AllowOverride None",
            path.to_string_lossy()
        );
        counters::log_refusal(request, &Code::HtaccessWritable.message(text));
        false
    }

    fn may_have(line: &[u8]) -> bool {
        let may_have = line.trim_ascii_start().starts_with(b"#") || !has_the_server_work(line);
        if !may_have {
            let text = format!(
                "a line of an .htaccess would have the server run a program, or read files for the page: {}",
                Quoted(line)
            );
            log::server(&Code::HtaccessRunsProgram.message(text));
            counters::refused(Code::HtaccessRunsProgram);
        }
        may_have
    }

    fn objection(operation: Operation, name: &[u8]) -> Option<String> {
        // What httpd has as `restricted` in its own tables (`server/util_expr_eval.c`).
        let reads_files = match operation {
            Operation::Function => {
                [&b"file"[..], b"filesize"].iter().any(|known| known.eq_ignore_ascii_case(name))
            }
            Operation::Test => matches!(name, b"d" | b"e" | b"f" | b"s" | b"L" | b"h" | b"x"),
        };
        let dash = if operation == Operation::Test { "-" } else { "" };
        reads_files.then(|| {
            counters::refused(Code::HtaccessReadsFiles);
            let text = format!(
                "{dash}{} would have the server read files with its own privileges, and is not for .htaccess",
                String::from_utf8_lossy(name)
            );
            Code::HtaccessReadsFiles.message(text).to_string()
        })
    }
}

/// Directives by which httpd reads what files a page names, as itself (mod_cern_meta).
const READ_FILES: [&[u8]; 3] = [b"metafiles", b"metadir", b"metasuffix"];

/// Whether a line has httpd run a program (`SessionCryptoPassphrase exec:…`, `AuthLDAPBindPassword exec:…`), or read such files.
fn has_the_server_work(line: &[u8]) -> bool {
    let mut words = line.split(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\''));
    let words = words.by_ref().filter(|word| !word.is_empty());
    words.enumerate().any(|(index, word)| match index {
        0 => READ_FILES.contains(&word.to_ascii_lowercase().as_slice()),
        _ => word.len() >= 5 && word[..5].eq_ignore_ascii_case(b"exec:"),
    })
}

/// What requests are served by, where some may be confined.
fn serving(request: Request<'_>) -> Option<&Serving> {
    section(request).serving.filter(|serving| serving.started.configured.confines())
}

/// The context that httpd runs in, where requests leave it.
fn server(request: Request<'_>) -> Option<(&Serving, &Context)> {
    let serving = serving(request)?;
    Some((serving, serving.started.server.as_ref()?))
}

/// Whether a file applies, as the policy has it.
pub fn judge(request: Request<'_>, file: BorrowedFd<'_>) -> Status {
    let Some((Serving { started, maps, .. }, server)) = server(request) else { return Status::OK };
    // What httpd's type may not do, no type does that a rule leads to: the policy bounds them. Programs that serve pages
    // outside of httpd (php-fpm) are not known here; no file of theirs is root's.
    let own = format!("{}:{}:{}", server.user(), server.role(), server.type_());
    let may_be_any = started.any_type || started.configured.reads_peer || !is_roots(file);
    let bound = may_be_any.then_some(own.as_str());
    let maps: Vec<_> = maps.iter().flat_map(|maps| maps.all_current()).collect();
    let of_maps = maps.iter().filter_map(|published| match &published.file {
        PublishedFile::Map(map) => Some(map.bases()),
        PublishedFile::Groups(_) => None,
    });
    let pages = started.pages.iter().map(String::as_str).chain(of_maps.flatten());
    match query::may_change(pages.chain(bound), file) {
        Some(false) => Status::OK,
        Some(true) | None => Status::FORBIDDEN,
    }
}

/// Whether root alone may write to a file, as far as unix is concerned.
fn is_roots(file: BorrowedFd<'_>) -> bool {
    let metadata = file.try_clone_to_owned().and_then(|file| File::from(file).metadata());
    metadata.is_ok_and(|metadata| mapping::distrust(metadata.uid(), metadata.mode(), 0).is_none())
}
