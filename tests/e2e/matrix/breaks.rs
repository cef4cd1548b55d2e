//! Responses that break off midway look broken off, just as without the module.

use super::{answer, at, raw};
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

/// As long as a script lives, its response goes on; it ends without having sent all it promised, or by a signal.
const BREAK_CGI: &str = r#"#!/bin/sh
printf 'Content-Type: text/plain\n'
case $QUERY_STRING in *length*) printf 'Content-Length: 1000\n';; *header*) exit 1;; esac
printf '\na part of it'
case $QUERY_STRING in *kill*) kill -9 $$;; *exit*) exit 1;; esac
"#;

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

pub fn break_off_as_without_the_module() {
    let mut broken = 0;
    for request in ["unflushed", "raises", "status", "declines", "done", "none"]
        .iter()
        .flat_map(|way| ["", "&100", "&12"].map(|length| format!("break.lua?{way}{length}")))
        .chain(["kill", "exit", "length-kill", "length-exit", "header"].map(|way| format!("break.cgi?{way}")))
        .chain(["break.shtml", "break-own.shtml"].map(str::to_owned))
    {
        for close in ["", "Connection: close\r\n"] {
            let [own, off] = ["own", "off"].map(|place| {
                let text = format!("GET /{place}/{request} HTTP/1.1\r\nHost: localhost\r\n{close}\r\n");
                // A connection that stays open is asked to close by a second request.
                let last = "GET /own.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
                let text = if close.is_empty() { format!("{text}{last}") } else { text };
                (raw::exchange(&text).unwrap(), place)
            });
            broken += usize::from(!close.is_empty() && !is_whole(&own.0));
            assert_eq!(answer(&own.0, own.1), answer(&off.0, off.1), "{request} {close}");
        }
    }
    assert!(broken >= 6, "{broken} of the responses were broken off");
}
