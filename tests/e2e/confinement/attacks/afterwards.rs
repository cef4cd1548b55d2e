//! What a page leaves to be run when its handler has ended: finalizers of its objects, and filters.

use crate::support::pages::{LeftMark, PRINT_CONTEXT, take_marks};
use crate::support::{Httpd, Mpm, Site};

const OWN: &str = "system_u:system_r:user_webapp_t:s0:c0\n";

/// Lua: adds where it runs to the file of the marks that is called so.
fn mark(site: &Site) -> String {
    let marks = format!("{}/", site.root().join("marks").display());
    format!(
        "local function mark(name)\n  local pipe = io.popen([[{PRINT_CONTEXT}]])\n  \
         local file = io.open({marks:?} .. name, 'a')\n  file:write(pipe:read('*a'), '\\n')\n  file:close()\n  \
         pipe:close()\nend\n"
    )
}

const SCOPES: &[&str] = &["none", "once", "request", "conn", "thread", "server"];

/// Rules for all of a server, and in sections; `LuaScope` within them.
const PLACES: &str = "
AddHandler lua-script .lua
<VirtualHost *:*>
    SELinuxDomainVal user_webapp_t:s0:c0
    AliasMatch ^/\\w+/(.*) @ROOT@/$1
    <Location /once/>
        LuaScope once
    </Location>
    <Location /request/>
        LuaScope request
    </Location>
    <Location /conn/>
        LuaScope conn
    </Location>
    <Location /thread/>
        LuaScope thread
    </Location>
    <Location /server/>
        LuaScope server 1 2
    </Location>
</VirtualHost>
";

#[test]
fn a_pages_finalizers_run_in_its_context() {
    let site = Site::new("finalizers");
    let page = "
KEPT = setmetatable({}, {__gc = function() mark('of the file') end})
function handle(r)
  local name = r.args
  ALSO_KEPT = setmetatable({}, {__gc = function() mark(name) end})
  -- What httpd's own objects are finalized by, a page may replace.
  local library = getmetatable(io.stdout)
  local finalize = library.__gc
  library.__gc = function(file)
    mark(name .. ' file')
    return finalize(file)
  end
  r:puts('served')
  return apache2.OK
end
";
    // Without a handler: an interpreter there is all the same.
    let broken = "KEPT = setmetatable({}, {__gc = function() mark('of the broken file') end})\n";
    site.file("late.lua", &(mark(&site) + page))
        .file("broken.lua", &(mark(&site) + broken))
        .file("page.shtml", "[<!--#include virtual=\"/own/late.lua?included\" -->]")
        .writable("marks", "s0:c0");
    let configuration = format!(
        "{PLACES}\nAddOutputFilter INCLUDES .shtml\n<Directory @ROOT@>\nOptions +Includes\n</Directory>\n"
    );
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, &["lua", "include"], &configuration);
        let mut expected = vec!["of the broken file".to_owned(), "of the file".to_owned()];
        for scope in SCOPES {
            let reply = httpd.get(&format!("/{scope}/late.lua?{scope}"), None);
            assert_eq!((reply.status, reply.body.as_str()), (200, "served"), "{mpm:?}: {scope}");
            assert_eq!(httpd.get(&format!("/{scope}/broken.lua"), None).status, 500, "{mpm:?}: {scope}");
            expected.extend([scope.to_string(), format!("{scope} file")]);
        }
        assert_eq!(httpd.get("/own/page.shtml", None).body, "[served]", "{mpm:?}");
        expected.extend(["included".to_owned(), "included file".to_owned()]);
        // With the processes, nothing more of it goes.
        drop(httpd);
        expected.sort();
        let marks = take_marks(&site);
        assert_eq!(
            marks.iter().map(|mark| &mark.name).collect::<Vec<_>>(),
            expected.iter().collect::<Vec<_>>()
        );
        for LeftMark { name, text: places, .. } in marks {
            assert!(
                !places.is_empty() && places.split_inclusive('\n').all(|place| place == OWN),
                "{mpm:?}: {name}: {places}"
            );
        }
    }
}

#[test]
fn a_requests_filters_run_in_its_context_whatever_its_handler_answers() {
    let site = Site::new("filters");
    let page = "function handle(r)\n  local status = tonumber(r.args)\n  if status == 200 then r:puts('served') end\n  \
                return status == 200 and apache2.OK or status\nend\n";
    let filter = "
function filter(r)
  mark(r.args .. ' begins')
  coroutine.yield()
  while bucket do
    mark(r.args .. ' goes on')
    coroutine.yield(bucket)
  end
  mark(r.args .. ' ends')
  coroutine.yield()
end
";
    site.file("page.lua", page)
        .file("filter.lua", &(mark(&site) + filter))
        .file("page.txt", "a page")
        .writable("marks", "s0:c0");
    let configuration = "
AddHandler lua-script .lua
LuaInputFilter IN @ROOT@/filter.lua filter
LuaOutputFilter OUT @ROOT@/filter.lua filter
SetInputFilter IN
SetOutputFilter OUT
AliasMatch ^/\\w+/(.*) @ROOT@/$1
<Location /own/>
    SELinuxDomainVal user_webapp_t:s0:c0
</Location>
<Location /refused/>
    SELinuxDomainEnv NOBODY_SETS_IT
</Location>
";
    let body = vec![b'x'; 100_000];
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, &["lua"], configuration);
        for (path, status) in [
            ("/own/page.lua?200", 200),
            ("/own/page.lua?403", 403),
            ("/own/page.lua?500", 500),
            ("/own/page.txt?static", 200),
            ("/refused/page.txt?refused", 403),
        ] {
            // On a connection that is to go on, the rest of a body is read.
            let client = httpd.client();
            let reply = client.post(path, None, "text/plain", &body);
            assert_eq!(reply.status, status, "{mpm:?}: {path}");
            assert_eq!(client.get("/own/page.txt?after", None).status, 200, "{mpm:?}: {path}");
        }
        drop(httpd);
        let marks = take_marks(&site);
        let names: Vec<_> = marks.iter().map(|mark| mark.name.as_str()).collect();
        let expected = ["200", "after", "static"]
            .map(|page| ["begins", "ends", "goes on"].map(|when| format!("{page} {when}")));
        assert_eq!(names, expected.as_flattened(), "{mpm:?}");
        for LeftMark { name, text: places, .. } in marks {
            assert!(places.split_inclusive('\n').all(|place| place == OWN), "{mpm:?}: {name}: {places}");
        }
    }
}
