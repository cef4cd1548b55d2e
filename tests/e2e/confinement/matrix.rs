//! The ways a request can run, each of which the kernel confines: a row a way.
//!
//! One site, one httpd for each multi-processing module. The same folder is served at three places, with names of one length: `/own`, whose
//! requests are mapped to category c0, `/his`, to c1, and `/off`, which no rule covers. A row is one request, sent
//! to each of them (`@` is the place). Files whose text is "own's" have category c0. So `/own` must answer just what
//! `/off` does, byte by byte; `/his` must be refused what `/off` is not; and what ran says, by the kernel's word,
//! in whose context. A row that the module does not confine fails at `/his`.
//!
//! Ways that have tests of their own elsewhere:
//!
//! | way | test |
//! |---|---|
//! | `Action`, a CGI script's local `Location:`, `.htaccess` front controllers, `DirectoryIndex` to a script, error documents of httpd's own 401, 403 and 404 | `nested::a_redirect_runs_in_the_context_of_where_it_leads` |
//! | SSI `include` and `exec` | `nested::each_part_of_an_ssi_page_runs_in_its_own_context` |
//! | filters of Lua and SSI, for response and body | `nested::filters` |
//! | `LuaScope thread` beside nested requests | `nested::the_server_runs_nothing_in_a_confined_pages_interpreter` |
//! | Lua and CGI for users who log in, on every MPM | `mapping::each_user_has_a_context_of_their_own_on_every_mpm` |
//! | PHP's sessions, uploads, recursion | `php` |
//! | a certificate that `SELinuxDomain … expr` and `ssl-verify-client` read | `providers::outside` |
//! | keep-alive and pipelining with changing users, many connections | `load` |
//! | HTTP/2 | `http2` |
//! | mod_cgid | `refusals::mod_cgids_daemon_runs_nothing_of_a_mapped_request` |

mod bodies;
mod breaks;
mod certificates;
mod clients;
mod dav;
mod errors;
mod files;
mod handlers;
mod php;

use crate::support::pages::who;
use crate::support::{Httpd, Mpm, Site, raw};

/// What is read of the files that one context each may read: by own's, his, the one of error documents, and whoever
/// runs where no rules stand (httpd itself, and what the distribution's policy makes of a script it starts).
const OWN: &str = "<<own>>";
const HIS: &str = "<<his>>";
const STAFF: &str = "<<staff>>";
const SERVER: [&str; 2] = ["<<own his staff>>", "<<>>"];

/// A Lua page with a function that tells which of the files can be read.
fn who_lua(site: &Site) -> String {
    who(site, &["own", "his", "staff"])
        + "
function handle(r)
  r.content_type = 'text/plain'
  r:puts('<<' .. who() .. '>>')
  return apache2.OK
end
"
}

/// The same for a CGI script, which then gives its body back.
const WHO_CGI: &str = r#"#!/bin/sh
for name in own his staff; do
    { read -r line <"@ROOT@/$name.txt"; } 2>&- && names="${names:+$names }$name"
done
printf 'Content-Type: text/plain\n\n<<%s>>' "$names"
[ "$REQUEST_METHOD" != POST ] || exec cat
"#;

/// Who says that a request was confined.
enum Witness {
    /// `/his` is refused with this status what `/off` is served.
    File(u16),
    /// The answer has the kernel's word on who made it.
    Context,
    /// It leads to where error documents are, and the answer has the kernel's word on that.
    Staff,
    /// Nothing: it is answered without any handler, alike at all places.
    None,
}

/// One way a request can run.
struct Row {
    /// Request line without the protocol, further header lines, and the body after an empty line.
    request: String,
    /// What `/own` answers.
    status: u16,
    witness: Witness,
}

/// A row whose request is given whole.
fn row(request: impl Into<String>, status: u16, witness: Witness) -> Row {
    Row { request: request.into(), status, witness }
}

/// A GET that `/his` is refused (403).
fn private(path: &str) -> Row {
    row(format!("GET /@/{path}"), 200, Witness::File(403))
}

/// A GET that tells its context.
fn telling(path: &str) -> Row {
    row(format!("GET {path}"), 200, Witness::Context)
}

