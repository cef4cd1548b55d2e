//! The kernel's answers about contexts, otherwise than a kernel gives them (`tests/shim`): whatever it says, nobody is
//! served outside of their context.

use crate::support::httpd::run_folder;
use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm, Site, library, run};
use std::fs;
use std::path::Path;

const PRELOAD: &str = "/etc/ld.so.preload";
const PLACE: &str = "/usr/lib/libselinux_shim.so";

/// Has every program that starts get the library before all others; those of the test's httpd heed it.
struct Shim;

impl Shim {
    fn begin(fault: u8) -> Shim {
        let file = Path::new(run_folder()).join("fault");
        fs::write(&file, [fault]).unwrap();
        // What httpd may map.
        run("chcon", &["-t", "httpd_tmpfs_t", file.to_str().unwrap()]);
        let library = library("libselinux_shim.so");
        fs::copy(&library, PLACE).unwrap_or_else(|error| panic!("{}: {error}", library.display()));
        run("restorecon", &["-F", PLACE]);
        fs::write(PRELOAD, PLACE).unwrap();
        run("restorecon", &["-F", PRELOAD]);
        Shim
    }

    fn set(&self, fault: u8) {
        fs::write(Path::new(run_folder()).join("fault"), [fault]).unwrap();
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        let _ = fs::remove_file(PRELOAD);
    }
}

const CONFIGURATION: &str = "
AddHandler lua-script .lua
SELinuxDomainMap @ETC@/map
";

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.config_file("map", "foo user_webapp_t:s0:c0\nbar user_webapp_t:s0:c1\n");
    site.file("context.lua", CONTEXT_LUA).file("page.txt", "page");
    site.file_at("s0:c0", "foo.txt", "foo's");
    site
}

const MARK: &[&str] = &["Environment=SELINUX_SHIM=1"];

fn assert_served(httpd: &Httpd) {
    for (user, category) in [("foo", "c0"), ("bar", "c1")] {
        let reply = httpd.get("/private/context.lua", Some(user));
        let context = format!("system_u:system_r:user_webapp_t:s0:{category}");
        assert_eq!((reply.status, reply.body), (200, context), "{user}");
    }
    assert_eq!(httpd.get("/private/foo.txt", Some("foo")).body, "foo's");
    assert_eq!(httpd.get("/private/foo.txt", Some("bar")).status, 403);
}

fn assert_refused(httpd: &Httpd, reason: &str) {
    let before = httpd.log().matches("SEL0101").count();
    for page in ["page.txt", "context.lua", "foo.txt"] {
        assert_eq!(httpd.get(&format!("/private/{page}"), Some("foo")).status, 500, "{page}: {reason}");
    }
    let log = httpd.log();
    assert_eq!(log.matches("SEL0101").count(), before + 3, "{log}");
    assert!(log.lines().last().unwrap().contains(reason), "{reason} is not in\n{log}");
}

#[test]
fn whatever_the_kernel_says_of_a_context_nobody_is_served_outside_of_theirs() {
    let site = site("injected");
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let shim = Shim::begin(b'0');
        let httpd = Httpd::start_as(&site, mpm, &["lua"], CONFIGURATION, MARK);
        assert_served(&httpd);
        for (fault, reason) in [
            (b'1', "the kernel refuses: Operation not permitted"),
            (b'2', "the kernel refuses: Cannot allocate memory"),
            (b'3', "the thread is in system_u:system_r:httpd_t:s0 instead"),
            (b'4', "the kernel does not tell the context entered: Input/output error"),
            (b'5', "the thread is in xystem_u:"),
        ] {
            shim.set(fault);
            assert_refused(&httpd, reason);
            shim.set(b'0');
            assert_served(&httpd);
        }
    }
}

#[test]
fn a_kernel_before_6_8_confines_as_well() {
    let site = site("older-kernel");
    for mpm in [Mpm::Event, Mpm::Prefork] {
        // With any of these on, the system calls of 6.8 are not there: what works, works without.
        let shim = Shim::begin(b'6');
        let httpd = Httpd::start_as(&site, mpm, &["lua"], CONFIGURATION, MARK);
        assert_served(&httpd);
        for (fault, reason) in [
            (b'7', "the kernel does not tell the context entered: Permission denied"),
            (b'8', "the thread is in xystem_u:"),
        ] {
            shim.set(fault);
            assert_refused(&httpd, reason);
            shim.set(b'6');
            assert_served(&httpd);
        }
    }
}
