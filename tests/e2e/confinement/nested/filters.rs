//! The content filters of a page run in the page's own context, also for what is included from another.

use super::{ANON, PLACES, SERVER, STAFF, USER, site};
use crate::support::distribution::load_php;
use crate::support::raw::Connection;
use crate::support::{Httpd, Mpm};

const MODULES: &[&str] = &["lua", "cgi", "include", "actions", "rewrite"];

/// Marks each piece of a response with the kernel's word on the thread it passes on, when asked by `mark`.
const MARKER: &str = r#"
function context()
  local pipe = assert(io.popen([[exec perl -e 'socketpair $a, $b, 1, 1, 0; print unpack q(Z*), getsockopt $a, 1, 31']]))
  local text = pipe:read("*a")
  pipe:close()
  return text
end

function output(r)
  coroutine.yield("")
  while bucket do
    coroutine.yield("<" .. context() .. "|" .. bucket .. ">")
  end
  coroutine.yield("")
end

function input(r)
  coroutine.yield()
  while bucket do
    coroutine.yield("<" .. context() .. "|" .. bucket .. ">")
  end
  coroutine.yield("")
end
"#;

#[test]
fn a_pages_output_filter_never_runs_where_an_included_part_runs() {
    let site = site("output-filter");
    site.file("marker.lua", MARKER)
        .file("part.txt", "part")
        .file("page.shtml", "<!--#include virtual=\"/staff/part.txt\" --><!--#include virtual=\"/keep/part.txt\" --><!--#include virtual=\"/staff/context.cgi\" -->");
    let configuration = format!(
        "{PLACES}
        LuaOutputFilter MARK @ROOT@/marker.lua output
        <FilesMatch \\.shtml$>
            SetOutputFilter INCLUDES;MARK
        </FilesMatch>"
    );
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, MODULES, &configuration);
        for (path, own) in [("/anon/page.shtml", ANON), ("/user/page.shtml", USER)] {
            let reply = httpd.get(path, None);
            assert!(reply.body.contains(&format!("<{own}|part>")), "{mpm:?} {path}: {}", reply.body);
            assert!(
                reply.body.contains(&format!("|{STAFF}>")),
                "the part itself ran as staff: {}",
                reply.body
            );
            let markers: Vec<_> = reply.body.match_indices('<').map(|(at, _)| &reply.body[at..]).collect();
            assert!(
                markers.len() >= 3 && markers.iter().all(|rest| rest.starts_with(&format!("<{own}|"))),
                "{}",
                reply.body
            );
            assert!(!reply.body.contains(SERVER));
        }
    }
}

#[test]
fn a_pages_input_filter_never_runs_where_an_included_part_reads_the_body() {
    let site = site("input-filter");
    site.file("marker.lua", MARKER)
        .script("body.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec cat\n")
        // PHP leaves the body of a PUT to whoever reads it, here the CGI script that it includes.
        .file("page.php", "<?php virtual('/staff/body.cgi');");
    let configuration = format!(
        "{PLACES}
        {}
        LuaInputFilter MARK @ROOT@/marker.lua input
        <FilesMatch \\.php$>
            SetHandler application/x-httpd-php
            SetInputFilter MARK
        </FilesMatch>",
        load_php()
    );
    let _httpd = Httpd::start(&site, Mpm::Prefork, MODULES, &configuration);
    let mut connection = Connection::open().unwrap();
    let put = "PUT /anon/page.php HTTP/1.0\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nposted";
    connection.send(put).unwrap();
    let reply = connection.rest().unwrap();
    assert!(reply.contains(&format!("<{ANON}|posted>")), "{reply}");
    assert!(!reply.contains(&format!("<{STAFF}|")), "{reply}");
}