/// An answer, without what is another each time, and without the sign that nobody may cache it.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    text: String,
}

/// Sends a row's request to a place. In the answer, the place's name is `@` again, and dates and boundaries are gone.
fn ask(request: &str, place: &str) -> Answer {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
    let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
    let text = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n{body}");
    let text = text.replace('@', place);
    let reply = raw::exchange(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    answer(&reply, place)
}

fn answer(reply: &str, place: &str) -> Answer {
    let last = reply.rfind("HTTP/1.1 ").map_or("", |at| &reply[at..]);
    let status = last.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
    let boundary = reply.split("boundary=").nth(1).and_then(|rest| rest.lines().next());
    let mut text = String::new();
    for line in reply
        .split_inclusive('\n')
        .filter(|line| !["Date: ", "Expires: "].iter().any(|name| line.starts_with(name)))
    {
        text += line;
    }
    if let Some(boundary) = boundary {
        text = text.replace(boundary, "BOUNDARY");
    }
    for before in ["/", "/~", "-"] {
        text = text.replace(&format!("{before}{place}/"), &format!("{before}@/"));
    }
    // After `100 Continue` comes another head.
    let head = text.rfind("HTTP/1.1 ").unwrap_or(0);
    let body = text[head..].find("\r\n\r\n").map_or(text.len(), |length| head + length + 4);
    if text[head..body].contains("chunked") {
        text = format!("{}{}", &text[..body], joined(&text[body..]));
    }
    Answer { status, text }
}

/// A body in chunks as one piece: how the pieces fall is chance. What is no chunk stays as it is.
fn joined(mut body: &str) -> String {
    let mut text = String::new();
    loop {
        let chunk = body.split_once("\r\n").and_then(|(length, rest)| {
            let length = usize::from_str_radix(length, 16).ok()?;
            Some((rest.get(..length)?, rest.get(length..)?.strip_prefix("\r\n")?))
        });
        match chunk {
            Some(("", "")) => return text,
            Some((part, rest)) => (text, body) = (text + part, rest),
            None => return format!("{text}|{body}|"),
        }
    }
}

/// What is wrong with a row.
fn wrong(row: &Row) -> Option<String> {
    let [own, his, off] = ["own", "his", "off"].map(|place| ask(&row.request, place));
    let is_right = own.status == row.status
        && match row.witness {
            Witness::File(status) => {
                own == off && his.status == status && his.text != off.text && !his.text.contains("own's")
            }
            Witness::Context => {
                let says = |answer: &Answer, who: &str| {
                    let mut told = answer.text.match_indices("<<").peekable();
                    told.peek().is_some() && told.all(|(at, _)| answer.text[at..].starts_with(who))
                };
                says(&own, OWN)
                    && says(&his, HIS)
                    && SERVER.iter().any(|context| says(&off, context))
                    && without_context(&own) == without_context(&off)
            }
            Witness::Staff => own == off && own == his && own.text.contains(STAFF),
            Witness::None => own == off && own == his,
        };
    let shown = |name: &str, answer: &Answer, than: &Answer| {
        let differs = answer.text.lines().filter(|line| !than.text.lines().any(|known| known == *line));
        format!("\n  {name}: {} {:?}", answer.status, differs.collect::<Vec<_>>())
    };
    (!is_right).then(|| {
        let texts = [shown("own", &own, &off), shown("off", &off, &own), shown("his", &his, &own)];
        format!("{}, wanted {}:{}", row.request.lines().next().unwrap_or(""), row.status, texts.concat())
    })
}

/// The answer without contexts, and so without its length. Of status pages, which are others each time, the head.
fn without_context(answer: &Answer) -> String {
    let mut text = answer.text.clone();
    for context in [OWN, HIS].iter().chain(&SERVER) {
        text = text.replace(context, "CONTEXT");
    }
    if text.contains("<!DOCTYPE") {
        text.truncate(text.find("CONTEXT").unwrap_or_default());
    }
    // Of a script's answer, chance says whether httpd has the length when it sends the head.
    let is_length =
        |line: &&str| ["Content-Length", "Transfer-Encoding"].iter().any(|name| line.starts_with(name));
    text.lines().filter(|line| !is_length(line)).map(|line| format!("{line}\n")).collect()
}

const MODULES: &[&str] = &[
    "lua",
    "cgi",
    "include",
    "rewrite",
    "negotiation",
    "autoindex",
    "userdir",
    "asis",
    "actions",
    "dav",
    "dav_fs",
    "ssl",
    "socache_shmcb",
];

const PLACES: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
AddHandler cgi-script .exe
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options +Includes +Indexes
    AllowOverride FileInfo
</Directory>
<LocationMatch \"^/([a-z]+-|~)?own(/|$)\">
    SELinuxDomainVal user_webapp_t:s0:c0
</LocationMatch>
<LocationMatch \"^/([a-z]+-|~)?his(/|$)\">
    SELinuxDomainVal user_webapp_t:s0:c1
</LocationMatch>
<Location /errors>
    SELinuxDomainVal staff_webapp_t:s0:c12
</Location>
";

/// A script of the site's.
fn at(site: &Site, script: &str) -> String {
    script.replace("@ROOT@", site.root().to_str().unwrap())
}

/// A site with all that rows ask for.
fn site(mpm: Mpm) -> Site {
    let site = Site::new(&format!("matrix-{mpm:?}").to_lowercase());
    site.file("who.lua", &who_lua(&site)).script("who.cgi", &at(&site, WHO_CGI));
    for (range, name) in ["s0:c0", "s0:c1", "s0:c12"].iter().zip(["own", "his", "staff"]) {
        site.file_at(range, &format!("{name}.txt"), &format!("{name}'s text\n"));
    }
    files::prepare(&site);
    handlers::prepare(&site);
    errors::prepare(&site);
    bodies::prepare(&site);
    breaks::prepare(&site);
    dav::prepare(&site);
    clients::prepare(&site);
    certificates::prepare(&site);
    site
}

fn start(site: &Site, mpm: Mpm) -> Httpd {
    let mut configuration: String = [
        PLACES,
        files::CONFIGURATION,
        handlers::CONFIGURATION,
        bodies::CONFIGURATION,
        breaks::CONFIGURATION,
        clients::CONFIGURATION,
        certificates::CONFIGURATION,
    ]
    .concat();
    configuration += &errors::configuration();
    configuration += &dav::configuration();
    // Last: aliases are tried in order.
    configuration += "AliasMatch ^/(own|his|off|errors)(/.*) @ROOT@$2\n";
    if mpm == Mpm::Prefork {
        configuration += &php::configuration(site);
    }
    Httpd::start(site, mpm, MODULES, &configuration)
}

fn every_way_is_confined(mpm: Mpm) {
    let site = site(mpm);
    let _httpd = start(&site, mpm);
    let mut rows = files::rows();
    rows.extend(handlers::rows());
    rows.extend(errors::rows());
    rows.extend(bodies::rows());
    if mpm == Mpm::Prefork {
        rows.extend(php::rows());
    }
    let mut faults = Vec::new();
    for row in &rows {
        faults.extend(wrong(row));
    }
    assert!(faults.is_empty(), "{mpm:?}: {} of {} rows\n{}", faults.len(), rows.len(), faults.join("\n"));
    breaks::break_off_as_without_the_module();
    files::two_gigabytes(mpm);
    errors::are_in_their_own_places_context();
    dav::files_have_their_makers_category(&site);
    clients::that_stall_or_vanish_leave_nothing_confined_behind();
    certificates::choose_the_context(&site);
}

#[test]
fn every_way_is_confined_on_event() {
    every_way_is_confined(Mpm::Event);
}

#[test]
fn every_way_is_confined_on_prefork() {
    every_way_is_confined(Mpm::Prefork);
}

#[test]
fn handlers_and_error_documents_are_confined_on_worker() {
    // As event but for when a connection has a thread, which is what all of these go through.
    let site = site(Mpm::Worker);
    let _httpd = start(&site, Mpm::Worker);
    let rows = handlers::rows().into_iter().chain(errors::rows());
    let faults: Vec<_> = rows.filter_map(|row| wrong(&row)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
