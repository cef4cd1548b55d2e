//! Requests with bodies: of a known length, in chunks, announced, and too long.

use super::{Row, Witness, at, row};
use crate::support::Site;

pub const CONFIGURATION: &str = "
AliasMatch ^/(own|his|off)/limited/(.*) @ROOT@/$2
<LocationMatch /limited/>
    LimitRequestBody 1000
</LocationMatch>
";

/// Answers its body, from who runs it.
const BODY_LUA: &str = r#"
function handle(r)
  local file = io.open("@ROOT@/own.txt")
  if not file then return 403 end
  r:puts(file:read("*a") .. " " .. (r:requestbody() or "broken"))
  return apache2.OK
end
"#;

pub fn prepare(site: &Site) {
    site.file("body.lua", &at(site, BODY_LUA));
}

fn post(path: &str, headers: &str, body: &str, status: u16, witness: Witness) -> Row {
    row(format!("POST /@/{path}{headers}\n\n{body}"), status, witness)
}

pub fn rows() -> Vec<Row> {
    let chunked = |count: usize| "a\r\n0123456789\r\n".repeat(count) + "0\r\n\r\n";
    let long = "0123456789".repeat(200);
    let length = format!("\nContent-Length: {}", long.len());
    vec![
        post("who.cgi", &length, &long, 200, Witness::Context),
        post("who.cgi", "\nTransfer-Encoding: chunked", &chunked(200), 200, Witness::Context),
        post("who.cgi", &format!("{length}\nExpect: 100-continue"), &long, 200, Witness::Context),
        post("body.lua", &length, &long, 200, Witness::File(403)),
        post("body.lua", "\nTransfer-Encoding: chunked", &chunked(200), 200, Witness::File(403)),
        post(
            "body.lua",
            "\nTransfer-Encoding: chunked",
            "a\r\n0123456789\r\nno chunk\r\n",
            400,
            Witness::File(400),
        ),
        post("limited/who.cgi", "\nContent-Length: 10", "0123456789", 200, Witness::Context),
        // Refused by httpd before any script.
        post("limited/who.cgi", &length, &long, 413, Witness::None),
        post("limited/who.cgi", "\nTransfer-Encoding: chunked", &chunked(200), 413, Witness::None),
        post("own.txt", &length, &long, 200, Witness::File(403)),
        row(format!("PUT /@/own.txt{length}\n\n{long}"), 405, Witness::None),
        post("who.cgi", "\nContent-Length: 10\nExpect: something", "0123456789", 417, Witness::None),
    ]
}
