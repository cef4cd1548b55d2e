//! New domains, as `selinux-map domain` writes them.

use crate::lifecycle::policies::with_module;
use crate::support::broker::Broker;
use crate::support::document::boxes;
use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm, Site, library, run};
use std::fs;

/// What the tool writes for two new domains: one that runs scripts and changes content of its own, and another.
pub fn policy() -> String {
    let folder = std::env::temp_dir().join("mod_selinux-domains");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let domain = |name: &str, options: &[&str]| {
        let file = folder.join(format!("{name}.cil"));
        let arguments = [&["domain", name, "-o", file.to_str().unwrap()], options].concat();
        run(library("selinux-map").to_str().unwrap(), &arguments);
        fs::read_to_string(file).unwrap()
    };
    domain("intranet", &["--app", "--cgi", "/srv/cgi", "--write", "/srv/data"]) + &domain("shop", &[])
}

const CONFIGURATION: &str = "
AddHandler lua-script .lua
Alias /intranet @ROOT@
<Location /intranet>
    SELinuxDomainVal intranet_webapp_t
</Location>
Alias /shop @ROOT@
<Location /shop>
    SELinuxDomainVal shop_webapp_t
</Location>
Alias /user @ROOT@
<Location /user>
    SELinuxDomainVal user_webapp_t
</Location>
";

const WRITE_LUA: &str = r#"
function handle(r)
  local file, why = io.open("@ROOT@/data/file.txt", "w")
  if not file then r:puts(why) return 403 end
  file:write("written")
  file:close()
  return apache2.OK
end
"#;

/// A program for a request's context, which reads a file that the path names, and may write there.
const PROGRAM: &str = r#"
import http.server, socket
class Server(http.server.HTTPServer):
    address_family = socket.AF_UNIX
class Handler(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return ""
    def do_GET(self):
        try:
            if self.path.endswith("write"):
                text = open("@ROOT@/data/file.txt", "w").write("written") and "written"
            else:
                text = open("@ROOT@/" + self.path.rsplit("/", 1)[1]).read()
        except OSError as error:
            text = f"errno {error.errno}"
        self.send_response(200)
        self.end_headers()
        self.wfile.write((open("/proc/self/attr/current").read().rstrip("\0") + " " + text).encode())
server = Server("", Handler, bind_and_activate=False)
server.socket = socket.socket(fileno=3)
server.serve_forever()
"#;

const APP: &str = r#"
command = ["/usr/bin/python3", "@ROOT@/program.py"]
socket = "systemd"
protocol = "http"
[[callers]]
worker = "intranet_webapp_t"
app = "intranet_app_t"
"#;

#[test]
fn a_new_domains_application_has_the_same_content_and_not_anothers() {
    let _policy = with_module();
    let site = Site::new("domain-app");
    let root = site.root().to_str().unwrap();
    site.file("program.py", &PROGRAM.replace("@ROOT@", root));
    site.writable("data", "s0").relabel("data", "intranet_rw_content_t", "s0");
    for name in ["intranet", "shop"] {
        let file = format!("{name}.txt");
        site.file(&file, name).relabel(&file, &format!("{name}_content_t"), "s0");
    }
    let broker = Broker::start(&[("web.toml", &APP.replace("@ROOT@", root))]);
    let app = "<LocationMatch /app/>\nSetHandler selinux-app:web\n</LocationMatch>\n";
    let httpd =
        Httpd::start(&site, Mpm::Event, &["lua", "proxy", "proxy_http"], &format!("{CONFIGURATION}{app}"));
    for (path, told) in
        [("intranet.txt", "intranet"), ("shop.txt", "errno 13"), ("write", "written"), ("missing", "errno 2")]
    {
        let reply = httpd.get(&format!("/intranet/app/{path}"), None);
        assert_eq!(
            (reply.status, reply.body),
            (200, format!("system_u:system_r:intranet_app_t:s0 {told}")),
            "{path}: {}",
            broker.log()
        );
    }
    // Requests in another domain have none.
    assert_eq!(httpd.get("/shop/app/intranet.txt", None).status, 503);
}

#[test]
fn a_new_domain_has_its_own_content_and_not_anothers() {
    let _policy = with_module();
    let site = Site::new("domains");
    let root = site.root().to_str().unwrap();
    site.file("context.lua", CONTEXT_LUA).file("write.lua", &WRITE_LUA.replace("@ROOT@", root));
    site.writable("data", "s0").relabel("data", "intranet_rw_content_t", "s0");
    for name in ["intranet", "shop"] {
        let file = format!("{name}.txt");
        site.file(&file, name).relabel(&file, &format!("{name}_content_t"), "s0");
    }
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], CONFIGURATION);
    let context = httpd.get("/intranet/context.lua", None);
    assert_eq!((context.status, context.body.as_str()), (200, "system_u:system_r:intranet_webapp_t:s0"));
    for (place, file, status) in [
        ("intranet", "intranet", 200),
        ("intranet", "shop", 403),
        ("shop", "shop", 200),
        ("shop", "intranet", 403),
        ("user", "intranet", 403),
    ] {
        assert_eq!(httpd.get(&format!("/{place}/{file}.txt"), None).status, status, "{place} {file}");
        if status == 403 {
            let who = format!("scontext=system_u:system_r:{place}_webapp_t:s0 ");
            httpd.audit.denial(&[&who, &format!(":{file}_content_t:s0 ")]);
        }
    }
    for (place, status) in [("shop", 403), ("user", 403), ("intranet", 200)] {
        let reply = httpd.get(&format!("/{place}/write.lua"), None);
        assert_eq!(reply.status, status, "{place} {}", reply.body);
    }
    assert_eq!(httpd.get("/intranet/data/file.txt", None).body, "written");
    // A shop has no scripts to run, and so no shell.
    assert_ne!(httpd.get("/shop/context.lua", None).status, 200);
    drop(httpd);
    let [text] = boxes("docs/domains.md", "apache").try_into().unwrap();
    let told = Httpd::check(&site, Mpm::Event, &[], &text);
    assert!(told.as_ref().is_ok_and(|told| told.contains("Syntax OK")), "{text}{told:?}");
}
