//! A panic in whatever httpd enters the module by: what is under way is refused, nothing runs outside of its context,
//! and the child lives.

use crate::support::distribution::unix_user;
use crate::support::fault_injection::{Planted, entries};
use crate::support::pages::{LeftMark, leave_marks, take_marks};
use crate::support::{Httpd, Mpm, Site, outcome, run, wait_for};
use std::fs;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// Asks for a connection of mod_dbd's.
const DATABASE_LUA: &str = r#"
function handle(r)
  r:puts(r:dbacquire() and "ran" or "none")
  return apache2.OK
end
"#;

const MODULES: &[&str] = &["lua", "cgi", "include", "authz_groupfile", "dbd", "status", "selinux_faults"];

const CONFIGURATION: &str = "
StartServers 1
ServerLimit 1
MaxRequestWorkers 1
<IfModule mpm_event_module>
    ThreadsPerChild 10
    MaxRequestWorkers 10
</IfModule>
AddHandler lua-script .lua
AddHandler cgi-script .cgi
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options +Includes
    AllowOverride AuthConfig
</Directory>
Alias /free @ROOT@
Alias /user @ROOT@
Alias /asked @ROOT@
<Location /user>
    SELinuxDomainVal user_webapp_t:s0:c11
</Location>
<Location /asked>
    SELinuxDomain staff_webapp_t:s0:c12 all granted
</Location>
<Location /private>
    SELinuxDomainMap @ETC@/map
</Location>
<Location /explained>
    SELinuxExplain On
</Location>
<Location /status>
    SetHandler server-status
</Location>
<VirtualHost *:81>
    SELinuxUnmapped refuse
</VirtualHost>
";

fn site(name: &str) -> Site {
    let site = Site::new(name);
    leave_marks(&site);
    site.config_file("map", "foo user_webapp_t:s0:c0\n");
    site.file("database.lua", DATABASE_LUA);
    site.file_at("s0:c0", "foo.txt", "foo's").file("part.txt", "ran");
    site.file("page.shtml", "[<!--#include virtual=\"/asked/mark.cgi?part\" -->]");
    site.file("static.shtml", "[<!--#include virtual=\"/asked/part.txt\" -->]");
    let page = fs::read_to_string(site.root().join("mark.lua")).unwrap();
    let htaccess = "AuthGroupFile /dev/null\n<If \"-n 'a'\">\n</If>\n";
    site.file("kept/.htaccess", htaccess).file("kept/mark.lua", &page);
    // One that a page may have written, as far as unix can tell: the policy is asked.
    site.file("own/.htaccess", "AuthGroupFile /dev/null\n").file("own/part.txt", "ran");
    run("chown", &[unix_user(), site.root().join("own/.htaccess").to_str().unwrap()]);
    site.file("judged.shtml", "[<!--#include virtual=\"/asked/own/part.txt\" -->]");
    site
}

/// The marks since the last look, with the categories of those who left them.
fn marks(site: &Site) -> Vec<String> {
    let shown = |mark: LeftMark| format!("{} {}", mark.name, mark.range.rsplit(':').next().unwrap());
    take_marks(site).into_iter().map(shown).collect()
}

/// All is as it should be: nothing is planted (any more).
fn assert_served(site: &Site, httpd: &Httpd) {
    assert_eq!(httpd.get("/private/foo.txt", Some("foo")).body, "foo's");
    assert_eq!(httpd.get("/user/foo.txt", None).status, 403);
    assert_eq!(httpd.get("/user/page.shtml", None).body, "[ran]");
    assert_eq!(httpd.get("/user/judged.shtml", None).body, "[ran]");
    assert_eq!(marks(site), ["part c12"]);
}

/// What the log has of a panic where these words are, once.
fn assert_told(httpd: &Httpd, words: &str) {
    let mut parts = vec!["SEL0001: a fault in mod_selinux itself: planted in"];
    parts.extend(words.split(' '));
    httpd.logged(&parts);
}

const SSI_ERROR: &str = "[[an error occurred while processing this directive]]";

