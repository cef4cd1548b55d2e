//! Native code in an application's process: whatever it does there, it reaches nothing else.

use super::{BAR, FOO, Scene};
use crate::support::distribution::unix_user;
use crate::support::run;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// EACCES: the policy's refusal, never that of file modes (all processes here have one uid) or of a missing file.
const REFUSED: &str = "refused 13";

/// EPERM is what pidfd_getfd(2) makes of it.
fn refusal(attack: &str) -> &'static str {
    if attack == "take a descriptor" { "refused 1" } else { REFUSED }
}

#[test]
fn native_code_reaches_nothing_but_its_own() {
    let scene = Scene::start("app-native", "idle = \"1h\"");
    let own = scene.process(Some("foo"), FOO);
    let others = scene.process(Some("bar"), BAR);
    let httpd = scene.httpd.children().remove(0);
    let broker = scene.broker.main_pid().to_string();
    let place = |found: Vec<(std::path::PathBuf, String)>, range: &str| {
        let mut paths = found.into_iter().filter(|(_, label)| label.ends_with(range)).map(|(path, _)| path);
        paths.next().unwrap_or_else(|| panic!("nothing at {range}")).display().to_string()
    };
    let own_socket = place(scene.broker.sockets("web"), ":s0:c0");
    let others_socket = place(scene.broker.sockets("web"), ":s0:c1");
    let own_state = place(scene.broker.states("web"), ":s0:c0");
    let others_state = place(scene.broker.states("web"), ":s0:c1");
    let others = others.to_string();

    let processes = [&httpd, &others, &broker];
    let on_processes =
        ["signal", "read memory", "open memory", "trace", "take a descriptor", "read the environment"];
    let mut attacks: Vec<(&str, &str)> =
        processes.iter().flat_map(|process| on_processes.map(|name| (name, process.as_str()))).collect();
    attacks.extend([
        ("connect", others_socket.as_str()),
        ("connect", "/run/mod_selinux/broker"),
        ("list", &others_state),
        ("write below", &others_state),
        ("write below", "/etc/mod_selinux/apps"),
        ("write below", scene.site.root().to_str().unwrap()),
    ]);
    // Outside of the confinement, with the same uid, they succeed: nothing but the policy refuses them.
    let program = scene.site.root().join("program.py").display().to_string();
    std::fs::set_permissions(scene.site.root(), std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::set_permissions("/etc/mod_selinux/apps", std::fs::Permissions::from_mode(0o777)).unwrap();
    for (name, argument) in &attacks {
        let told = run("runuser", &["-u", unix_user(), "--", "python3", &program, "attack", name, argument]);
        assert_eq!(told.trim(), "done", "the control: {name} {argument}");
    }
    for folder in [scene.site.root(), Path::new("/etc/mod_selinux/apps"), Path::new(&others_state)] {
        let _ = std::fs::remove_file(folder.join("planted"));
    }
    std::fs::set_permissions("/etc/mod_selinux/apps", std::fs::Permissions::from_mode(0o755)).unwrap();

    attacks.extend([
        ("own label", "system_u:system_r:user_app_t:s0:c1"),
        ("next label", "system_u:system_r:user_app_t:s0:c1"),
        ("files' label", "system_u:object_r:mod_selinux_app_state_t:s0:c1"),
        ("sockets' label", "system_u:system_r:user_webapp_t:s0:c0"),
        ("written and executed", ""),
        ("run what was written", &own_state),
        ("network", ""),
        ("netlink", ""),
    ]);
    for (name, argument) in &attacks {
        let told = scene.body(&format!("attack?{}&{argument}", name.replace(' ', "%20")), Some("foo"));
        assert_eq!(told, refusal(name), "{name} {argument}");
    }
    // What is its own, it has.
    for (name, argument) in
        [("signal", own.to_string()), ("list", own_state.clone()), ("write below", own_state.clone())]
    {
        let told = scene.body(&format!("attack?{}&{argument}", name.replace(' ', "%20")), Some("foo"));
        assert_eq!(told, "done", "{name} {argument}");
    }
    assert_eq!(scene.process(Some("foo"), FOO), own, "it has survived");
    assert!(Path::new(&own_socket).exists());
}
