//! The ways that requests of the soak take, and what each must answer.
//!
//! Every user has a category, and a file that it alone may read. A page's answer names those that could be read: the
//! kernel's word on where it ran (httpd itself reads all of them).

use crate::support::client::authorization;
use crate::support::distribution::{dav_lock_folder, run_php};
use crate::support::pages;
use crate::support::{Mpm, Site};

/// Users, and the place of each; the last one does not log in.
pub const USERS: [&str; 4] = ["foo", "bar", "staff", "anonymous"];

/// Whoever has a file.
const READERS: [&str; 6] = ["foo", "bar", "staff", "anonymous", "part", "errors"];

const MAP: &str = "\
foo            user_webapp_t:s0:c0
bar            user_webapp_t:s0:c1
staff          staff_webapp_t:s0:c2
__anonymous__  anon_webapp_t:s0:c3
";

/// Modules, on every MPM.
pub const MODULES: &[&str] =
    &["lua", "cgi", "include", "actions", "rewrite", "dav", "dav_fs", "http2", "authz_groupfile"];

/// What a large file has.
pub const LARGE: usize = 300_000;

const PLACES: &str = "
LogLevel notice
Protocols h2c http/1.1
AddHandler lua-script .lua
AddHandler cgi-script .cgi
AddHandler act .act
AddOutputFilter INCLUDES .shtml
Action act /part/who.lua
ErrorDocument 404 /errors/who.lua
ErrorDocument 500 /errors/who.lua
SELinuxDomainMap @ETC@/map
Alias /part @ROOT@
Alias /errors @ROOT@
<Directory @ROOT@>
    Options +Includes
    AllowOverride FileInfo
</Directory>
<Location /part>
    SELinuxDomainVal user_webapp_t:s0:c4
</Location>
<Location /errors>
    SELinuxDomainVal staff_webapp_t:s0:c5
</Location>
<Location /private/dav/>
    Dav On
</Location>
";

/// How many children serve, and what they may be.
pub fn configuration(mpm: Mpm) -> String {
    let servers = match mpm {
        // As many as there ever are, so that what they hold can be compared.
        Mpm::Prefork => format!(
            "StartServers 12\nMinSpareServers 12\nMaxSpareServers 13\nMaxRequestWorkers 12\n{}",
            run_php()
        ),
        _ => "ServerLimit 8\nStartServers 2\nThreadsPerChild 16\nMaxRequestWorkers 32\nMinSpareThreads 1\n\
              MaxSpareThreads 32\nH2MinWorkers 4\nH2MaxWorkers 4\n"
            .to_owned(),
    };
    format!("{PLACES}DavLockDB {}/soak\n{servers}", dav_lock_folder())
}

/// How many children that is, and how many threads each of them has at most: those for connections and for streams with
/// a spare worker each, one that listens, and the first.
pub fn rest(mpm: Mpm) -> (usize, usize) {
    if mpm == Mpm::Prefork { (12, 1 + 1) } else { (2, 2 * (16 + 4) + 2) }
}

