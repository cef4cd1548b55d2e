//! Requests that must not be served: what the client gets, what the log says, and that nothing ran.

use crate::lifecycle::policies::with_module;
use crate::support::pages::{CONTEXT_CGI, CONTEXT_LUA, leave_marks, take_mark_names};
use crate::support::{Httpd, Mpm, Reply, Site, run, wait_for};
use std::fs;
use std::time::Duration;

const HANDLERS: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
";

fn site(name: &str) -> Site {
    let site = Site::new(name);
    leave_marks(&site);
    site.file("suspend.lua", "function handle(r) r:puts('a page') return -3 end");
    site.file("context.lua", CONTEXT_LUA).script("context.cgi", CONTEXT_CGI).file("page.txt", "a page");
    site
}

/// Asks the page and the script to leave a mark, and for the static page.
fn ask(httpd: &Httpd, folder: &str, headers: &[(&str, &str)]) -> [Reply; 3] {
    ["mark.lua?lua", "mark.cgi?cgi", "page.txt"]
        .map(|page| httpd.client().try_get(&format!("{folder}/{page}"), None, headers).unwrap())
}

fn assert_served(site: &Site, httpd: &Httpd, folder: &str, headers: &[(&str, &str)]) {
    let bodies = ask(httpd, folder, headers).map(|reply| reply.body);
    assert_eq!(bodies, ["ran", "ran", "a page"], "{folder} {headers:?}");
    assert_eq!(take_mark_names(site), ["cgi", "lua"], "{folder} {headers:?}");
}

/// All three are refused alike, say nothing of their own, and nothing has run.
fn assert_refused(site: &Site, httpd: &Httpd, folder: &str, headers: &[(&str, &str)], status: u16) {
    for reply in ask(httpd, folder, headers) {
        assert_eq!(reply.status, status, "{folder} {headers:?}: {reply:?}");
        assert!(!reply.body.contains("a page") && !reply.body.contains("selinux"), "{reply:?}");
    }
    assert_eq!(take_mark_names(site), [""; 0], "{folder} {headers:?}");
}

const VALUES: &str = "
Alias /map @ROOT@
<Location /map>
    SELinuxDomainMap @ETC@/map
</Location>
Alias /env @ROOT@
<Location /env>
    SELinuxDomainEnv DOMAIN
    SELinuxDomainVal user_webapp_t:s0:c9
</Location>
SetEnvIf X-Domain (.+) DOMAIN=$1
SetEnvIf X-Domain ^empty()$ DOMAIN=$1
";

/// What a variable may hold that is no domain here, and what the log says of it.
const BAD_VALUES: &[(&str, &[&str])] = &[
    // Not in the grammar.
    ("empty", &["SEL0105", "DOMAIN", "the domain is empty"]),
    ("user_webapp_t:c1", &["SEL0105", "DOMAIN", "`c1` is not a range"]),
    ("user_webapp_t:s0:c3.c1", &["SEL0105", "`c3.c1` is not a run"]),
    ("user_webapp_t:", &["SEL0105", "DOMAIN"]),
    ("user_webapp_t s0", &["SEL0105", "DOMAIN"]),
    ("user_webapp_t:s0:c0\\x", &["SEL0105", "DOMAIN"]),
    ("user_webapp_t:Nosuch", &["SEL0105", "`Nosuch` is not known"]),
    ("system_u:system_r:user_webapp_t", &["SEL0105", "has no range"]),
    // Not in the policy.
    ("nosuch_t:s0", &["SEL0101", "system_u:system_r:nosuch_t:s0", "Invalid argument"]),
    ("user_webapp_t:s0:c1024", &["SEL0101", "user_webapp_t:s0:c1024", "Invalid argument"]),
    ("user_webapp_t:s1", &["SEL0101", "user_webapp_t:s1", "Invalid argument"]),
    // In the policy, and nothing that httpd may enter.
    ("httpd_sys_script_t:s0", &["SEL0101", "httpd_sys_script_t:s0", "Operation not permitted"]),
    ("unconfined_u:unconfined_r:unconfined_t:s0", &["SEL0101", "unconfined_t:s0", "Operation not permitted"]),
];

#[test]
fn what_no_rule_names_and_what_a_variable_should_not_hold_is_refused() {
    let site = site("values");
    site.config_file("map", "foo user_webapp_t:s0:c0\n");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "cgi"], &format!("{HANDLERS}{VALUES}"));
    assert_refused(&site, &httpd, "/map", &[], 403);
    httpd.logged(&["SEL0104", "no rule matches"]);
    assert_served(&site, &httpd, "/env", &[]);
    assert_served(&site, &httpd, "/env", &[("X-Domain", "user_webapp_t:s0:c1")]);
    for (value, told) in BAD_VALUES {
        // 500, though a rule for everybody follows.
        assert_refused(&site, &httpd, "/env", &[("X-Domain", value)], 500);
        httpd.logged(told);
    }
    // A handler that would go on later, on whatever thread (SUSPENDED).
    let reply = httpd.get("/env/suspend.lua", None);
    assert!(reply.status == 500 && !reply.body.contains("a page"), "{reply:?}");
    httpd.logged(&["SEL0203"]);
    assert_served(&site, &httpd, "/env", &[]);
}

const CGI_DAEMON: &str = "
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options +Includes
</Directory>
Alias /free @ROOT@
Alias /mapped @ROOT@
<Location /mapped>
    SELinuxDomainVal user_webapp_t:s0:c1
</Location>
Alias /kept @ROOT@
<Location /kept>
    SELinuxDomainVal *:s0:c1
