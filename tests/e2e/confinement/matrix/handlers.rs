//! Handlers, and the ways that requests get to them.

use super::{Row, WHO_CGI, Witness, at, row, telling, who_lua};
use crate::support::Site;

const SCOPES: [&str; 5] = ["once", "request", "conn", "thread", "server"];

/// Puts the kernel's word on the thread it runs on before a response.
const FILTER_LUA: &str = "
function word(r)
  coroutine.yield('<<' .. who() .. '>>')
  while bucket do coroutine.yield(bucket) end
end
";

pub const CONFIGURATION: &str = "
RewriteEngine On
RewriteRule ^/rewritten-(\\w+)/(.*) /$1/$2 [PT]
RewriteRule ^/aliased-(\\w+)/(.*) @ROOT@/$2
RewriteRule ^/forced-(\\w+)/ @ROOT@/who.text [H=lua-script]
RewriteRule ^/moved-(\\w+)/(.*) /$1/$2 [R]
AliasMatch ^/matched-\\w+/(.*) @ROOT@/$1
ScriptAlias /scripts-own/ @ROOT@/scripts/
ScriptAlias /scripts-his/ @ROOT@/scripts/
ScriptAlias /scripts-off/ @ROOT@/scripts/
AddHandler lua-script .page
<If \"%{QUERY_STRING} == 'lua'\">
    SetHandler lua-script
</If>
<Files set.text>
    SetHandler cgi-script
</Files>
LuaOutputFilter WORD @ROOT@/word.lua word
<Files worded.txt>
    SetOutputFilter WORD
</Files>
<LocationMatch /once/>
    LuaScope once
</LocationMatch>
<LocationMatch /request/>
    LuaScope request
</LocationMatch>
<LocationMatch /conn/>
    LuaScope conn
</LocationMatch>
<LocationMatch /thread/>
    LuaScope thread
</LocationMatch>
<LocationMatch /server/>
    LuaScope server 1 2
</LocationMatch>
AliasMatch ^/(own|his|off)/(once|request|conn|thread|server)/(.*) @ROOT@/$3
LuaMapHandler ^/\\w+/mapped$ @ROOT@/who.text handle
TraceEnable On
";

pub fn prepare(site: &Site) {
    let (lua, cgi) = (who_lua(site), at(site, WHO_CGI));
    let nph = cgi
        .replace("printf 'Content", "printf 'HTTP/1.1 200 OK\\r\\nContent")
        .replace("\\n\\n", "\\r\\n\\r\\n");
    site.file("who.text", &lua)
        .file("who.page", &lua)
        .file("word.lua", &format!("{lua}{FILTER_LUA}"))
        .file("worded.txt", "text")
        .script("set.text", &cgi)
        .script("nph-who.cgi", &nph)
        .script("scripts/who", &cgi)
        .file("include.shtml", "[<!--#include virtual=\"own.txt\" -->]")
        .file("rules/.htaccess", "RewriteEngine On\nRewriteRule ^page$ - [H=lua-script]\n")
        .file("rules/page", &lua);
}

pub fn rows() -> Vec<Row> {
    let mut rows: Vec<_> = [
        "/@/who.lua",
        "/@/who.page",
        "/@/who.text?lua",
        "/@/mapped",
        "/@/who.cgi",
        "/@/nph-who.cgi",
        "/@/set.text",
        "/scripts-@/who",
        "/matched-@/who.lua",
        "/rewritten-@/who.cgi",
        "/aliased-@/who.lua",
        "/forced-@/",
        "/@/rules/page",
        "/@/worded.txt",
    ]
    .map(telling)
    .into();
    rows.extend(SCOPES.map(|scope| telling(&format!("/@/{scope}/who.lua"))));
    // Once more, with what the scope has kept.
    rows.extend(SCOPES.map(|scope| telling(&format!("/@/{scope}/who.lua"))));
    rows.push(row("GET /rewritten-@/own.txt", 200, Witness::File(403)));
    rows.push(row("GET /moved-@/own.txt", 302, Witness::None));
    // The page is served, without the part that may not be read.
    rows.push(row("GET /@/include.shtml", 200, Witness::File(200)));
    rows.push(row("TRACE /@/own.txt\nX-Header: back", 200, Witness::None));
    rows.push(row("OPTIONS /@/own.txt", 200, Witness::None));
    rows.push(row("OPTIONS *", 200, Witness::None));
    rows
}
