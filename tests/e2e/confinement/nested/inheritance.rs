//! What a page hands to requests that it starts: to those of another context, what the client sent and the server attested;
//! to those of its own, what it has written.

use super::{PLACES, STAFF, USER, site};
use crate::support::backend::Fpm;
use crate::support::{Httpd, Mpm};

const MODULES: &[&str] = &["lua", "cgi", "include", "actions", "rewrite"];

/// Prints its environment, a line for each variable.
const ENVIRONMENT_CGI: &str = "#!/usr/bin/perl\nprint \"Content-Type: text/plain\\n\\n\";\n\
    print map { \"$_=$ENV{$_}\\n\" } sort keys %ENV;\n";

/// Names that programs obey, and names that applications trust.
const WRITTEN: &[&str] = &[
    "PERL5OPT",
    "PERL5LIB",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "BASH_ENV",
    "ENV",
    "IFS",
    "PYTHONPATH",
    "PHP_ADMIN_VALUE",
    "PHPRC",
    "REMOTE_USER",
    "SSL_CLIENT_S_DN_CN",
    "HTTP_PROXY",
    "HTTP_X_ROLE",
    "A_NAME_THAT_NOBODY_KNOWS",
];

/// SSI that sets all of these to "written", but for what perl would refuse to start with.
fn set_all() -> String {
    let set = |name: &&str| match *name {
        "PERL5OPT" => "<!--#set var=\"PERL5OPT\" value=\"-Mstrict\" -->".to_owned(),
        name => format!("<!--#set var=\"{name}\" value=\"written\" -->"),
    };
    WRITTEN.iter().map(set).collect()
}

/// The names and values that a script has printed.
fn variables(body: &str) -> Vec<(&str, &str)> {
    body.lines().filter_map(|line| line.split_once('=')).collect()
}

#[test]
fn a_script_of_another_context_has_nothing_that_the_page_has_set() {
    let site = site("inherit-cgi");
    for place in ["user", "staff", "keep"] {
        let include = format!("{}<!--#include virtual=\"/{place}/environment.cgi\" -->", set_all());
        site.file(&format!("{place}.shtml"), &include);
    }
    site.script("environment.cgi", ENVIRONMENT_CGI);
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, MODULES, PLACES);
        for place in ["staff", "keep"] {
            let direct = httpd.get(&format!("/{place}/environment.cgi"), None).body;
            let direct = variables(&direct);
            let body = httpd.get(&format!("/user/{place}.shtml"), None).body;
            let nested = variables(&body);
            assert!(nested.len() > 15, "{mpm:?} {place}: {body}");
            for (name, value) in &nested {
                // The same as a client's own request would have, but for what says where it comes from.
                let own = direct.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
                let differs = ["SERVER_PROTOCOL", "REQUEST_URI", "REMOTE_PORT"].contains(name);
                let is_right = own == Some(value) || (differs && own.is_some()) || *name == "SELINUX_TAG";
                assert!(is_right, "{mpm:?} {place} {name}={value}");
            }
            assert!(!body.contains("written") && !body.contains("-Mstrict"), "{mpm:?} {place}: {body}");
        }
        // In the page's own context, all is handed on.
        let body = httpd.get("/user/user.shtml", None).body;
        let nested = variables(&body);
        for name in WRITTEN.iter().filter(|name| !["HTTP_PROXY", "REMOTE_USER"].contains(name)) {
            assert!(nested.iter().any(|(other, _)| other == name), "{mpm:?} {name}: {body}");
        }
    }
}

#[test]
fn a_page_runs_no_code_in_a_script_of_another_context() {
    let site = site("inherit-code");
    let code = "-Mstrict;print(qq(Content-Type:text/plain\\n\\nwritten));exit";
    for place in ["user", "staff", "keep"] {
        let page = format!(
            "<!--#set var=\"PERL5OPT\" value=\"{code}\" --><!--#include virtual=\"/{place}/report.cgi\" -->"
        );
        site.file(&format!("{place}.shtml"), &page);
    }
    site.script("report.cgi", "#!/usr/bin/perl\nprint \"Content-Type: text/plain\\n\\nthe report\";\n");
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, PLACES);
    // Perl takes it where it comes: the page may do that to its own scripts.
    assert_eq!(httpd.get("/user/user.shtml", None).body, "written");
    for place in ["staff", "keep"] {
        assert_eq!(httpd.get(&format!("/user/{place}.shtml"), None).body, "the report");
    }
}

#[test]
fn php_fpm_obeys_no_setting_of_a_page() {
    let site = site("inherit-fpm");
    site.file("page.php", "<?php echo 'the page';").file("before.php", "<?php echo 'written ';").file(
        "page.shtml",
        &format!(
            "<!--#set var=\"PHP_ADMIN_VALUE\" value=\"auto_prepend_file={}/before.php\" -->\
                 <!--#include virtual=\"/keep/page.php\" -->",
            site.root().display()
        ),
    );
    let pool = Fpm::start("inherit-fpm-pool", "s0");
    let configuration = format!(
        "{PLACES}
        <FilesMatch \\.php$>
            SetHandler \"proxy:unix:{}|fcgi://localhost\"
        </FilesMatch>",
        pool.socket
    );
    let httpd =
        Httpd::start(&site, Mpm::Event, &[MODULES, &["proxy", "proxy_fcgi"]].concat(), &configuration);
    assert_eq!(httpd.get("/user/page.shtml", None).body, "the page");
    // The way is there, where no rule applies. After that, as the pool's one process keeps the setting.
    assert_eq!(httpd.get("/keep/page.shtml", None).body, "written the page");
}

