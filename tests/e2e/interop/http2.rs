//! HTTP/2: each stream is a request of its own, with a worker of its own.

use crate::support::pages::{CONTEXT_CGI, CONTEXT_LUA};
use crate::support::{Httpd, Mpm, Site, outcome, run};
use std::fs;

const CONFIGURATION: &str = "
Listen 443
Protocols h2 h2c http/1.1
H2Direct on
<VirtualHost *:443>
    ServerName localhost
    SSLEngine on
    SSLCertificateFile @ETC@/cert.pem
    SSLCertificateKeyFile @ETC@/key.pem
</VirtualHost>
AddHandler lua-script .lua
AddHandler cgi-script .cgi
SELinuxDomainMap @ETC@/map
SSLSessionCache none
";

const MODULES: &[&str] = &["http2", "ssl", "lua", "cgi"];

const FOO: &str = "system_u:system_r:user_webapp_t:s0:c0";
const BAR: &str = "system_u:system_r:user_webapp_t:s0:c1";
const ANONYMOUS: &str = "system_u:system_r:anon_webapp_t:s0";
const ASKERS: [(Option<&str>, &str); 3] = [(Some("foo"), FOO), (Some("bar"), BAR), (None, ANONYMOUS)];

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.config_file(
        "map",
        "foo user_webapp_t:s0:c0\nbar user_webapp_t:s0:c1\n__anonymous__ anon_webapp_t:s0\n",
    );
    site.file("context.lua", CONTEXT_LUA).script("context.cgi", CONTEXT_CGI);
    let (key, certificate) = (site.etc().join("key.pem"), site.etc().join("cert.pem"));
    run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-keyout",
            key.to_str().unwrap(),
            "-out",
            certificate.to_str().unwrap(),
        ],
    );
    run("restorecon", &["-RF", site.etc().to_str().unwrap()]);
    site
}

/// Has curl make these requests on as few connections as it can, and gives, for each, the HTTP version, the
/// number of connections it had to make, and the body.
fn curl(
    site: &Site,
    scheme: &str,
    options: &[&str],
    requests: &[(Option<&str>, &str)],
) -> Vec<(String, String, String)> {
    let mut configuration = String::new();
    for (number, (user, page)) in requests.iter().enumerate() {
        if number > 0 {
            configuration += "next\n";
        }
        let folder = if user.is_some() { "/private" } else { "" };
        configuration += &format!("url = \"{scheme}://localhost{folder}/{page}\"\n");
        configuration += &format!("output = \"{}\"\n", site.etc().join(format!("reply{number}")).display());
        configuration += &format!("write-out = \"{number} %{{http_version}} %{{num_connects}}\\n\"\n");
        if let Some(user) = user {
            configuration += &format!("user = \"{user}:{user}\"\n");
        }
        for option in options {
            configuration += &format!("{option}\n");
        }
    }
    let file = site.config_file("curl", &configuration);
    let mut arguments = vec!["--silent", "--show-error", "--insecure"];
    if requests.len() > 3 {
        arguments.extend(["--parallel", "--parallel-max", "100"]);
    }
    arguments.extend(["--config", &file]);
    let text = run("curl", &arguments);
    let mut replies = vec![(String::new(), String::new(), String::new()); requests.len()];
    for line in text.lines() {
        let mut fields = line.split(' ');
        let number: usize = fields.next().unwrap().parse().unwrap_or_else(|_| panic!("curl says {line}"));
        let body = fs::read_to_string(site.etc().join(format!("reply{number}"))).unwrap();
        replies[number] = (fields.next().unwrap().to_owned(), fields.next().unwrap().to_owned(), body);
    }
    replies
}

#[test]
fn each_request_of_a_connection_runs_in_its_own_context() {
    let site = site("h2");
    for mpm in [Mpm::Event, Mpm::Worker] {
        let _httpd = Httpd::start(&site, mpm, MODULES, CONFIGURATION);
        for (scheme, option) in [("http", "http2-prior-knowledge"), ("https", "http2")] {
            for page in ["context.lua", "context.cgi"] {
                let requests = ASKERS.map(|(user, _)| (user, page));
                let replies = curl(&site, scheme, &[option, "insecure"], &requests);
                for (number, ((_, context), (version, connects, body))) in
                    ASKERS.iter().zip(replies).enumerate()
                {
                    let expected = ("2", if number == 0 { "1" } else { "0" }, *context);
                    assert_eq!(
                        (version.as_str(), connects.as_str(), body.as_str()),
                        expected,
                        "{mpm:?} {scheme} {option} {page}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_upgraded_connection_is_not_in_its_first_requests_context() {
    let site = site("h2-upgrade");
    let configuration = format!(
        "{CONFIGURATION}\nAlias /other @ROOT@\n<Location /other>\nSELinuxDomainVal staff_webapp_t:s0:c5\n</Location>"
    );
    let _httpd = Httpd::start(&site, Mpm::Event, MODULES, &configuration);
    let pages = ["/context.lua", "/other/context.lua", "/context.cgi", "/other/context.cgi"];
    let urls = pages.map(|page| format!("http://localhost{page}"));
    let mut arguments = vec!["--upgrade", "--verbose"];
    arguments.extend(urls.iter().map(String::as_str));
    let text = run("nghttp", &arguments);
    assert!(
        text.contains("HTTP/1.1 101 Switching Protocols") && text.matches("Connected").count() == 1,
        "{text}"
    );
    let contexts = ["system_u:system_r:anon_webapp_t:s0", "system_u:system_r:staff_webapp_t:s0:c5"];
    // Twice each, from Lua and CGI; the shorter is no part of the longer.
    assert_eq!(contexts.map(|context| text.matches(context).count()), [2, 2], "{text}");
}

#[test]
fn twenty_one_streams_of_three_users_at_once_never_mix() {
    let site = site("h2-streams");
    let _httpd = Httpd::start(&site, Mpm::Event, MODULES, CONFIGURATION);
    let requests: Vec<_> = (0..21).map(|n| (ASKERS[n % 3].0, "context.lua")).collect();
    let replies = curl(&site, "https", &["http2", "insecure"], &requests);
    let connections: usize = replies.iter().map(|(_, connects, _)| connects.parse::<usize>().unwrap()).sum();
    assert_eq!(connections, 1, "all on one connection");
    for (number, (version, _, body)) in replies.iter().enumerate() {
        assert_eq!((version.as_str(), body.as_str()), ("2", ASKERS[number % 3].1), "stream {number}");
    }
}

/// Breaks off: a part of the response, then `AP_FILTER_ERROR`.
const BROKEN_LUA: &str = r#"
function handle(r)
  r.content_type = "text/plain"
  r:puts(string.rep("x", 8192))
  return -102
end
"#;

#[test]
fn a_stream_whose_handler_breaks_off_is_reset() {
    let site = site("h2-broken");
    site.file("broken.lua", BROKEN_LUA);
    for worker in ["one-time", "resident"] {
        let configuration = format!("{CONFIGURATION}SELinuxWorker {worker}\n");
        let _httpd = Httpd::start(&site, Mpm::Event, MODULES, &configuration);
        // On its own, mod_http2 misses the end of some (`filter.rs: break_off`): the client would wait for the Timeout.
        for _ in 0..16 {
            let output = outcome("timeout", &["50", "nghttp", "-nv", "http://localhost/broken.lua"]);
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("recv RST_STREAM"), "{worker}: {}: {text}", output.status);
        }
    }
}
