//! What happens when something fails: nobody is served elsewhere, and what can be served is.

use super::{BAR, CONFIGURATION, FOO, MAP, Scene, file};
use crate::support::broker::Broker;
use crate::support::distribution::unix_user;
use crate::support::raw::Connection;
use crate::support::{Httpd, Mpm, Site, outcome, run, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// What a user's request gets on a connection of its own: mod_proxy_http closes one that was kept without an answer, where the
/// application closes its own (AH01102).
fn status(user: Option<&'static str>) -> u16 {
    Connection::open().and_then(|mut connection| connection.get("/private/app/who", user)).unwrap().0
}

/// Waits until a process has ended.
fn wait_for_end(process: u32) {
    wait_for(&format!("process {process} to end"), LIMIT, || {
        (!Path::new(&format!("/proc/{process}")).exists()).then_some(())
    });
}

/// The process that serves a request of foo's for so many seconds, while `meanwhile` happens.
fn during(scene: &Scene, seconds: u32, meanwhile: impl FnOnce()) -> u32 {
    // Known before, so that nothing is asked of the broker.
    scene.process(Some("foo"), FOO);
    let asked = thread::spawn(move || {
        let mut connection = Connection::open().unwrap();
        connection.get(&format!("/private/app/sleep?{seconds}"), Some("foo")).unwrap()
    });
    let sockets = scene.broker.sockets("web").into_iter();
    let (path, _) = sockets.clone().find(|(_, label)| label.ends_with(":s0:c0")).expect("foo's socket");
    let path = path.display().to_string();
    wait_for("the request to be there", LIMIT, || {
        let text = std::fs::read_to_string("/proc/net/unix").unwrap();
        text.lines().any(|line| line.ends_with(&path) && line.contains(" 03 ")).then_some(())
    });
    meanwhile();
    let (status, body) = asked.join().unwrap();
    assert_eq!(status, 200, "{body}");
    body.strip_prefix("slept ").unwrap().parse().unwrap()
}

#[test]
fn who_cannot_be_served_in_their_context_is_told_so() {
    let scene = Scene::start("app-refused", "");
    // Nobody has processes for staff.
    scene.assert_refused(
        Some("staff"),
        &["web in system_u:system_r:staff_webapp_t:s0:c3", "callers has no worker = \"staff_webapp_t\""],
    );
    scene.broker.logged(&["refused: a caller in system_u:system_r:staff_webapp_t:s0:c3"]);
    // What there is in all contexts, the broker tells nobody but root.
    let ask = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/mod_selinux/broker'); \
               s.sendall(b'status\\n'); print(s.recv(1000).decode())";
    let as_root = run("python3", &["-c", ask]);
    assert!(as_root.starts_with("refused 1\n"), "{as_root}");
    let as_httpd = run("runuser", &["-u", unix_user(), "--", "python3", "-c", ask]);
    assert_eq!(as_httpd.trim(), "no the list of pools is for root alone");
    // The program is missing, its type is no entrypoint, it ends at once; and is tried again when its file is mended.
    let good = file(&scene.site, "");
    for (command, reason) in [
        ("/usr/bin/missing", "/usr/bin/missing cannot be started: No such file"),
        ("/etc/hostname", "/etc/hostname cannot be started in system_u:system_r:user_app_t:s0:c0"),
        ("/bin/false", "it ends as soon as it is started: exit status 1"),
    ] {
        scene.broker.write("web.toml", &good.replace("/usr/bin/python3", command));
        // The first waits for the start; who comes after it is told why there was none.
        wait_for(reason, LIMIT, || {
            assert_ne!(status(Some("foo")), 200);
            scene.httpd.log().contains(reason).then_some(())
        });
        scene.broker.logged(&["web in system_u:system_r:user_app_t:s0:c0", reason]);
        // Others are served meanwhile.
        assert_eq!(scene.httpd.get("/plain.txt", None).body, "plain");
        scene.broker.write("web.toml", &good);
        wait_for("another start", LIMIT, || (status(Some("foo")) == 200).then_some(()));
        scene.body_then_crash();
    }
    // A file that cannot be used.
    scene.broker.write("web.toml", "command = 7");
    wait_for("the file to be read", LIMIT, || {
        assert_ne!(status(Some("bar")), 200);
        scene.httpd.log().contains("web.toml").then_some(())
    });
}

#[test]
fn a_program_that_crashes_later_is_started_again() {
    let scene = Scene::start("app-crash", "");
    let first = scene.process(Some("foo"), FOO);
    scene.body_then_crash();
    wait_for_end(first);
    // It has ended so soon after its start that there is a pause.
    wait_for("another start", LIMIT, || (status(Some("foo")) == 200).then_some(()));
    assert_ne!(scene.process(Some("foo"), FOO), first);
}

#[test]
fn without_the_broker_other_requests_are_served_as_ever() {
    let scene = Scene::start("app-none", "");
    scene.broker.stop();
    scene.assert_refused(
        Some("foo"),
        &["selinux-broker does not answer", "is selinux-broker.service running?"],
    );
    assert_eq!(scene.httpd.get("/plain.txt", None).body, "plain");
}

#[test]
fn what_is_under_way_survives_the_brokers_crash_and_its_restart() {
    let scene = Scene::start("app-restart", "idle = \"2s\"");
    let first = during(&scene, 4, || {
        scene.broker.crash();
        // A context that the new broker has not heard of.
        scene.process(Some("bar"), BAR);
    });
    // The new broker has taken the process over: it is kept while it has something to do, and ends after that.
    wait_for_end(first);
    let second = during(&scene, 4, || scene.broker.restart());
    wait_for_end(second);
    scene.process(Some("foo"), FOO);
}

#[test]
fn nobody_gets_another_contexts_process_where_all_are_busy() {
    let scene = Scene::start("app-full", "contexts = 1\nidle = \"1h\"");
    // Longer than bar waits.
    during(&scene, 30, || {
        // Waits until it is told that there is none.
        assert!([502, 503].contains(&status(Some("bar"))));
    });
    // Now foo's has nothing to do, and ends for bar's.
    let foo = scene.process(Some("foo"), FOO);
    wait_for("bar's turn", LIMIT, || (status(Some("bar")) == 200).then_some(()));
    wait_for_end(foo);
}

#[test]
fn a_file_that_cannot_be_used_stops_the_start_and_says_where() {
    let site = Site::new("app-wrong");
    site.config_file("map", MAP);
    let good = file(&site, "");
    let broker = Broker::start(&[("web.toml", &good)]);
    let check = || Httpd::check(&site, Mpm::Event, &["proxy", "proxy_http"], CONFIGURATION);
    let path = "/etc/mod_selinux/apps/web.toml";
    assert!(check().is_ok());
    let unknown = good.replace("state = true", "state = true\ncolour = 7");
    broker.write("web.toml", &unknown);
    let line = 1 + unknown.lines().position(|line| line.starts_with("colour")).unwrap();
    let wrong = [format!("{path}: line {line}: unknown field `colour`")];
    let told = check().unwrap_err();
    assert!(told.contains("SEL0032") && wrong.iter().all(|part| told.contains(part)), "{told}");
    // The broker says the same.
    let output = outcome("selinux-broker", &["--check"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && wrong.iter().all(|part| told.contains(part)), "{told}");
    // What others may write is not believed.
    broker.write("web.toml", &good);
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    let told = check().unwrap_err();
    assert!(told.contains("SEL0032") && told.contains(path), "{told}");
}

#[test]
fn without_mod_proxy_the_file_is_not_sent() {
    let site = Site::new("apps-no-proxy");
    site.config_file("map", MAP);
    site.file("app/page.py", "the source");
    let _broker = Broker::start(&[("web.toml", &file(&site, ""))]);
    for modules in [&[][..], &["proxy"], &["proxy", "proxy_fcgi"]] {
        let httpd = Httpd::start(&site, Mpm::Event, modules, CONFIGURATION);
        let reply = httpd.get("/private/app/page.py", Some("foo"));
        assert_eq!((reply.status, reply.body.contains("the source")), (503, false), "{modules:?}");
        httpd.logged(&["SEL0121", "its protocol takes mod_proxy and mod_proxy_http"]);
    }
}

#[test]
fn without_a_context_or_a_file_there_is_no_application() {
    let site = Site::new("app-unmapped");
    site.config_file("map", MAP);
    let _broker = Broker::start(&[("web.toml", &file(&site, ""))]);
    let missing = "<Location /private/app/missing>\nSetHandler selinux-app:missing\n</Location>\n";
    // Rules elsewhere, and none at all: httpd would send the file.
    let rules = "<Location /private>\nSELinuxDomainMap @ETC@/map\n</Location>\n";
    let app = CONFIGURATION.replace("SELinuxDomainMap @ETC@/map\n", "");
    for rules in [rules, ""] {
        site.file("app/page.php", "its source");
        let httpd =
            Httpd::start(&site, Mpm::Event, &["proxy", "proxy_http"], &format!("{rules}{app}{missing}"));
        let reply = httpd.get("/app/page.php", None);
        assert_eq!(reply.status, 500, "{}", reply.body);
        httpd.logged(&["SEL0122"]);
        if !rules.is_empty() {
            assert_eq!(httpd.get("/private/app/missing", Some("foo")).status, 503);
            httpd.logged(&["SEL0121", "there is no application missing"]);
        }
    }
}

impl Scene {
    /// Has foo's process end in the middle of a request, which gets an error.
    fn body_then_crash(&self) {
        // httpd closes the client's connection where it was kept (mod_proxy_http: AH01102).
        let reply = self.httpd.client().try_get("/private/app/crash", Some("foo"), &[]);
        assert!(
            reply.as_ref().map_or(true, |reply| [502, 503].contains(&reply.status)),
            "{:?}",
            reply.map(|reply| reply.status)
        );
    }
}
