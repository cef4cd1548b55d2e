//! What ties the kernel's audit records to httpd's logs: the request's tag, and the rule that decided.

use crate::support::distribution::{configuration_folder, log_folder};
use crate::support::{Httpd, Mpm, Site, run, wait_for};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const CONFIGURATION: &str = "
LogLevel selinux:debug
LogFormat \"%{SELINUX_TAG}e %{SELINUX_RULE}e %{SELINUX_CONTEXT}e %>s %<U\" tags
CustomLog @LOG@ tags
ErrorLogFormat \"{%{SELINUX_TAG}e} %M\"
AddHandler lua-script .lua
AddOutputFilter INCLUDES .shtml
SetEnvIf X-Domain (.+) DOMAIN=$1
<Directory @ROOT@>
    Options +Includes
</Directory>
<Location /private>
    SELinuxDomainMap @ETC@/map
    SELinuxDomainMap \"@ETC@/other map\"
</Location>
Alias /env @ROOT@
<Location /env>
    SELinuxDomainEnv DOMAIN
    SELinuxDomain anon_webapp_t:s0:c9 not all granted
</Location>
Alias /val @ROOT@
<Location /val>
    SELinuxDomainVal anon_webapp_t:s0:c2
</Location>
Alias /provider @ROOT@
<Location /provider>
    SELinuxDomain anon_webapp_t:s0:c3 all granted
</Location>
Alias /server @ROOT@
<Location /server>
    SELinuxDomainEnv DOMAIN
    SELinuxUnmapped server
</Location>
Alias /error @ROOT@
<Location /error>
    SELinuxDomainVal anon_webapp_t:s0:c4
    ErrorDocument 403 /page.txt
</Location>
";

/// A page that writes what the logs are to have of it.
const FORGING: &str = r#"
function handle(r)
  for _, name in ipairs{"TAG", "RULE", "CONTEXT"} do r.subprocess_env["SELINUX_" .. name] = "forged" end
  r:puts(r.subprocess_env["SELINUX_TAG"])
  return apache2.OK
end
"#;

struct Tagged {
    httpd: Httpd,
    log: PathBuf,
    seen: usize,
    configuration: String,
}

impl Tagged {
    fn start(site: &Site, mpm: Mpm) -> Tagged {
        let log = log_folder().join(format!("test-{}-access.log", site.name()));
        let _ = fs::remove_file(&log);
        let configuration = CONFIGURATION.replace("@LOG@", log.to_str().unwrap());
        let httpd = Httpd::start(site, mpm, &["lua", "include"], &configuration);
        let configuration = fs::read_to_string(site.etc().join("httpd.conf")).unwrap();
        Tagged { httpd, log, seen: 0, configuration }
    }

    /// Asks, and gives the fields of the access log's line: tag, rule, context, status, path.
    fn logged(&mut self, path: &str, user: Option<&str>, domain: Option<&str>) -> [String; 5] {
        let headers: Vec<_> = domain.map(|domain| ("X-Domain", domain)).into_iter().collect();
        let status = self.httpd.client().try_get(path, user, &headers).unwrap().status;
        let line = wait_for("the access log's line", Duration::from_secs(10), || {
            let text = fs::read_to_string(&self.log).ok()?;
            text.split_inclusive('\n').nth(self.seen).filter(|line| line.ends_with('\n')).map(str::to_owned)
        });
        self.seen += 1;
        let fields: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let fields: [String; 5] = fields.try_into().unwrap_or_else(|_| panic!("{line}"));
        assert_eq!(fields[3..], [status.to_string(), path.to_owned()]);
        fields
    }

    /// Where a directive stands.
    fn place(&self, directive: &str) -> String {
        let line = self.configuration.lines().position(|line| line.trim() == directive).unwrap() + 1;
        format!("{}/test-tags/httpd.conf:{line}", configuration_folder().display())
    }
}

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.file("page.txt", "a page").file_at("s0:c99", "locked.txt", "").file("forging.lua", FORGING);
    site.file("part.shtml", "<!--#include virtual=\"/val/locked.txt\" -->");
    site.config_file("map", "# foo's\nfoo user_webapp_t:s0:c0\n");
    site.config_file("other map", "bar user_webapp_t:s0:c1\n");
    site
}

