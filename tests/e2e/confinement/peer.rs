//! The client's own label: requests at the range of a labelled connection (NetLabel).

use crate::support::httpd::{Turn, turn};
use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm, Site, outcome, run};
use std::fs;

/// While it lives, what goes over loopback carries its sender's label (CIPSO, in the form that only loopback has),
/// and what comes from elsewhere, the connection that the tests are watched through for one, counts as an
/// administrator's: once labels are in use, Debian's policy lets nobody take what has none.
struct Labelled {
    _turn: Turn,
}

const DOI: &str = "16";
const ELSEWHERE: &str = "label:unconfined_u:unconfined_r:unconfined_t:s0";
const NETWORKS: [&str; 2] = ["address:0.0.0.0/0", "address:::/0"];

impl Labelled {
    fn begin() -> Labelled {
        let labelled = Labelled { _turn: turn() };
        for interface in interfaces() {
            for network in NETWORKS {
                run("netlabelctl", &["unlbl", "add", &interface, network, ELSEWHERE]);
            }
        }
        run("netlabelctl", &["cipsov4", "add", "local", &format!("doi:{DOI}")]);
        run("netlabelctl", &["map", "del", "default"]);
        for network in NETWORKS {
            run("netlabelctl", &["map", "add", "default", network, "protocol:unlbl"]);
        }
        let protocol = format!("protocol:cipsov4,{DOI}");
        run("netlabelctl", &["map", "add", "default", "address:127.0.0.0/8", &protocol]);
        labelled
    }
}

impl Drop for Labelled {
    fn drop(&mut self) {
        // Whatever `begin` came to: what is not there cannot be taken away, and does not matter.
        let _ = outcome("netlabelctl", &["map", "del", "default"]);
        let _ = outcome("netlabelctl", &["map", "add", "default", "protocol:unlbl"]);
        let _ = outcome("netlabelctl", &["cipsov4", "del", &format!("doi:{DOI}")]);
        for interface in interfaces() {
            for network in NETWORKS {
                let _ = outcome("netlabelctl", &["unlbl", "del", &interface, network]);
            }
        }
    }
}

/// All but loopback, as netlabelctl names them.
fn interfaces() -> Vec<String> {
    let names = fs::read_dir("/sys/class/net").unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap()).filter(|name| name != "lo");
    names.map(|name| format!("interface:{name}")).collect()
}

/// What a client that runs at `range` gets: the status, and the body.
fn ask(range: &str, path: &str, options: &[&str]) -> (u16, String) {
    let url = format!("http://127.0.0.1{path}");
    let mut arguments =
        vec!["-l", range, "curl", "--silent", "--max-time", "30", "--write-out", "\n%{http_code}"];
    arguments.extend(options);
    arguments.push(&url);
    let text = run("runcon", &arguments);
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

const CONFIGURATION: &str = "
Protocols h2c http/1.1
AddHandler lua-script .lua
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options FollowSymLinks Includes
</Directory>
Alias /mapped @ROOT@
<Location /mapped>
    SELinuxDomainVal user_webapp_t:s0:c1
    SELinuxDomainPeer range
</Location>
# Where no rules stand.
Alias /bare @ROOT@
<Location /bare>
    SELinuxDomainPeer range
</Location>
# Where none matches.
Alias /unmapped @ROOT@
<Location /unmapped>
    SELinuxDomainMap @ETC@/nobody
    SELinuxDomainPeer range
</Location>
<Location /unmapped/server>
    SELinuxUnmapped server
</Location>
# Where the range is the rule's own again.
<Location /mapped/none>
    SELinuxDomainVal user_webapp_t:s0:c1,c3
    SELinuxDomainPeer none
</Location>
";

#[test]
fn a_request_has_the_range_of_its_clients_connection() {
    let site = Site::new("peer");
    site.config_file("nobody", "nobody user_webapp_t\n");
    for folder in ["", "none/", "server/"] {
        site.file(&format!("{folder}context.lua"), CONTEXT_LUA);
    }
    site.file_at("s0:c3", "c3.txt", "c3's").file_at("s0:c5", "c5.txt", "c5's");
    site.file(
        "page.shtml",
        "<!--#include virtual=\"/mapped/context.lua\" --> <!--#include virtual=\"/bare/context.lua\" -->",
    );
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "http2", "include"], CONFIGURATION);
    // On connections of their own: what is connected without labels is cut off once they are in use.
    let assert_unlabelled = || {
        for place in ["mapped", "bare", "unmapped/server"] {
            assert_eq!(ask("s0:c3", &format!("/{place}/context.lua"), &[]).0, 403, "{place}");
        }
        assert_eq!(ask("s0:c3", "/context.lua", &[]), (200, "system_u:system_r:httpd_t:s0".to_owned()));
    };
    assert_unlabelled();
    httpd.logged(&["SEL0109", "the client's connection has no label"]);
    {
        let _labelled = Labelled::begin();
        for range in ["s0:c3", "s0:c5", "s0:c3,c5", "s0", "s0-s0:c0.c1023"] {
            let context = |type_: &str| (200, format!("system_u:system_r:{type_}:{range}"));
            assert_eq!(ask(range, "/mapped/context.lua", &[]), context("user_webapp_t"));
            // httpd's own type, which the kernel lets it enter at every range.
            assert_eq!(ask(range, "/bare/context.lua", &[]), context("httpd_t"));
            assert_eq!(ask(range, "/unmapped/server/context.lua", &[]), context("httpd_t"));
            assert_eq!(ask(range, "/unmapped/context.lua", &[]).0, 403);
            assert_eq!(ask(range, "/context.lua", &[]).1, "system_u:system_r:httpd_t:s0");
        }
        // A range in which there is no way back is no obstacle to HTTP/2's streams, nor to parts of a page.
        for option in ["--http2-prior-knowledge", "--http1.1"] {
            let both = "system_u:system_r:user_webapp_t:s0:c3 system_u:system_r:httpd_t:s0:c3";
            assert_eq!(ask("s0:c3", "/mapped/page.shtml", &[option]), (200, both.to_owned()), "{option}");
        }
        assert_eq!(
            ask("s0:c3", "/mapped/none/context.lua", &[]),
            (200, "system_u:system_r:user_webapp_t:s0:c1,c3".to_owned())
        );
        for (range, own, other) in [("s0:c3", "c3", "c5"), ("s0:c5", "c5", "c3")] {
            assert_eq!(ask(range, &format!("/mapped/{own}.txt"), &[]), (200, format!("{own}'s")));
            assert_eq!(ask(range, &format!("/mapped/{other}.txt"), &[]).0, 403);
            let (context, name) = (format!("user_webapp_t:{range} "), format!("name=\"{other}.txt\""));
            httpd.audit.denial(&[&context, &name]);
        }
    }
    let denials = httpd.audit.lines().into_iter().filter(|line| line.contains("tclass=peer"));
    assert_eq!(denials.collect::<Vec<_>>(), [""; 0]);
    assert_unlabelled();
    assert_eq!(run("netlabelctl", &["map", "list"]).trim(), "domain:DEFAULT,UNLABELED");
}
