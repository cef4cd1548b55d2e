//! `httpd -t -D DUMP_SELINUX`: which rules stand where, as a text, and as requests meet them.

use crate::support::distribution::warning_of_labels;
use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm, Site, run};

/// In a file of its own, so that lines are the same everywhere.
const RULES: &str = "\
SELinuxDomainMap @ETC@/outer
SELinuxDomainEnv DOMAIN
SELinuxUnmapped server
SetEnvIf X-Domain (.+) DOMAIN=$1
<Files special.lua>
    SELinuxDomainVal user_webapp_t:s0:c3
</Files>
Listen 8008
<VirtualHost *:8008>
    ServerName many
    SELinuxDomainVal staff_webapp_t:s0:c11
    <Directory @ROOT@/a>
        SELinuxDomainVal user_webapp_t:s0:c1
        SELinuxAllowCaches On
        <Files special.lua>
            SELinuxDomainVal user_webapp_t:s0:c2
        </Files>
        <Files *.lua>
            SELinuxAllowCaches Off
        </Files>
    </Directory>
    # Written before its parent, and yet further in.
    <Directory @ROOT@/a/b>
        SELinuxDomainMap txt:@ETC@/inner
        SELinuxDomainEnv DOMAIN
        SELinuxUnmapped refuse
    </Directory>
    <Directory @ROOT@>
        SELinuxDomainVal anon_webapp_t
    </Directory>
    <Directory @ROOT@/*/c>
        SELinuxDomainVal user_webapp_t:s0:c4
    </Directory>
    <DirectoryMatch \"/d/\">
        SELinuxDomainVal user_webapp_t:s0:c5
    </DirectoryMatch>
    <Location /a/l/m>
        SELinuxDomainVal user_webapp_t:s0:c6
    </Location>
    # These go by their order, not by their depth.
    <Location /a/l/>
        SELinuxDomainVal user_webapp_t:s0:c7
        <If \"%{QUERY_STRING} == 'if'\">
            SELinuxDomainVal user_webapp_t:s0:c8
            <If \"true\">
                SELinuxDomainVal user_webapp_t:s0:c9
            </If>
        </If>
        <Else>
            SELinuxUnmapped refuse
        </Else>
    </Location>
    <LocationMatch ^/a/[xy]>
        SELinuxDomainVal user_webapp_t:s0:c10
    </LocationMatch>
</VirtualHost>
Listen 8009
<VirtualHost 127.0.0.1:8009>
    ServerName plain
</VirtualHost>
";

const EXPECTED: &str = include_str!("dump.txt");

fn site(name: &str, rules: &str) -> Site {
    let site = Site::new(name);
    let (root, etc) = (site.root().to_str().unwrap().to_owned(), site.etc().to_str().unwrap().to_owned());
    site.config_file("outer", "foo user_webapp_t:s0:c20\n# nobody\nbar user_webapp_t:s0:c21\n");
    site.config_file("inner", "staff staff_webapp_t\n");
    site.config_file("rules.conf", &rules.replace("@ROOT@", &root).replace("@ETC@", &etc));
    for folder in ["", "a/", "a/b/", "a/c/", "a/d/", "a/l/", "a/l/m/", "a/x/"] {
        site.file(&format!("{folder}context.lua"), CONTEXT_LUA);
    }
    site.file("a/special.lua", CONTEXT_LUA);
    site
}

const INCLUDE: &str = "AddHandler lua-script .lua\nInclude @ETC@/rules.conf\n";

/// What the dump ends with where the policy labels by folder.
pub fn warned(makers: &[&str]) -> String {
    warning_of_labels(makers).map_or_else(String::new, |warning| format!("\n{warning}\n"))
}

/// The rules that the dump lists in a scope of the virtual host: the innermost one, where several are titled alike.
fn listed<'d>(dump: &'d str, title: &str) -> Vec<&'d str> {
    let host = dump.lines().skip_while(|line| !line.starts_with("Virtual host *:8008"));
    let host: Vec<_> = host.take_while(|line| !line.is_empty()).map(str::trim).collect();
    let scope =
        host.iter().rposition(|line| *line == title).unwrap_or_else(|| panic!("no {title} in\n{dump}"));
    let rules = host[scope + 1..].iter().copied();
    rules.take_while(|line| line.starts_with(|first: char| first.is_ascii_digit())).collect()
}

#[test]
fn what_is_dumped_is_what_requests_get() {
    let site = site("dump", RULES);
    let root = site.root().to_str().unwrap();
    let dump = Httpd::dump(&site, Mpm::Event, &["lua"], INCLUDE);
    let text = dump.replace(root, "@ROOT@").replace(site.etc().to_str().unwrap(), "@ETC@");
    let makers = ["system_u:system_r:staff_webapp_t:s0:c11", "system_u:system_r:user_webapp_t:s0:c1"];
    assert_eq!(text, EXPECTED.to_owned() + &warned(&makers), "{text}");
    let _httpd = Httpd::start(&site, Mpm::Event, &["lua"], INCLUDE);
    let domain = "system_u:system_r:user_webapp_t:s0:c99";
    for (path, title) in [
        ("/context.lua", "<Directory \"@ROOT@\">"),
        ("/a/special.lua", "<Files \"special.lua\">"),
        ("/a/context.lua", "<Files \"*.lua\"> +"),
        ("/a/b/context.lua", "<Directory \"@ROOT@/a/b\">"),
        ("/a/c/context.lua", "<Directory \"@ROOT@/*/c\"> +"),
        ("/a/d/context.lua", "<DirectoryMatch \"/d/\"> +"),
        ("/a/l/m/context.lua", "<Location \"/a/l/m\">"),
        ("/a/l/context.lua", "<Location \"/a/l/\">"),
        ("/a/l/context.lua?if", "<If \"true\"> (@ETC@/rules.conf:45) +"),
        ("/a/x/context.lua", "<LocationMatch \"^/a/[xy]\"> +"),
    ] {
        let rules = listed(&text, title);
        // No map has this client, and the variable is set by the second request only.
        for (header, with_variable) in [("X-Domain;", false), (&*format!("X-Domain: {domain}"), true)] {
            let deciding = rules.iter().find_map(|rule| match rule.split_once(" -> ") {
                Some((_, rest)) => Some(rest.split(' ').next().unwrap()),
                None => (with_variable && rule.contains("SELinuxDomainEnv")).then_some(domain),
            });
            let url = format!("http://127.0.0.1:8008{path}");
            let body = run("curl", &["--silent", "--header", header, &url]);
            assert_eq!(Some(body.as_str()), deciding, "{path} {header}, by {rules:#?}");
        }
    }
}

const HALF: &str = "\
Listen 8008
<VirtualHost *:8008>
    ServerName other
    SELinuxDomainPeer range
</VirtualHost>
";

#[test]
fn where_no_rules_stand_the_dump_says_so() {
    let site = site("dump-half", HALF);
    let dump = Httpd::dump(&site, Mpm::Event, &[], "Include @ETC@/rules.conf");
    let place = site.etc().join("rules.conf");
    let expected = format!(
        "\nMain server localhost\n  no rules\n\nVirtual host *:8008 other ({}:2)\n  SELinuxUnmapped refuse, \
         SELinuxAllowCaches Off, SELinuxDomainPeer range\n",
        place.display()
    );
    assert!(dump.contains(&expected), "{dump}");
    // Without being asked, the check says no more than before.
    let check = Httpd::check_from_shell(&site, Mpm::Event, &[], "Include @ETC@/rules.conf");
    let check = check.unwrap();
    let said: Vec<_> = check.lines().map(|line| line.rsplit("] ").next().unwrap()).collect();
    let warning = warning_of_labels(&["system_u:system_r:httpd_t:s0:c0"]);
    assert_eq!(said, warning.iter().map(String::as_str).chain(["Syntax OK"]).collect::<Vec<_>>());
}
