//! Error documents: a local one, in its own place's context, a text, and an external one.

use super::{Row, STAFF, Witness, ask, at, row};
use crate::support::{Site, raw};

const STATUSES: [u16; 8] = [400, 401, 403, 404, 405, 413, 500, 503];

/// Fails as the query says, where it may read what is own's.
const FAIL_LUA: &str = r#"
function handle(r)
  if not io.open("@ROOT@/own.txt") then return 410 end
  return tonumber(r.args)
end
"#;

pub fn prepare(site: &Site) {
    site.file("fail.lua", &at(site, FAIL_LUA));
}

pub fn configuration() -> String {
    let mut text = "AliasMatch ^/(own|his|off)/(local|text|external)/(.*) @ROOT@/$3\n\
                    ErrorDocument 400 /errors/who.lua\n"
        .to_owned();
    for (style, document) in
        [("local", "/errors/who.lua"), ("text", "\"Sorry.\""), ("external", "http://localhost/errors/")]
    {
        text += &format!("<LocationMatch /{style}/>\n");
        for status in STATUSES {
            text += &format!("ErrorDocument {status} {document}\n");
        }
        text += "</LocationMatch>\n";
    }
    text
}

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for style in ["", "local/", "text/", "external/"] {
        for status in STATUSES {
            // httpd does not send a client that has to log in elsewhere.
            let is_elsewhere = style == "external/" && status != 401;
            let request = format!("GET /@/{style}fail.lua?{status}");
            rows.push(row(request, if is_elsewhere { 302 } else { status }, Witness::File(410)));
        }
    }
    rows
}

/// A local document is served in its own place's context, also after httpd's own refusal, before there is a place.
pub fn are_in_their_own_places_context() {
    for status in STATUSES {
        let reply = ask(&format!("GET /@/local/fail.lua?{status}"), "own");
        assert!(reply.status == status && reply.text.ends_with(STAFF), "{reply:?}");
    }
    for request in
        ["GET /own/own.txt HTTP/1.1\r\n\r\n", "GET /own/own.txt HTTP/1.1\r\nHost: local host\r\n\r\n"]
    {
        let reply = raw::exchange(request).unwrap();
        assert!(reply.starts_with("HTTP/1.1 400 ") && reply.contains(STAFF), "{reply}");
    }
}
