//! Map and group files that change under a running server.

use crate::support::pages::who_page;
use crate::support::raw::Connection;
use crate::support::{BUSY, Httpd, Mpm, Site, outcome, run, wait_for};
use mapping::Map;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const CONFIGURATION: &str = "
AddHandler lua-script .lua
SELinuxDomainMap @ETC@/map
";

/// A map by which everybody is served in the category of this number.
fn map(number: u32) -> String {
    format!("# version {number}\n* user_webapp_t:s0:c{number}\n")
}

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.file("which.lua", &who_page(&site, &["1", "2", "3", "4"]));
    for number in 1..=4 {
        site.file_at(&format!("s0:c{number}"), &format!("{number}.txt"), "");
    }
    site.config_file("map", &map(1));
    site
}

/// Puts a file in another's place at once, as careful editors and `selinux-map` do.
fn replace(path: &Path, content: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
    run("chcon", &["--reference", path.parent().unwrap().to_str().unwrap(), new.to_str().unwrap()]);
    fs::rename(&new, path).unwrap();
}

/// What the issue allows for a change to count.
const LIMIT: Duration = Duration::from_secs(2);

/// Waits until a page is served by the version `number`.
fn wait_for_version(httpd: &Httpd, number: u32) {
    wait_for(&format!("version {number}"), LIMIT, || {
        let body = httpd.get("/which.lua", None).body;
        (body == number.to_string()).then_some(())
    });
}

/// The watcher's process.
fn watcher(httpd: &Httpd) -> String {
    let parent = httpd.main_pid().to_string();
    wait_for("the watcher", LIMIT, || {
        let found = outcome("pgrep", &["-P", &parent, "-x", "selinux-maps"]).stdout;
        let found = String::from_utf8_lossy(&found).trim().to_owned();
        (!found.is_empty()).then_some(found)
    })
}

#[test]
fn every_child_takes_a_changed_map_up_within_two_seconds() {
    const CHILDREN: usize = 4;
    let site = site("taken-up");
    let configuration = format!("{CONFIGURATION}StartServers {CHILDREN}\nMaxRequestWorkers 10\n");
    let httpd = Httpd::start(&site, Mpm::Prefork, &["lua"], &configuration);
    // Under prefork, each connection that is open has a child of its own.
    let mut children: Vec<_> = (0..CHILDREN).map(|_| Connection::open().unwrap()).collect();
    for child in &mut children {
        assert_eq!(child.get("/which.lua", None).unwrap(), (200, "1".to_owned()));
    }
    for number in [2, 3] {
        replace(&site.etc().join("map"), map(number).as_bytes());
        let changed = Instant::now();
        // How long a request takes, at most: on a busy machine all takes longer, the watcher's work too.
        let mut slowest = Duration::ZERO;
        for child in &mut children {
            // No answer is by neither version, whichever it is by.
            loop {
                let begin = Instant::now();
                if child.get("/which.lua", None).unwrap() == (200, number.to_string()) {
                    break;
                }
                slowest = slowest.max(begin.elapsed());
                let limit = LIMIT + slowest * BUSY;
                assert!(changed.elapsed() < limit, "version {number} does not count after {limit:?}");
            }
        }
    }
    httpd.logged(&["SEL0040", "taken-up/map", "1 rule"]);
}