#[test]
fn the_logs_name_the_rule_that_decided() {
    let site = site("tags");
    let mut tagged = Tagged::start(&site, Mpm::Event);
    let etc = site.etc().display();
    let env = format!("SELinuxDomainEnv:{}", tagged.place("SELinuxDomainEnv DOMAIN"));
    let val = format!("SELinuxDomainVal:{}", tagged.place("SELinuxDomainVal anon_webapp_t:s0:c2"));
    let provider = format!("SELinuxDomain:{}", tagged.place("SELinuxDomain anon_webapp_t:s0:c3 all granted"));
    for (path, user, domain, rule, context, status) in [
        (
            "/private/page.txt",
            Some("foo"),
            None,
            format!("SELinuxDomainMap:{etc}/map:2"),
            "user_webapp_t:s0:c0",
            200,
        ),
        (
            "/private/page.txt",
            Some("bar"),
            None,
            format!("SELinuxDomainMap:{etc}/other%20map:1"),
            "user_webapp_t:s0:c1",
            200,
        ),
        ("/private/page.txt", Some("staff"), None, "none".to_owned(), "-", 403),
        ("/env/page.txt", None, Some("anon_webapp_t:s0:c7"), env.clone(), "anon_webapp_t:s0:c7", 200),
        ("/env/page.txt", None, Some("nonsense!"), env, "-", 500),
        ("/env/page.txt", None, None, "none".to_owned(), "-", 403),
        ("/val/page.txt", None, None, val, "anon_webapp_t:s0:c2", 200),
        ("/provider/page.txt", None, None, provider, "anon_webapp_t:s0:c3", 200),
        ("/server/page.txt", None, None, "none".to_owned(), "-", 200),
        ("/page.txt", None, None, "-".to_owned(), "-", 200),
    ] {
        let fields = tagged.logged(path, user, domain);
        let context =
            if context == "-" { context.to_owned() } else { format!("system_u:system_r:{context}") };
        assert_eq!(
            fields[1..4],
            [rule.clone(), context.clone(), status.to_string()],
            "{path} {user:?} {domain:?}"
        );
        let tag = fields[0].as_str();
        assert_eq!(tag.len(), if path == "/page.txt" { 1 } else { 13 }, "{tag}");
        // The same in one line of the error log, with who asked.
        if tag != "-" {
            let who = user.map_or("nobody logged in".to_owned(), |user| format!("user {user:?}"));
            let decided = if context == "-" { "" } else { &context };
            let told = format!("SEL0030: tag {tag}, {who}, rule {rule}: ");
            tagged.httpd.logged(&[&format!("{{{tag}}} "), &told, decided]);
        }
    }
}

#[test]
fn the_tag_in_the_logs_finds_the_kernels_records_of_that_request() {
    let site = site("tag");
    let mut tags = BTreeSet::new();
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let mut tagged = Tagged::start(&site, mpm);
        for (path, status, denied_to) in [
            ("/val/locked.txt", "403", "anon_webapp_t:s0:c2"),
            // A part of a page that no rule is for, and what an error is answered with.
            ("/part.shtml", "200", "anon_webapp_t:s0:c2"),
            ("/error/locked.txt", "403", "anon_webapp_t:s0:c4"),
        ] {
            let [tag, _, _, logged, _] = tagged.logged(path, None, None);
            assert_eq!(logged, status, "{path}");
            assert!(tags.insert(tag.clone()), "{tag} again");
            let denial = tagged.httpd.audit.denial(&[&format!("comm=\"{tag}\"")]);
            let parts =
                ["{ read }", "name=\"locked.txt\"", &format!("scontext=system_u:system_r:{denied_to} ")];
            assert!(parts.iter().all(|part| denial.contains(part)), "{denial}");
            let found = run("ausearch", &["-if", "/var/log/audit/audit.log", "--raw", "-c", &tag]);
            let event = denial.split_whitespace().nth(1).unwrap();
            assert!(event.starts_with("msg=audit("), "{denial}");
            assert!(found.lines().all(|line| line.contains(event)) && found.contains("{ read }"), "{found}");
            // httpd's own message of the refusal is of the same request.
            tagged.httpd.logged(&[&format!("{{{tag}}} AH00132: ")]);
        }
    }
}

