//! Responses that break off midway look broken off, just as without the module.

use super::{Answer, answer, at, raw};
use crate::support::Site;

/// Sends a part of its response, and then fails as the query says.
const BREAK_LUA: &str = r#"
function handle(r)
  if not io.open("@ROOT@/own.txt") then return 403 end
  r.content_type = "text/plain"
  local way, length = r.args:match("^(%a+)&?(%d*)$")
  if length ~= "" then r.headers_out["Content-Length"] = length end
  r:puts("a part of it")
  if way ~= "unflushed" then r:flush() end
  if way == "raises" then error("midway") end
  if way == "status" then return 500 end
  if way == "declines" then return apache2.DECLINED end
  if way == "done" then return apache2.DONE end
  return apache2.OK
end
"#;

/// Ends as the query says, or by a signal, without having sent all it promised. It sends more than httpd waits for before
/// it decides how to tell the length.
const BREAK_CGI: &str = r#"#!/bin/sh
printf 'Content-Type: text/plain\n'
case $QUERY_STRING in *length*) printf 'Content-Length: 200000\n';; *header*) exit 1;; esac
printf '\na part of it'
printf '%0100000d' 0
case $QUERY_STRING in *kill*) kill -9 $$;; *exit*) exit 1;; esac
"#;

pub const CONFIGURATION: &str = "
<Files break.cgi>
    SetEnv ap_trust_cgilike_cl 1
</Files>
";

pub fn prepare(site: &Site) {
    site.file("break.lua", &at(site, BREAK_LUA))
        .script("break.cgi", BREAK_CGI)
        .file("break.shtml", "before <!--#include virtual=\"break.lua?raises\" --> after <!--#no such -->")
        .file("break-own.shtml", "before <!--#include virtual=\"break.cgi?length-kill\" --> after");
}

/// Whether a whole response with a body came: by its length, or by the chunk that ends it.
fn is_whole(reply: &str) -> bool {
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((reply, ""));
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    match length {
        Some(length) => length.parse() == Ok(body.len()),
        None => head.contains("chunked") && body.ends_with("\r\n0\r\n\r\n"),
    }
}

fn shown((is_whole, answer, heads): &(bool, Answer, usize)) -> String {
    format!("{is_whole} {heads} {} {:.300}", answer.text.len(), answer.text)
}

pub fn break_off_as_without_the_module() {
    let mut broken = 0;
    for request in ["unflushed", "raises", "status", "declines", "done", "none"]
        .iter()
        .flat_map(|way| ["", "&100", "&12"].map(|length| format!("break.lua?{way}{length}")))
        .chain(["kill", "exit", "length-kill", "length-exit", "header"].map(|way| format!("break.cgi?{way}")))
        .chain(["break.shtml", "break-own.shtml"].map(str::to_owned))
    {
        let [own, off] = ["own", "off"].map(|place| {
            let get =
                |path: &str, close: &str| format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\n{close}\r\n");
            let page = format!("{place}/{request}");
            let reply = raw::exchange(&get(&page, "Connection: close\r\n")).unwrap();
            // After one that is broken off, the connection is not used again.
            let two = raw::exchange(&(get(&page, "") + &get("own.txt", "Connection: close\r\n"))).unwrap();
            (is_whole(&reply), answer(&reply, place), two.matches("HTTP/1.1 ").count())
        });
        broken += usize::from(!own.0);
        assert!(own == off, "{request}: {} and {}", shown(&own), shown(&off));
    }
    assert!(broken >= 6, "only {broken} of the responses were broken off");
}