#[test]
fn the_last_good_version_stays_whatever_becomes_of_the_file() {
    let site = site("last-good");
    let path = site.etc().join("map");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], CONFIGURATION);
    let set_mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let good = |number: u32| {
        replace(&path, map(number).as_bytes());
        wait_for_version(&httpd, number);
    };
    let cases: [(&dyn Fn(), &[&str]); 6] = [
        (
            &|| replace(&path, b"* user_webapp_t:s0:c3\nfoo user_webapp_t:s0:c5.c3\n"),
            &["SEL0041", "last-good/map: line 2, column 5: ", "is not a run of categories"],
        ),
        (
            &|| replace(&path, b"* nosuch_webapp_t:s0:c3\n"),
            &["SEL0041", "SEL0024", "map:1: ", "nosuch_webapp_t"],
        ),
        (&|| replace(&path, b"* user_webapp_t:s0:c3,c2000\n"), &["SEL0041", "SEL0024", "map:1: ", "c2000"]),
        (
            &|| {
                fs::write(&path, map(3)).unwrap();
                set_mode(0o664);
            },
            &["SEL0041", "last-good/map may be written by its group", "chmod go-w"],
        ),
        (
            &|| {
                replace(&path, map(3).as_bytes());
                chown(&path, Some(33), None).unwrap();
            },
            &["SEL0041", "last-good/map belongs to user 33", "chown root"],
        ),
        (&|| fs::remove_file(&path).unwrap(), &["SEL0042", "last-good/map cannot be read: No such file"]),
    ];
    for (number, (change, told)) in (0..).zip(cases) {
        let version = 1 + number % 2;
        good(version);
        change();
        httpd.logged(told);
        assert_eq!(httpd.get("/which.lua", None).body, version.to_string(), "{told:?}");
    }
    // A child that is made now has the version that counts as well, not the one of the start or of the file.
    good(4);
    fs::remove_file(&path).unwrap();
    wait_for("the message", LIMIT, || (httpd.log().matches("SEL0042").count() == 2).then_some(()));
    let parent = httpd.main_pid().to_string();
    let children = || {
        let all = String::from_utf8_lossy(&outcome("pgrep", &["-P", &parent]).stdout).into_owned();
        let watcher = watcher(&httpd);
        all.lines().filter(|pid| *pid != watcher).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = children();
    run("kill", &[&["-9"], before.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat());
    wait_for("other children", Duration::from_secs(20), || {
        let now = children();
        (!now.is_empty() && now.iter().all(|pid| !before.contains(pid))).then_some(())
    });
    let reply =
        wait_for("a reply", Duration::from_secs(20), || httpd.client().try_get("/which.lua", None, &[]).ok());
    assert_eq!(reply.body, "4");
}

#[test]
fn a_file_being_written_does_not_count_until_it_is_whole() {
    let site = site("half-written");
    let path = site.etc().join("map");
    // Cut anywhere, it says something else: that everybody is version 3, or nothing that can be read.
    let text = format!("{}foo user_webapp_t:s0:c2\n", "* user_webapp_t:s0:c3\n# filling\n");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], CONFIGURATION);
    let is_whole = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Without a pause that could be taken for the end, however long an answer takes.
            for end in (0..text.len()).flat_map(|end| [end; 4]) {
                fs::write(&path, &text[..end]).unwrap();
                thread::sleep(Duration::from_millis(5));
            }
            is_whole.store(true, Ordering::SeqCst);
            fs::write(&path, &text).unwrap();
        });
        loop {
            let body = httpd.get("/which.lua", None).body;
            if is_whole.load(Ordering::SeqCst) {
                break;
            }
            assert_eq!(body, "1");
        }
    });
    wait_for_version(&httpd, 3);
    assert!(!httpd.log().contains("SEL0041"), "{}", httpd.log());
}

#[test]
fn a_hundred_replacements_under_load_answer_each_request_by_the_old_or_the_new_map() {
    let site = site("under-load");
    let path = site.etc().join("map");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], CONFIGURATION);
    let over = AtomicBool::new(false);
    let answers = [AtomicUsize::new(0), AtomicUsize::new(0)];
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = Connection::open().unwrap();
                while !over.load(Ordering::Relaxed) {
                    // A file of version 1: version 2 is refused it by the kernel, and neither is never mapped.
                    let (status, _) = connection.get("/1.txt", None).unwrap();
                    let answer = match status {
                        200 => 0,
                        403 => 1,
                        other => panic!("status {other}"),
                    };
                    answers[answer].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let replaced = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..100 {
                replace(&path, map(1 + (round + 1) % 2).as_bytes());
                // Each applies for a while.
                let seen = answers[1 - round as usize % 2].load(Ordering::Relaxed);
                wait_for("answers by the new version", Duration::from_secs(30), || {
                    (answers[1 - round as usize % 2].load(Ordering::Relaxed) > seen + 20).then_some(())
                });
            }
        }));
        over.store(true, Ordering::Relaxed);
        replaced.unwrap();
    });
    let log = httpd.log();
    assert!(!["SEL0104", "SEL0105", "SEL0043"].iter().any(|code| log.contains(code)), "{log}");
    assert!(answers.iter().all(|count| count.load(Ordering::Relaxed) > 1000), "{answers:?}");
    println!("{answers:?} answers by each version");
}

#[test]
fn another_watcher_is_made_where_one_dies() {
    let site = site("watcher");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], CONFIGURATION);
    let first = watcher(&httpd);
    // In httpd's own context, and without httpd's port.
    let context = fs::read_to_string(format!("/proc/{first}/attr/current")).unwrap();
    assert_eq!(context.trim_end_matches('\0'), "system_u:system_r:httpd_t:s0");
    let open = outcome("ss", &["-Hltnp", "sport = :80"]).stdout;
    assert!(!String::from_utf8_lossy(&open).contains(&format!("pid={first},")), "it holds the port");
    replace(&site.etc().join("map"), map(2).as_bytes());
    wait_for_version(&httpd, 2);
    run("kill", &["-9", &first]);
    httpd.logged(&["SEL0045"]);
    let second = wait_for("another watcher", LIMIT, || Some(watcher(&httpd)).filter(|pid| *pid != first));
    replace(&site.etc().join("map"), map(3).as_bytes());
    wait_for_version(&httpd, 3);
    // A graceful restart takes another, and the end leaves none, and no files.
    httpd.signal("USR1");
    wait_for("a third", Duration::from_secs(10), || Some(watcher(&httpd)).filter(|pid| *pid != second));
    wait_for_version(&httpd, 3);
    replace(&site.etc().join("map"), map(4).as_bytes());
    wait_for_version(&httpd, 4);
    drop(httpd);
    assert!(!outcome("pgrep", &["-x", "selinux-maps"]).status.success(), "a watcher is left");
    assert!(!Path::new("/run/httpd-test/mod_selinux").exists(), "published files are left");
}