#[test]
fn what_a_page_sets_satisfies_no_condition_of_another_place() {
    let site = site("inherit-conditions");
    let set = "<!--#set var=\"let_me_in\" value=\"1\" --><!--#set var=\"ROLE\" value=\"staff\" -->";
    site.file("guarded.shtml", &format!("{set}[<!--#include virtual=\"/guarded/part.txt\" -->]"))
        .file("chosen.shtml", &format!("{set}<!--#include virtual=\"/chosen/context.lua\" -->"))
        .file("part.txt", "what is guarded")
        .file("role.lua", "function handle(r)\n  r.headers_in['X-Role'] = 'staff'\n  return 503\nend\n");
    let configuration = format!(
        "{PLACES}
        Alias /guarded @ROOT@
        Alias /chosen @ROOT@
        Alias /asked @ROOT@
        <Location /guarded>
            Require env let_me_in
        </Location>
        <Location /chosen>
            SELinuxDomainVal user_webapp_t:s0:c11
            <If \"reqenv('ROLE') == 'staff'\">
                SELinuxDomainVal staff_webapp_t:s0:c12
            </If>
        </Location>
        SetEnvIf X-Role ^staff$ DOMAIN=staff_webapp_t:s0:c12
        <Location /asked>
            SELinuxDomainEnv DOMAIN
            SELinuxDomainVal user_webapp_t:s0:c11
        </Location>
        ErrorDocument 503 /asked/context.lua"
    );
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, MODULES, &configuration);
        // httpd's own page may: nothing is changed where no rule applies.
        assert!(httpd.get("/keep/guarded.shtml", None).body.contains("what is guarded"), "{mpm:?}");
        let body = httpd.get("/user/guarded.shtml", None).body;
        assert!(!body.contains("guarded") && body.contains("an error occurred"), "{mpm:?}: {body}");
        assert_eq!(httpd.get("/user/chosen.shtml", None).body, USER, "{mpm:?}");
        // A header that the page has written, for a redirect.
        assert_eq!(httpd.get("/user/role.lua", None).body, USER, "{mpm:?}");
        let role = [("X-Role", "staff")];
        let reply = httpd.client().try_get("/user/role.lua", None, &role).unwrap();
        assert_eq!(reply.body, STAFF, "{mpm:?}: the client's own header");
    }
}

#[test]
fn a_variable_cannot_be_made_to_vanish_from_a_decision() {
    let site = site("inherit-vanish");
    // What the server would set is written by the page as well, in a request whose error document has rules of its own.
    site.file(
        "same.lua",
        "function handle(r)\n  r.subprocess_env['DOMAIN'] = 'anon_webapp_t:s0:c10'\n  return 503\nend\n",
    );
    let configuration = format!(
        "{PLACES}
        SetEnvIf Request_URI .* DOMAIN=anon_webapp_t:s0:c10
        Alias /error @ROOT@
        Alias /closed @ROOT@
        <Location /error>
            SELinuxDomainEnv DOMAIN
            SELinuxDomainVal staff_webapp_t:s0:c12
        </Location>
        <Location /closed>
            SELinuxDomainEnv DOMAIN
            SELinuxDomainVal staff_webapp_t:s0:c12
            Require all denied
        </Location>
        ErrorDocument 403 /error/context.lua
        ErrorDocument 503 /error/context.lua"
    );
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, &configuration);
    for (path, status) in [("/error/context.lua", 200), ("/closed/page", 403), ("/user/same.lua", 503)] {
        let reply = httpd.get(path, None);
        assert_eq!((reply.status, reply.body.as_str()), (status, super::ANON), "{path}");
    }
}

#[test]
fn pages_of_two_contexts_share_no_ssi_variables() {
    let site = site("inherit-ssi");
    let part = "<!--#set var=\"PART\" value=\"the part's\" -->[<!--#echo var=\"PAGE\" -->]";
    site.file("part.shtml", part);
    for place in ["user", "staff", "keep"] {
        let page = format!(
            "<!--#set var=\"PAGE\" value=\"the page's\" --><!--#include virtual=\"/{place}/part.shtml\" -->\
             [<!--#echo var=\"PART\" -->]"
        );
        site.file(&format!("{place}.shtml"), &page);
    }
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, PLACES);
    let (shared, apart) = ("[the page's][the part's]", "[(none)][(none)]");
    for (path, body) in [
        ("/user/user.shtml", shared),
        ("/keep/keep.shtml", shared),
        ("/user/staff.shtml", apart),
        ("/user/keep.shtml", apart),
        // The server's own page hands on what it has set, and gets nothing back.
        ("/keep/user.shtml", "[the page's][(none)]"),
    ] {
        assert_eq!(httpd.get(path, None).body.replace("&#39;", "'"), body, "{path}");
    }
}

#[test]
fn a_redirect_has_the_clients_headers_and_address() {
    let site = site("inherit-headers");
    site.file(
        "page.lua",
        "function handle(r)\n  for name in pairs({Host=1, Cookie=1, Referer=1}) do r.headers_in[name] = 'written' end\n  \
         return 503\nend\n",
    )
    .script("environment.cgi", ENVIRONMENT_CGI);
    let configuration = format!("{PLACES}\nErrorDocument 503 /staff/environment.cgi\n");
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, &configuration);
    let headers = [("Cookie", "the=client's"), ("Referer", "http://localhost/")];
    let body = httpd.client().try_get("/user/page.lua", None, &headers).unwrap().body;
    for line in ["HTTP_COOKIE=the=client's", "HTTP_REFERER=http://localhost/", "REDIRECT_STATUS=503"] {
        assert!(body.lines().any(|other| other == line), "{line}: {body}");
    }
    assert!(!body.contains("written"), "{body}");
}
