//! Whose label a request gets, whatever the client writes into it.

use crate::support::pages::CONTEXT_LUA;
use crate::support::raw;
use crate::support::{Httpd, Mpm, Site};

/// One page in five folders, each of which another kind of section guards; in none, it is the server's. Who asks from
/// an address, or with a variable, has what these lead to.
const PLACES: &str = "
AddHandler lua-script .lua
<Directory @ROOT@>
    Options +MultiViews
</Directory>
<Location /location>
    SELinuxDomainVal anon_webapp_t:s0:c10
</Location>
<LocationMatch ^/match/>
    SELinuxDomainVal anon_webapp_t:s0:c10
</LocationMatch>
<Directory @ROOT@/folder>
    SELinuxDomainVal anon_webapp_t:s0:c10
</Directory>
<Files guarded.lua>
    SELinuxDomainVal anon_webapp_t:s0:c10
</Files>
<If \"%{REQUEST_URI} =~ m#^/if/#\">
    SELinuxDomainVal anon_webapp_t:s0:c10
</If>
<Location /address>
    SELinuxDomainMap @ETC@/map
</Location>
SetEnvIf X-Chosen ^(.+)$ DOMAIN=$1
<Location /variable>
    SELinuxDomainEnv DOMAIN
</Location>
AliasMatch ^/(address|variable)/(.*) @ROOT@/$2
RemoteIPHeader X-Forwarded-For
<VirtualHost *:80>
    ServerName localhost
    RemoteIPTrustedProxy 192.0.2.1
</VirtualHost>
<VirtualHost *:80>
    ServerName behind-proxy
    RemoteIPInternalProxy 127.0.0.1
</VirtualHost>
";

const GUARDED: &str = "system_u:system_r:anon_webapp_t:s0:c10";
const STAFF: &str = "system_u:system_r:staff_webapp_t:s0:c12";
const SERVER: &str = "system_u:system_r:httpd_t:s0";

/// Ways to write `/FOLDER/PAGE`.
const SPELLINGS: &[&str] = &[
    "/FOLDER/PAGE",
    "//FOLDER/PAGE",
    "///FOLDER///PAGE",
    "/FOLDER//PAGE",
    "/./FOLDER/./PAGE",
    "/FOLDER/none/../PAGE",
    "/none/../FOLDER/PAGE",
    "/plain/../FOLDER/PAGE",
    "/plain/%2e%2e/FOLDER/PAGE",
    "/plain/.%2e/FOLDER/%2e/PAGE",
    "/plain/..%2fFOLDER/PAGE",
    "/plain/%252e%252e/FOLDER/PAGE",
    "/plain/..;/FOLDER/PAGE",
    "/plain\\..\\FOLDER\\PAGE",
    "/plain/..\\FOLDER/PAGE",
    "/%2fFOLDER/PAGE",
    "/FOLDER%2fPAGE",
    "/FOLDER/%2fPAGE",
    "/FOLDER/PAGE/",
    "/FOLDER/PAGE/more",
    "/FOLDER/PAGE/../PAGE",
    "/FOLDER/PAGE/..",
    "/FOLDER/PAGE%00",
    "/FOLDER/PAGE%00.txt",
    "/FOLDER/PAGE%20",
    "/FOLDER/PAGE.",
    "/FOLDER/PAGE;x=/plain/",
    "/FOLDER/PAGE?/plain/",
    "/FOLDER/PAGE#/plain/",
    "/FOLDER/guarded",
    "/%46OLDER/PAGE",
    "/%c0%afFOLDER/PAGE",
    "http://localhost/FOLDER/PAGE",
    "http://localhost//FOLDER/PAGE",
    "http://localhost/plain/../FOLDER/PAGE",
    "http://other/FOLDER/PAGE",
    "FOLDER/PAGE",
    "*/FOLDER/PAGE",
];

/// Sends a request as it is; gives status and what there is of a context in the answer.
fn told(target: &str, host: &str, headers: &str) -> (u16, String) {
    let text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    let reply = raw::exchange(&text).unwrap_or_default();
    let status = reply.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
    (status, reply.lines().find(|line| line.starts_with("system_u:")).unwrap_or_default().to_owned())
}

#[test]
fn what_a_client_writes_does_not_choose_the_label() {
    let site = Site::new("labels");
    site.config_file("map", "192.0.2.0/24 staff_webapp_t:s0:c12\n127.0.0.1 anon_webapp_t:s0:c10\n");
    let folders = ["location", "match", "folder", "files", "if", "plain"];
    for folder in folders {
        site.file(&format!("{folder}/guarded.lua"), CONTEXT_LUA)
            .file(&format!("{folder}/page.lua"), CONTEXT_LUA);
    }
    site.file("page.lua", CONTEXT_LUA);
    let _httpd = Httpd::start(&site, Mpm::Event, &["lua", "negotiation", "remoteip"], PLACES);
    assert_eq!(told("/plain/page.lua", "localhost", ""), (200, SERVER.to_owned()));
    for folder in &folders[..5] {
        let page = if *folder == "files" { "guarded.lua" } else { "page.lua" };
        let mut served = 0;
        for spelling in SPELLINGS {
            let mut target = spelling.replace("PAGE", page).replace("FOLDER", folder);
            // The encoded letter is the folder's first.
            target = target.replace("%46OLDER", &format!("%{:x}{}", folder.as_bytes()[0], &folder[1..]));
            let (status, context) = told(&target, "localhost", "");
            let is_guarded = context == GUARDED;
            assert!(is_guarded || (status != 200 && context.is_empty()), "{target}: {status} {context}");
            served += usize::from(is_guarded);
        }
        assert!(served >= 12, "{folder}: only {served} of the spellings lead there");
    }
    // By an address, and by a variable, that the client makes up.
    for header in [
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "Client-IP",
        "X-Client-IP",
        "True-Client-IP",
        "Remote_Addr",
    ] {
        for value in ["192.0.2.7", "for=192.0.2.7", "192.0.2.7, 127.0.0.1"] {
            let header = format!("{header}: {value}\r\n");
            let answer = told("/address/page.lua", "localhost", &header);
            assert_eq!(answer, (200, GUARDED.to_owned()), "{header}");
        }
    }
    for header in [
        "DOMAIN",
        "Domain",
        "HTTP_DOMAIN",
        "REDIRECT_DOMAIN",
        "X-Domain",
        "SELINUX_CONTEXT",
        "Cookie: DOMAIN",
        "X",
    ] {
        let header = format!("{header}: DOMAIN=staff_webapp_t:s0:c12\r\n{header}: staff_webapp_t:s0:c12\r\n");
        let target = "/variable/page.lua?DOMAIN=staff_webapp_t:s0:c12";
        assert_eq!(told(target, "localhost", &header), (403, String::new()), "{header}");
    }
    // Where the administrator has said that a client's word counts, it does.
    let answer = told("/address/page.lua", "behind-proxy", "X-Forwarded-For: 192.0.2.7\r\n");
    assert_eq!(answer, (200, STAFF.to_owned()));
    let answer = told("/variable/page.lua", "localhost", "X-Chosen: staff_webapp_t:s0:c12\r\n");
    assert_eq!(answer, (200, STAFF.to_owned()));
}