#[test]
fn groups_go_by_the_scopes_group_file_and_its_changes() {
    let site = site("groups");
    site.config_file(
        "map",
        "@Staff user_webapp_t:s0:c1\n@\"web team\" user_webapp_t:s0:c2\n* user_webapp_t:s0:c3\n",
    );
    site.config_file("groups", "staff: foo\nweb team: \"bar\"\n");
    site.config_file("others", "staff: bar\n");
    site.file(
        ".htaccess",
        "AuthGroupFile @ETC@/others\n".replace("@ETC@", site.etc().to_str().unwrap()).as_str(),
    );
    let configuration = format!(
        "{CONFIGURATION}\
         Alias /other @ROOT@\n<Location /other>\nAuthType Basic\nAuthName test\nAuthUserFile @ETC@/users\n\
         Require valid-user\nAuthGroupFile @ETC@/others\n</Location>\n\
         <Directory @ROOT@>\nAllowOverride AuthConfig\nAuthGroupFile @ETC@/groups\n</Directory>\n"
    );
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "authz_groupfile"], &configuration);
    let which = |folder: &str, user| httpd.get(&format!("{folder}/which.lua"), user).body;
    // What `.htaccess` says of groups does not count.
    for (folder, user, expected) in [
        ("/private", Some("foo"), "1"),
        ("/private", Some("bar"), "2"),
        ("/private", Some("staff"), "3"),
        ("", None, "3"),
        ("/other", Some("foo"), "3"),
        ("/other", Some("bar"), "1"),
    ] {
        assert_eq!(which(folder, user), expected, "{folder} {user:?}");
    }
    replace(&site.etc().join("groups"), b"staff: staff\n");
    wait_for("the new groups", LIMIT, || (which("/private", Some("staff")) == "1").then_some(()));
    assert_eq!(which("/private", Some("foo")), "3");
    replace(&site.etc().join("groups"), b"staff foo\n");
    httpd.logged(&["SEL0041", "groups/groups: line 1: ", "has no colon"]);
    assert_eq!(which("/private", Some("staff")), "1");
}

#[test]
fn a_compiled_map_is_served_and_taken_up_like_its_text() {
    let site = site("compiled");
    let compiled = |text: &str| Map::parse(text.as_bytes()).unwrap().compile().unwrap();
    let path = site.etc().join("map.fst");
    site.config_file("map.fst", "");
    fs::write(&path, compiled("foo user_webapp_t:s0:c2\n__anonymous__ user_webapp_t:s0:c1\n")).unwrap();
    let configuration = CONFIGURATION.replace("@ETC@/map", "fst:@ETC@/map.fst");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], &configuration);
    assert_eq!(httpd.get("/which.lua", None).body, "1");
    assert_eq!(httpd.get("/private/which.lua", Some("foo")).body, "2");
    assert_eq!(httpd.get("/private/which.lua", Some("bar")).status, 403);
    replace(&path, &compiled(&map(3)));
    wait_for_version(&httpd, 3);
    // In place, and not all of it.
    let whole = compiled(&map(4));
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    httpd.logged(&["SEL0041", "map.fst", "damaged or not all there"]);
    assert_eq!(httpd.get("/which.lua", None).body, "3");
}

#[test]
fn a_file_that_others_may_write_stops_the_start() {
    let site = site("writable");
    site.config_file("groups", "staff: foo\n");
    let (map, groups) = (site.etc().join("map"), site.etc().join("groups"));
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let cases: [(&dyn Fn(), &str); 6] = [
        (&|| mode(&map, 0o664), "writable/map may be written by its group"),
        (&|| mode(&map, 0o646), "writable/map may be written by everybody"),
        (&|| chown(&map, Some(33), None).unwrap(), "writable/map belongs to user 33"),
        (&|| mode(site.etc(), 0o777), "test-writable may be written by everybody"),
        (&|| mode(&groups, 0o666), "writable/groups may be written by everybody"),
        (&|| fs::remove_file(&groups).unwrap(), "writable/groups cannot be read"),
    ];
    fs::write(&map, "@staff user_webapp_t:s0:c1\n").unwrap();
    let configuration = format!("{CONFIGURATION}<Location />\nAuthGroupFile @ETC@/groups\n</Location>\n");
    let check = || Httpd::check_from_shell(&site, Mpm::Event, &["lua", "authz_groupfile"], &configuration);
    check().unwrap();
    for (change, reason) in cases {
        change();
        let told = check().expect_err(reason);
        assert!(told.contains(reason), "{reason} is not in\n{told}");
        mode(&map, 0o644);
        mode(site.etc(), 0o755);
        chown(&map, Some(0), None).unwrap();
        let _ = groups.exists().then(|| mode(&groups, 0o644));
    }
    let told = Httpd::check_from_shell(&site, Mpm::Event, &["lua"], CONFIGURATION).unwrap_err();
    assert!(told.contains("SEL0027") && told.contains("AuthGroupFile"), "{told}");
}
