//! `SELinuxWorker resident`: workers stay, each in the one context it has entered, as the kernel tells of its thread.

use crate::lifecycle::policies;
use crate::support::httpd::PORT;
use crate::support::pages::who_page;
use crate::support::process_usage::children;
use crate::support::raw::Connection;
use crate::support::{Client, Httpd, Mpm, Site, wait_for};
use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

const CONFIGURATION: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options +Includes
</Directory>
AliasMatch ^/c[0-9]/(.*) @ROOT@/$1
<Location /status>
    SetHandler server-status
</Location>
StartServers 1
ServerLimit 1
ThreadsPerChild 4
MaxRequestWorkers 4
";

/// Ten contexts, after these lines.
fn configuration(lines: &str) -> String {
    let context = |number| {
        format!("<Location /c{number}>\n    SELinuxDomainVal user_webapp_t:s0:c{number}\n</Location>\n")
    };
    format!("{lines}\n{CONFIGURATION}{}", (0..10).map(context).collect::<String>())
}

fn site(name: &str) -> Site {
    let site = Site::new(name);
    let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    site.file("who.lua", &who_page(&site, &names));
    for number in 0..10 {
        site.file_at(&format!("s0:c{number}"), &format!("{number}.txt"), &number.to_string());
    }
    site.file(
        "page.shtml",
        "<!--#include virtual=\"/c2/who.lua\" --><!--#include virtual=\"/c1/who.lua\" -->",
    );
    site
}

/// The confined threads of the one child, by the kernel's word: their contexts by their ids.
fn confined(httpd: &Httpd) -> BTreeMap<String, String> {
    let child = wait_for("one child", LIMIT, || match children(httpd)[..] {
        [child] => Some(child),
        _ => None,
    });
    let threads = fs::read_dir(format!("/proc/{child}/task")).unwrap();
    let named = threads.filter_map(|entry| {
        let folder = entry.unwrap().path();
        // It may have ended since.
        let context = fs::read_to_string(folder.join("attr/current")).ok()?;
        let context = context.trim_end_matches('\0').to_owned();
        let id = folder.file_name().unwrap().to_str().unwrap().to_owned();
        (!context.contains(":httpd_t:")).then_some((id, context))
    });
    named.collect()
}

fn ranges(threads: &BTreeMap<String, String>) -> Vec<&str> {
    let mut ranges: Vec<_> = threads.values().map(|context| context.rsplit(':').next().unwrap()).collect();
    ranges.sort_unstable();
    ranges
}

fn assert_who(httpd: &Httpd, number: usize) {
    let reply = httpd.get(&format!("/c{number}/who.lua"), None);
    assert_eq!((reply.status, reply.body), (200, number.to_string()));
}

#[test]
fn a_resident_worker_serves_one_context_again_and_again() {
    let site = site("resident");
    for mpm in [Mpm::Event, Mpm::Worker] {
        let configuration = configuration("SELinuxWorker resident idle=3 requests=5");
        let httpd = Httpd::start(&site, mpm, &["lua", "include", "status"], &configuration);
        assert_eq!(confined(&httpd), BTreeMap::new());
        assert_who(&httpd, 1);
        let first = confined(&httpd);
        assert_eq!(ranges(&first), ["c1"], "{first:?}");
        assert_who(&httpd, 1);
        assert_eq!(confined(&httpd), first);
        assert_who(&httpd, 2);
        let both = confined(&httpd);
        assert_eq!(ranges(&both), ["c1", "c2"]);
        assert!(first.iter().all(|thread| both.iter().any(|other| other == thread)), "{first:?} {both:?}");
        let page = httpd.get("/status?auto", None).body;
        for number in 0..2 {
            let context = format!("system_u:system_r:user_webapp_t:s0:c{}", number + 1);
            let told =
                format!("SELinuxResident[{number}]Context: {context}\nSELinuxResident[{number}]Waiting: 1\n");
            assert!(page.contains(&told) && page.contains("SELinuxResidents: 2\n"), "{page}");
        }
        // A page of one, with parts of the other and of its own.
        let reply = httpd.get("/c1/page.shtml", None);
        assert_eq!((reply.status, reply.body.as_str()), (200, "21"));
        assert_eq!(confined(&httpd), both);
        // Its fifth, and the other's second and third, and it is another thread's turn.
        assert_who(&httpd, 1);
        assert_who(&httpd, 1);
        wait_for("the first to end after five", LIMIT, || {
            assert_who(&httpd, 1);
            let threads = confined(&httpd);
            first.keys().all(|id| !threads.contains_key(id)).then_some(())
        });
        wait_for("idle ones to end", LIMIT, || confined(&httpd).is_empty().then_some(()));
        assert_who(&httpd, 2);
    }
}

#[test]
fn no_more_resident_workers_are_kept_than_the_child_has_threads() {
    let site = site("resident-many");
    let configuration = configuration("SELinuxWorker resident");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "include"], &configuration);
    let mut connection = Connection::open().unwrap();
    for round in 0..30 {
        let number = round * 7 % 10;
        let reply = connection.get(&format!("/c{number}/who.lua"), None).unwrap();
        assert_eq!(reply, (200, number.to_string()));
        let threads = confined(&httpd);
        assert!(threads.len() <= 4, "{threads:?}");
    }
    // All at once: everybody is served, and each by a worker of its own.
    thread::scope(|scope| {
        for number in 0..10 {
            scope.spawn(move || {
                for _ in 0..20 {
                    // A connection that is kept is closed where threads are wanted.
                    let reply = Client::new(PORT).get(&format!("/c{number}/who.lua"), None);
                    assert_eq!((reply.status, reply.body), (200, number.to_string()));
                }
            });
        }
    });
    wait_for("no more than four", LIMIT, || (confined(&httpd).len() <= 4).then_some(()));
    assert_who(&httpd, 3);
}

#[test]
fn a_spare_has_no_context_until_it_has_a_request() {
    let site = site("spare");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "include", "status"], &configuration(""));
    let spares = |count: usize| {
        let line = format!("SELinuxSpares: {count}\n");
        wait_for("the spares", LIMIT, || httpd.get("/status?auto", None).body.contains(&line).then_some(()));
    };
    spares(0);
    assert_who(&httpd, 1);
    spares(1);
    assert_eq!(confined(&httpd), BTreeMap::new());
    assert_who(&httpd, 2);
}

#[test]
fn resident_workers_do_not_outlive_the_policy_they_have_entered_under() {
    let site = site("resident-policy");
    let free = "<Location /free>\n    SELinuxDomainVal free_webapp_t:s0:c9\n</Location>";
    let configuration = configuration(&format!("SELinuxWorker resident\nAlias /free @ROOT@\n{free}"));
    let policy = policies::with_module();
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "include"], &configuration);
    assert_who(&httpd, 1);
    let first = confined(&httpd);
    assert_eq!(ranges(&first), ["c1"]);
    // One that its policy lets change context serves one request.
    let reply = httpd.get("/free/who.lua", None);
    assert_eq!((reply.status, reply.body.as_str()), (200, "9"));
    wait_for("the free one's end", LIMIT, || (confined(&httpd) == first).then_some(()));
    drop(policy);
    assert_who(&httpd, 1);
    let second = confined(&httpd);
    assert_eq!(ranges(&second), ["c1"]);
    wait_for("the first to end", LIMIT, || {
        first.keys().all(|id| !confined(&httpd).contains_key(id)).then_some(())
    });
    // Its context is gone.
    assert_eq!(httpd.get("/free/who.lua", None).status, 500);
}