#[test]
fn a_page_cannot_say_that_it_was_another() {
    let site = site("forging");
    let mut tagged = Tagged::start(&site, Mpm::Event);
    let fields = tagged.logged("/val/forging.lua", None, None);
    assert_eq!(tagged.httpd.get("/val/forging.lua", None).body, "forged");
    assert_eq!(fields[0].len(), 13);
    assert!(fields[1].starts_with("SELinuxDomainVal:"), "{fields:?}");
    assert_eq!(fields[2], "system_u:system_r:anon_webapp_t:s0:c2");
}

/// A page that writes what else the logs have of a request, and to the error log itself.
const WRITING: &str = r#"
function handle(r)
  r.user = 'root" 200 "\n0123456789abc forged'
  r.uri = "/\nforged"
  for _, name in ipairs{"TAG", "RULE", "CONTEXT"} do r.subprocess_env["SELINUX_" .. name] = "a\nb" end
  r:err("told by the page\n{0123456789abc} forged")
  io.stderr:write("{0123456789abc} written by the page\n")
  io.stderr:flush()
  r:puts("ran")
  return apache2.OK
end
"#;

#[test]
fn a_page_forges_no_line_of_the_access_log_and_can_of_the_error_log() {
    let site = Site::new("forged");
    site.file("writing.lua", WRITING);
    let log = log_folder().join("test-forged-access.log");
    let _ = fs::remove_file(&log);
    let configuration = "
        LogFormat \"%{SELINUX_TAG}e %h %l %u %t \\\"%r\\\" %>s %{SELINUX_CONTEXT}e %{SELINUX_RULE}e\" forged
        CustomLog @LOG@ forged
        ErrorLogFormat \"{%{SELINUX_TAG}e} %M\"
        LogLevel lua:info
        AddHandler lua-script .lua
        SELinuxDomainVal user_webapp_t:s0:c1
    ";
    let configuration = configuration.replace("@LOG@", log.to_str().unwrap());
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], &configuration);
    for (path, user) in [("/writing.lua", "-"), ("/private/writing.lua", "foo")] {
        let _ = fs::remove_file(&log);
        httpd.signal("USR1");
        let reopened =
            wait_for("the log", Duration::from_secs(20), || fs::exists(&log).ok().filter(|there| *there));
        assert!(reopened);
        let reply = httpd.get(path, (user != "-").then_some(user));
        assert_eq!((reply.status, reply.body.as_str()), (200, "ran"));
        let text = wait_for("the access log's line", Duration::from_secs(10), || {
            fs::read_to_string(&log).ok().filter(|text| text.ends_with('\n'))
        });
        let (tag, rest) = text.split_once(' ').unwrap();
        assert!(tag.len() == 13 && tag != "0123456789abc", "{text}");
        assert!(rest.starts_with(&format!("127.0.0.1 - {user} [")), "{text}");
        assert!(
            text.contains(&format!(
                "] \"GET {path} HTTP/1.1\" 200 system_u:system_r:user_webapp_t:s0:c1 SELinuxDomainVal:"
            )),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    // httpd writes one line of what a page has it log, but with the tag that the page says; and what a page writes to the
    // error log itself is whatever it likes.
    let told = httpd.logged(&["told by the page"]);
    assert!(told.contains("told by the page\\n{0123456789abc} forged"), "{told}");
    assert!(httpd.log().lines().any(|line| line == "{0123456789abc} written by the page"), "{}", httpd.log());
}