/// What `who.lua` answers, with the function that it asks.
const WHO_LUA: &str = r#"
function handle(r)
  r.content_type = "text/plain"
  if r.args == "fail" then
    return 500
  end
  if r.method == "POST" then
    r:puts(#(r:requestbody() or "") .. " ")
  end
  r:puts("<<" .. who() .. ">>")
  return apache2.OK
end
"#;

const WHO_CGI: &str = r#"#!/bin/sh
for name in foo bar staff anonymous part errors; do
    { read -r line <"@ROOT@/$name.txt"; } 2>&- && names="${names:+$names }$name"
done
printf 'Content-Type: text/plain\n\n<<%s>>' "$names"
"#;

const WHO_PHP: &str = r#"<?php
$names = [];
foreach (['foo', 'bar', 'staff', 'anonymous', 'part', 'errors'] as $name) {
    if (@file_get_contents(__DIR__ . "/$name.txt") !== false) $names[] = $name;
}
echo '<<' . implode(' ', $names) . '>>';
"#;

const PAGE: &str = "<!--#include virtual=\"/part/who.lua\" --> <!--#include virtual=\"/errors/who.lua\" --> <!--#echo var=\"REMOTE_USER\" -->";

/// A site with all that is asked for.
pub fn site(mpm: Mpm) -> Site {
    let site = Site::new(&format!("soak-{mpm:?}").to_lowercase());
    let at = |text: &str| text.replace("@ROOT@", site.root().to_str().unwrap());
    site.config_file("map", MAP);
    let page = pages::who(&site, &READERS) + WHO_LUA;
    site.file("who.lua", &page).file("who.php", WHO_PHP).script("who.cgi", &at(WHO_CGI));
    site.file("app/.htaccess", "RewriteEngine On\nRewriteRule !^front\\.lua$ front.lua [L]\n")
        .file("app/front.lua", &page)
        .writable("dav", "s0");
    for (number, name) in READERS.iter().enumerate() {
        let range = format!("s0:c{number}");
        site.file_at(&range, &format!("{name}.txt"), &text(name));
        if number < USERS.len() {
            site.file_at(&range, &format!("{name}.shtml"), PAGE)
                .file_at(&range, &format!("{name}.act"), "")
                .file_at(&range, &format!("{name}.bin"), &large(name));
        }
    }
    site
}

fn text(name: &str) -> String {
    format!("{name}'s text\n")
}

fn large(name: &str) -> String {
    let mut text = text(name);
    text.extend(std::iter::repeat_n('x', LARGE - text.len()));
    text
}

/// What a body must be.
#[derive(Clone)]
pub enum Body {
    /// This.
    Is(String),
    /// Of this length.
    Long(usize),
    /// httpd's own page.
    Any,
}

/// One request, and what it must answer.
#[derive(Clone)]
pub struct Step {
    /// What is seen by it.
    pub way: &'static str,
    /// `GET` and the like.
    pub method: &'static str,
    /// The address.
    pub path: String,
    /// Who asks.
    pub user: &'static str,
    /// Further header lines.
    pub headers: String,
    /// What is sent.
    pub content: String,
    /// What must come back.
    pub status: u16,
    /// The same, where it had to be asked twice: what changes something may have done so the first time.
    pub status_again: u16,
    /// What must come back.
    pub body: Body,
}

/// What an answer is.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Verdict {
    Right,
    /// Made, or a file read, in another context than the user's own.
    Unconfined,
    /// 5xx that was not planned.
    ServerError,
    /// The same for a CGI script.
    NoScript,
    Wrong,
}

impl Step {
    fn get(way: &'static str, user: &'static str, path: &str, body: Body) -> Step {
        let folder = if user == "anonymous" { "" } else { "/private" };
        Step {
            way,
            method: "GET",
            path: format!("{folder}/{path}"),
            user,
            headers: String::new(),
            content: String::new(),
            status: 200,
            status_again: 200,
            body,
        }
    }

    fn with(mut self, status: u16, method: &'static str, headers: &str) -> Step {
        (self.status, self.status_again, self.method, self.headers) =
            (status, status, method, headers.to_owned());
        self
    }

    /// The request in HTTP/1.1.
    pub fn text(&self, further: &str) -> String {
        let Step { method, path, headers, content, .. } = self;
        let login = self.login().map_or_else(String::new, |login| format!("Authorization: {login}\r\n"));
        let length = match content.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{login}{length}{headers}{further}\r\n{content}"
        )
    }

    /// The value of `Authorization`.
    pub fn login(&self) -> Option<&'static str> {
        (self.user != "anonymous").then(|| authorization(self.user))
    }

    /// What an answer to it is.
    pub fn judge(&self, status: u16, body: &str, again: bool) -> Verdict {
        let is_body = match &self.body {
            Body::Is(text) => body == text,
            Body::Long(length) => body.len() == *length,
            Body::Any => !body.contains("text\n"),
        };
        if is_body && (status == self.status || again && status == self.status_again) {
            Verdict::Right
        } else if status >= 500 && (body == "<<errors>>" || !body.contains("<<")) {
            if self.way == "CGI" { Verdict::NoScript } else { Verdict::ServerError }
        } else if body.contains("<<") || self.status == 403 && (200..300).contains(&status) {
            Verdict::Unconfined
        } else {
            Verdict::Wrong
        }
    }
}

fn who(name: &str) -> Body {
    Body::Is(format!("<<{name}>>"))
}