/// What panics, the page asked for, what becomes of it, and who may have run.
type Row = (&'static str, &'static str, (u16, &'static str), &'static [&'static str]);
const REQUESTS: &[Row] = &[
    ("request_hook< PlaceKnown", "/user/mark.lua?page", (500, "Error"), &[]),
    ("request_hook< FirstFixups", "/user/mark.lua?page", (500, "Error"), &[]),
    ("request_hook< LastFixups", "/user/mark.lua?page", (500, "Error"), &[]),
    ("request_hook< Handler", "/user/mark.lua?page", (500, "Error"), &[]),
    ("phase::enter_with<", "/user/mark.lua?page", (500, "Error"), &[]),
    // One phase alone, and what is done where one has panicked.
    ("phase:: 4>", "/user/mark.lua?page", (500, "Error"), &[]),
    ("handler::run_all<", "/user/mark.lua?page", (500, "Error"), &[]),
    ("lua::page<", "/user/mark.lua?page", (200, "ran"), &["page c11"]),
    ("worker::Job ::begin", "/user/mark.lua?page", (500, "Error"), &[]),
    ("thread::Own ::begin", "/user/mark.lua?page", (500, "Error"), &[]),
    // It has run.
    ("thread::Own ::leave", "/user/mark.lua?page", (200, "ran"), &["page c11"]),
    ("htaccess::get<", "/user/kept/mark.lua?page", (500, "Error"), &[]),
    ("htaccess::open<", "/user/kept/mark.lua?page", (403, "Forbidden"), &[]),
    ("htaccess::look_up<", "/user/kept/mark.lua?page", (500, "Error"), &[]),
    // The file has been read.
    ("htaccess::close", "/user/kept/mark.lua?page", (200, "ran"), &["page c11"]),
    ("dbd::judged<", "/user/database.lua", (200, "none"), &[]),
    ("configuration::merge<", "/user/mark.lua?page", (500, "Error"), &[]),
    ("configuration::create<", "/user/kept/mark.lua?page", (500, "Error"), &[]),
    ("directive::take<", "/user/kept/mark.lua?page", (500, "Error"), &[]),
    // What a page includes is not, and the page goes on.
    ("worker::Job ::serve", "/user/page.shtml", (200, SSI_ERROR), &[]),
    ("worker::Job ::run_phase", "/user/page.shtml", (200, SSI_ERROR), &[]),
    ("filter::output<", "/user/static.shtml", (200, SSI_ERROR), &[]),
    ("worker::Job ::take_on", "/user/static.shtml", (200, SSI_ERROR), &[]),
    // mod_cgi reads the request's body when the script has started.
    ("filter::input<", "/user/page.shtml", (200, SSI_ERROR), &["part c12"]),
    // mod_cgi goes on where a filter fails: the script's output is lost.
    ("filter::output<", "/user/page.shtml", (200, "[]"), &["part c12"]),
    // The request is over.
    ("request_hook< Logged", "/user/page.shtml", (200, "[ran]"), &["part c12"]),
    ("thread::last", "/user/page.shtml", (200, "[ran]"), &["part c12"]),
    ("drop_kept< Record", "/user/page.shtml", (200, "[ran]"), &["part c12"]),
    ("drop_kept< FilterBridge", "/user/page.shtml", (200, "[ran]"), &["part c12"]),
];

#[test]
fn a_panic_while_a_request_is_served_refuses_it_and_the_child_lives() {
    let site = site("panics");
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let planted = Planted::begin();
        let httpd = Httpd::start(&site, mpm, MODULES, CONFIGURATION);
        assert_served(&site, &httpd);
        let children = httpd.children();
        assert_eq!(children.len(), 1, "{children:?}");
        for &(words, path, (status, text), who) in REQUESTS {
            planted.panic_in(words);
            let reply = httpd.get(path, None);
            assert_told(&httpd, words);
            planted.panic_in("");
            assert_eq!(reply.status, status, "{mpm:?} {words}: {reply:?}");
            let is_told = if status == 200 { reply.body == text } else { reply.body.contains(text) };
            assert!(
                is_told && reply.body.contains("ran") == text.contains("ran"),
                "{mpm:?} {words}: {reply:?}"
            );
            let marks = marks(&site);
            assert!(marks.iter().all(|mark| who.contains(&mark.as_str())), "{mpm:?} {words}: {marks:?}");
            assert_served(&site, &httpd);
            assert!(Path::new("/proc").join(&children[0]).exists(), "{mpm:?} {words}: the child has ended");
        }
    }
}

/// What panics, what else is said where it keeps the server from starting, and whether `httpd -t` says so too.
const STARTS: &[(&str, &str, bool)] = &[
    ("module::register_hooks<", "mod_selinux failed before this directive", true),
    ("configuration::create<", "mod_selinux failed before this directive", true),
    ("directive::take<", "mod_selinux failed on this directive", true),
    ("hook::pre_config_hook<", "Pre-configuration failed", true),
    // Those of virtual hosts.
    ("configuration::merge<", "SEL0001: a server's configuration could not be made", false),
    ("start_hook< PostConfig", "Configuration Failed", false),
];

#[test]
fn a_panic_while_the_server_starts_stops_the_start() {
    let site = site("panics-start");
    let planted = Planted::begin();
    for &(words, told, is_checked) in STARTS {
        planted.panic_in(words);
        let text = if is_checked {
            Httpd::check_from_shell(&site, Mpm::Event, MODULES, CONFIGURATION).err()
        } else {
            Httpd::try_start(&site, Mpm::Event, MODULES, CONFIGURATION, &[]).err()
        };
        let text = text.unwrap_or_else(|| panic!("{words}: it starts"));
        assert!(text.contains("SEL0001: a fault in mod_selinux itself: planted in"), "{words}: {text}");
        assert!(text.contains(told), "{words}: {told} is not in\n{text}");
    }
    // `httpd -t` alone has these: a configuration that it cannot judge is no good one.
    planted.panic_in(CHECKS);
    let text = Httpd::check_from_shell(&site, Mpm::Event, MODULES, CONFIGURATION).expect_err("it is good");
    assert!(text.contains("SEL0001"), "{text}");
    planted.panic_in(DUMPS);
    assert_eq!(Httpd::dump(&site, Mpm::Event, MODULES, CONFIGURATION), "");
}

const CHECKS: &str = "start_hook< CheckConfig";
const DUMPS: &str = "test_config_hook< Dump";

const CHILD: &str = "child_hook< ChildInit";
const CHILD_END: &str = "child_status_hook< ChildEnd";
const PAGE: &str = "status_page::add<";
const WATCHER: &str = "process::start_process<";
const MAINTENANCE: &str = "process::maintain<";
/// What goes with a configuration.
const CLEANUPS: &[&str] = &[
    "drop_kept< Running",
    "drop_kept< Settings",
    "drop_kept< Rule>",
    "drop_kept< Network>",
    "drop_kept< Leaving",
    "drop_kept< Serving>",
];

#[test]
fn a_panic_beside_requests_costs_what_it_was_about_and_nothing_else() {
    let site = site("panics-beside");
    let planted = Planted::begin();
    let httpd = Httpd::start(&site, Mpm::Event, MODULES, CONFIGURATION);
    assert_served(&site, &httpd);
    let parent = httpd.main_pid();

    // A child that has not begun as it should confines nobody, so it serves nobody who is mapped.
    planted.panic_in(CHILD);
    another_child(&httpd);
    assert_told(&httpd, CHILD);
    planted.panic_in("");
    let children = httpd.children();
    assert_eq!(httpd.get("/user/mark.lua?child", None).status, 500);
    assert_eq!(httpd.get("/free/mark.lua?child", None).body, "ran");
    assert_eq!(marks(&site), ["child s0"]);
    httpd.logged(&["SEL0001: refused: this child has not begun as it should"]);
    assert_eq!(httpd.children(), children);
    another_child(&httpd);
    assert_served(&site, &httpd);

    // The status page goes on without the module's part.
    let has_part = || {
        let page = httpd.get("/status", None);
        assert!(page.status == 200 && page.body.contains("</html>"), "{page:?}");
        page.body.contains("SELinux</h2>")
    };
    assert!(has_part());
    planted.panic_in(PAGE);
    assert!(!has_part());
    assert_told(&httpd, PAGE);
    planted.panic_in("");
    assert!(has_part());
    // And knows nothing of a child's end.
    planted.panic_in(CHILD_END);
    another_child(&httpd);
    assert_told(&httpd, CHILD_END);
    planted.panic_in("");
    assert_served(&site, &httpd);

    // The process that takes changed maps up is made again and again.
    planted.panic_in(WATCHER);
    run("pkill", &["-9", "selinux-maps"]);
    assert_told(&httpd, WATCHER);
    httpd.logged(&["SEL0045"]);
    assert_served(&site, &httpd);
    planted.panic_in("");
    wait_for("the watcher", LIMIT, || watcher_is_there().then_some(()));

    // Or not, where that panics; the restart makes it.
    planted.panic_in(MAINTENANCE);
    run("pkill", &["-9", "selinux-maps"]);
    assert_told(&httpd, MAINTENANCE);
    assert_served(&site, &httpd);
    for words in ["", "pool::drop_kept<"] {
        planted.panic_in(words);
        let restarts = httpd.log().matches("resuming normal operations").count();
        httpd.signal("USR1");
        wait_for("the restart", LIMIT, || {
            (httpd.log().matches("resuming normal operations").count() > restarts).then_some(())
        });
        planted.panic_in("");
        wait_for("the watcher", LIMIT, || watcher_is_there().then_some(()));
        assert_served(&site, &httpd);
    }
    CLEANUPS.iter().for_each(|words| assert_told(&httpd, words));
    assert_eq!(httpd.main_pid(), parent);
}

fn watcher_is_there() -> bool {
    outcome("pgrep", &["-x", "selinux-maps"]).status.success()
}

/// Has the one child replaced.
fn another_child(httpd: &Httpd) {
    let children = httpd.children();
    run("kill", &["-9", &children[0]]);
    wait_for("another child", LIMIT, || {
        let others = httpd.children();
        (!others.is_empty() && others != children).then_some(())
    });
}

const DAEMON: &str = "
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options +Includes
</Directory>
Alias /mapped @ROOT@
<Location /mapped>
    SELinuxDomainVal user_webapp_t:s0:c1
</Location>
AddHandler lua-script .lua
";
const REGISTRATION: &str = "ssi::register_judged<";
const JUDGEMENT: &str = "ssi::judged<";

#[test]
fn a_panic_where_ssi_is_judged_runs_nothing() {
    let site = site("panics-cgid");
    let exec = format!("[<!--#exec cmd=\"touch {}/marks/exec\" -->]", site.root().display());
    site.file("exec.shtml", &exec);
    let modules = ["lua", "cgid", "include", "selinux_faults"];
    for words in [REGISTRATION, JUDGEMENT] {
        let planted = Planted::begin();
        if words == REGISTRATION {
            planted.panic_in(words);
        }
        let httpd = Httpd::start(&site, Mpm::Event, &modules, DAEMON);
        planted.panic_in(words);
        for path in ["/exec.shtml", "/mapped/exec.shtml"] {
            let reply = httpd.client().try_get(path, None, &[]).ok();
            assert!(
                reply.as_ref().is_none_or(|reply| reply.status == 500 || reply.body == SSI_ERROR),
                "{words}: {reply:?}"
            );
        }
        planted.panic_in("");
        assert_told(&httpd, words);
        // The daemon would have been as quick.
        assert_eq!(httpd.get("/mapped/mark.lua?page", None).body, "ran");
        assert_eq!(marks(&site), ["page c1"], "{words}");
    }
}

/// What libc calls when a child of prefork's forks.
const FORKS: &[&str] = &["prefork_signals::prepare", "prefork_signals::restore", "prefork_signals::child"];
/// What is done where a phase has panicked; that panics with it above.
const LOST: &str = "phase::lose<";
/// What signals call: their handlers make no call that could panic, and cannot say so.
const HANDLERS: &[&str] = &["prefork_signals::end::", "prefork_signals::give_up"];

#[test]
fn a_panic_around_a_fork_keeps_no_script_from_running() {
    let site = site("panics-fork");
    let planted = Planted::begin();
    let httpd = Httpd::start(&site, Mpm::Prefork, MODULES, CONFIGURATION);
    for words in FORKS {
        planted.panic_in(words);
        assert_eq!(httpd.get("/user/mark.cgi?page", None).body, "ran", "{words}");
        assert_told(&httpd, words);
        planted.panic_in("");
        assert_eq!(marks(&site), ["page c11"], "{words}");
        assert_served(&site, &httpd);
    }
}

#[test]
fn each_callback_of_the_module_has_had_its_panic() {
    let tried: Vec<&str> = REQUESTS
        .iter()
        .map(|row| row.0)
        .chain(STARTS.iter().map(|row| row.0))
        .chain([CLEANUPS, FORKS, HANDLERS].concat())
        .chain([CHECKS, DUMPS, CHILD, CHILD_END, PAGE, WATCHER, MAINTENANCE, REGISTRATION, JUDGEMENT, LOST])
        .collect();
    let entries = entries();
    let is_meant = |entry: &str, words: &str| words.split(' ').all(|word| entry.contains(word));
    for entry in &entries {
        assert!(tried.iter().any(|words| is_meant(entry, words)), "no test has {entry} panic");
    }
    for words in &tried {
        assert!(entries.iter().any(|entry| is_meant(entry, words)), "nothing is called {words}");
    }
}