</Location>
";

#[test]
fn mod_cgids_daemon_runs_nothing_of_a_mapped_request() {
    let site = site("cgid");
    let exec = format!("<!--#exec cmd=\"touch {}/marks/exec\" -->", site.root().display());
    site.file("exec.shtml", &exec);
    site.file("exec-cgi.shtml", "<!--#exec cgi=\"mark.cgi\" -->");
    site.file("include.shtml", "<!--#include virtual=\"mark.cgi?include\" -->");
    let configuration = format!("{HANDLERS}{CGI_DAEMON}");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "cgid", "include"], &configuration);
    httpd.logged(&["selinux:warn", "SEL0015", "load mod_cgi instead"]);
    // The daemon works, and works for whom nothing is mapped.
    assert_eq!(httpd.get("/free/mark.cgi?free", None).body, "ran");
    assert_eq!(httpd.get("/free/include.shtml", None).body, "ran");
    assert_eq!(httpd.get("/free/exec.shtml", None).status, 200);
    wait_for("the script", Duration::from_secs(10), || site.root().join("marks/exec").exists().then_some(()));
    assert_eq!(take_mark_names(&site), ["exec", "free", "include"]);
    for folder in ["/mapped", "/kept"] {
        assert_eq!(httpd.get(&format!("{folder}/mark.lua?lua"), None).body, "ran");
        assert_eq!(take_mark_names(&site), ["lua"]);
        for (page, status) in [
            ("mark.cgi?cgi", 500),
            // A page goes on without what was refused.
            ("exec.shtml", 200),
            ("include.shtml", 200),
            ("exec-cgi.shtml", 200),
        ] {
            let reply = httpd.get(&format!("{folder}/{page}"), None);
            assert_eq!(reply.status, status, "{folder}/{page}: {reply:?}");
            assert_eq!(take_mark_names(&site), [""; 0], "{folder}/{page}: {reply:?}");
        }
    }
    httpd.logged(&["SEL0103", "mod_cgid"]);
}

const ONE_THREAD: &str = "
StartServers 1
ServerLimit 1
ThreadsPerChild 1
MaxRequestWorkers 1
KeepAlive Off
SELinuxDomainVal user_webapp_t:s0:c1
";

#[test]
fn a_request_for_which_no_thread_can_be_made_may_come_again() {
    let site = site("threads");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "cgi"], &format!("{HANDLERS}{ONE_THREAD}"));
    assert_served(&site, &httpd, "", &[]);
    let unit = "test-threads.service";
    let limit =
        |tasks: &str| run("systemctl", &["set-property", "--runtime", unit, &format!("TasksMax={tasks}")]);
    limit("1");
    use_spare_up(&httpd);
    assert_refused(&site, &httpd, "", &[], 503);
    assert_eq!(httpd.get("/page.txt", None).header("retry-after"), Some("1"));
    httpd.logged(&["SEL0201", "no thread can be made"]);
    limit("infinity");
    assert_served(&site, &httpd, "", &[]);
    // As a unit's `LimitNPROC`.
    let limit = |number: &str| limit_child(&httpd, &format!("--nproc={number}"));
    limit("1");
    use_spare_up(&httpd);
    assert_refused(&site, &httpd, "", &[], 503);
    limit("unlimited");
    assert_served(&site, &httpd, "", &[]);
}

/// The one thread for connections may have a worker left that was made before.
fn use_spare_up(httpd: &Httpd) {
    wait_for("the spare to be used up", Duration::from_secs(30), || {
        (httpd.get("/page.txt", None).status == 503).then_some(())
    });
}

/// Sets a limit of the one child, for `prlimit`.
fn limit_child(httpd: &Httpd, limit: &str) {
    let children = httpd.children();
    assert_eq!(children.len(), 1, "{children:?}");
    run("prlimit", &["--pid", &children[0], limit]);
}

#[test]
fn a_request_for_whose_thread_there_is_no_memory_may_come_again() {
    let site = site("stacks");
    // A process that has had one thread only, and so no stack to use again.
    let configuration = format!(
        "{HANDLERS}StartServers 1\nServerLimit 1\nMaxRequestWorkers 1\nSELinuxDomainVal user_webapp_t:s0:c1\n"
    );
    let httpd = Httpd::start(&site, Mpm::Prefork, &["lua", "cgi"], &configuration);
    let children = httpd.children();
    let status = fs::read_to_string(format!("/proc/{}/status", children[0])).unwrap();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().split(' ').next());
    let bytes = (kilobytes.unwrap().parse::<usize>().unwrap() + 4_096) * 1024;
    limit_child(&httpd, &format!("--as={bytes}"));
    assert_refused(&site, &httpd, "", &[], 503);
    httpd.logged(&["SEL0201", "Cannot allocate memory"]);
    limit_child(&httpd, "--as=unlimited");
    assert_served(&site, &httpd, "", &[]);
    assert_eq!(httpd.children(), children);
}

#[test]
fn a_context_that_leaves_the_policy_under_a_running_server_is_refused() {
    let site = site("leaving");
    let policy = with_module();
    let configuration = format!("{HANDLERS}SELinuxDomainVal passing_webapp_t:s0:c1\n");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "cgi"], &configuration);
    assert_served(&site, &httpd, "", &[]);
    policy.suspend();
    assert_refused(&site, &httpd, "", &[], 500);
    httpd.logged(&["SEL0101", "passing_webapp_t:s0:c1 cannot be entered", "Invalid argument"]);
    policy.resume();
    assert_served(&site, &httpd, "", &[]);
}