/// What a client does next: `chance` is any number, `number` one that it has not had before.
pub fn steps(chance: usize, number: &str, mpm: Mpm) -> Vec<Step> {
    let user = USERS[chance % 4];
    let other = USERS[(chance + 1 + chance / 4 % 3) % 4];
    let get = |way, path: &str, body| Step::get(way, user, path, body);
    let one = match chance / 16 % 1000 {
        0..15 => get("CGI", "who.cgi", who(user)),
        15..235 => get("Lua", "who.lua", who(user)),
        235..265 => {
            let mut step =
                get("Lua, body", "who.lua", Body::Is(format!("20000 <<{user}>>"))).with(200, "POST", "");
            step.content = "b".repeat(20_000);
            step
        }
        265..275 => get("Lua, failing", "who.lua?fail", who("errors")).with(500, "GET", ""),
        275..315 => get("Action", &format!("{user}.act"), who("part")),
        315..355 => get("ErrorDocument", "nowhere", who("errors")).with(404, "GET", ""),
        // The rewritten address is one that no user logs in for.
        355..395 => get("rewrite", &format!("app/any/path/{number}"), who("anonymous")),
        395..455 => {
            let name = if user == "anonymous" { "(none)" } else { user };
            get("SSI", &format!("{user}.shtml"), Body::Is(format!("<<part>> <<errors>> {name}")))
        }
        455..475 => get("static, large", &format!("{user}.bin"), Body::Is(large(user))),
        475..535 => {
            let body = Body::Is(large(user)[..600].to_owned());
            get("range", &format!("{user}.bin"), body).with(206, "GET", "Range: bytes=0-599\r\n")
        }
        535..575 => {
            get("conditional", &format!("{user}.txt"), Body::Long(0)).with(304, "GET", "If-None-Match: *\r\n")
        }
        575..595 => get("HEAD", &format!("{user}.txt"), Body::Long(0)).with(200, "HEAD", ""),
        595..645 => get("another's file", &format!("{other}.txt"), Body::Any).with(403, "GET", ""),
        645..655 if user != "anonymous" => return dav(user, other, number),
        655..755 if mpm == Mpm::Prefork => get("PHP", "who.php", who(user)),
        _ => get("static, small", &format!("{user}.txt"), Body::Is(text(user))),
    };
    vec![one]
}

/// A file is made, and is its maker's alone until its maker deletes it.
fn dav(user: &'static str, other: &'static str, number: &str) -> Vec<Step> {
    let path = format!("dav/{user}-{number}");
    let other = if other == "anonymous" {
        USERS[(USERS.iter().position(|name| *name == user).unwrap() + 1) % 3]
    } else {
        other
    };
    let mut put = Step::get("DAV", user, &path, Body::Any).with(201, "PUT", "");
    (put.content, put.status_again) = (text(user), 204);
    let mut delete = Step::get("DAV", user, &path, Body::Any).with(204, "DELETE", "");
    delete.status_again = 404;
    vec![
        put,
        Step::get("DAV", other, &path, Body::Any).with(403, "GET", ""),
        Step::get("DAV", other, &path, Body::Any).with(403, "DELETE", ""),
        Step::get("DAV", user, &path, Body::Is(text(user))),
        delete,
    ]
}

/// A request whose client does not stay, and how many bytes of the answer it waits for.
pub fn vanishing(chance: usize) -> (String, usize) {
    let user = USERS[chance % 4];
    let request = |path: &str| Step::get("", user, path, Body::Any).text("");
    match chance / 4 % 4 {
        0 => (request(&format!("{user}.bin")), 1000),
        1 => (request("who.lua"), 0),
        2 => (request("who.lua")[..40].to_owned(), 0),
        _ => (
            request("who.lua").replace("GET", "POST").replace("Host", "Content-Length: 90\r\nHost") + "part",
            0,
        ),
    }
}

/// A way that HTTP/2's streams take as well.
pub fn stream(chance: usize) -> Step {
    let user = USERS[chance % 4];
    match chance / 4 % 8 {
        0 => Step::get("HTTP/2, ErrorDocument", user, "nowhere", who("errors")).with(404, "GET", ""),
        1 => Step::get("HTTP/2, Action", user, &format!("{user}.act"), who("part")),
        2 => Step::get("HTTP/2, rewrite", user, "app/any", who("anonymous")),
        3 | 4 => Step::get("HTTP/2, static", user, &format!("{user}.txt"), Body::Is(text(user))),
        _ => Step::get("HTTP/2, Lua", user, "who.lua", who(user)),
    }
}
