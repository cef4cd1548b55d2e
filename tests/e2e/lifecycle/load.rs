//! Many requests: nobody ever gets another's context, and nothing grows with their number.

use crate::support::process_usage::{Held, children};
use crate::support::raw::{Connection, request};
use crate::support::{Httpd, Mpm, Site, run, wait_for};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const MAP: &str = "\
foo            user_webapp_t:s0:c0
bar            user_webapp_t:s0:c1
__anonymous__  anon_webapp_t:s0:c2
";

const CONFIGURATION: &str = "
AddHandler lua-script .lua
SELinuxDomainMap @ETC@/map
StartServers 2
ServerLimit 3
ThreadsPerChild 50
MaxRequestWorkers 150
";

/// Reads the file that only the context of whom the query names may read: what it prints is the kernel's
/// word on where it runs, at the price of one `open`.
const WITNESS: &str = r#"
function handle(r)
  r.content_type = "text/plain"
  local file = io.open("@ROOT@/" .. r.args .. ".txt")
  if file then
    r:puts(file:read("*a"))
    file:close()
  else
    r:puts("refused")
  end
  return apache2.OK
end
"#;

/// Who asks, and what the witness is asked for and must read.
const ASKERS: [(Option<&str>, &str); 3] = [(Some("foo"), "foo"), (Some("bar"), "bar"), (None, "anonymous")];

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.config_file("map", MAP);
    site.file("witness.lua", &WITNESS.replace("@ROOT@", site.root().to_str().unwrap()));
    site.file("public.txt", &"x".repeat(1000));
    for (range, (_, name)) in ["s0:c0", "s0:c1", "s0:c2"].iter().zip(ASKERS) {
        site.file_at(range, &format!("{name}.txt"), name);
    }
    site
}

fn witness(user: Option<&str>, name: &str) -> String {
    format!("{}/witness.lua?{name}", if user.is_some() { "/private" } else { "" })
}

/// The address of the file that only this asker's context may read.
fn own_file(user: Option<&str>, name: &str) -> String {
    format!("{}/{name}.txt", if user.is_some() { "/private" } else { "" })
}

#[test]
fn users_alternating_on_one_connection_never_get_each_others_context() {
    let site = site("alternating");
    for mpm in Mpm::ALL {
        let configuration = if mpm == Mpm::Prefork { prefork() } else { CONFIGURATION.to_owned() };
        let httpd = Httpd::start(&site, mpm, &["lua"], &configuration);
        let mut connection = Connection::open().unwrap();
        for round in 0..60 {
            let (user, name) = ASKERS[round % 3];
            let reply = connection.get(&witness(user, name), user).unwrap();
            assert_eq!(reply, (200, name.to_owned()), "{mpm:?}");
            // The witness can say no: another's file is refused.
            let other = ASKERS[(round + 1) % 3].1;
            if round < 3 {
                let reply = connection.get(&witness(user, other), user).unwrap();
                assert_eq!(reply, (200, "refused".to_owned()), "{mpm:?}");
            }
        }
        drop(httpd);
    }
}

#[test]
fn pipelined_requests_each_run_in_their_own_context() {
    let site = site("pipelined");
    let _httpd = Httpd::start(&site, Mpm::Event, &["lua"], CONFIGURATION);
    let mut connection = Connection::open().unwrap();
    let all: String =
        (0..30).map(|n| ASKERS[n % 3]).map(|(user, name)| request(&witness(user, name), user, "")).collect();
    connection.send(&all).unwrap();
    for n in 0..30 {
        assert_eq!(connection.receive().unwrap(), (200, ASKERS[n % 3].1.to_owned()), "response {n}");
    }
}

#[test]
fn a_hundred_connections_of_three_users_never_mix_over_20000_requests() {
    const CONNECTIONS: usize = 100;
    const EACH: usize = 200;
    let site = site("hundred");
    let _httpd = Httpd::start(&site, Mpm::Event, &["lua"], &one_child(120));
    let right = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let right = &right;
            scope.spawn(move || {
                let mut connection = Connection::open().unwrap();
                for round in 0..EACH {
                    // Another user each time, and each connection at another point of the cycle.
                    let (user, name) = ASKERS[(number + round * round) % 3];
                    // Mostly the file itself, which tells the same as the page that reads it, and sooner.
                    let path = if round % 10 == 0 { witness(user, name) } else { own_file(user, name) };
                    let reply = connection.get(&path, user).unwrap();
                    assert_eq!(reply, (200, name.to_owned()), "connection {number}, request {round}");
                    right.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(right.into_inner(), CONNECTIONS * EACH);
}

/// What the one child holds.
fn held(httpd: &Httpd) -> Held {
    children(httpd).into_iter().map(Held::of).fold(Held::default(), Held::most)
}

/// Requests by wrk, and how many it says were answered; none may have failed.
fn wrk(path: &str, connections: usize, seconds: usize) -> usize {
    let url = format!("http://127.0.0.1{path}");
    let (connections, duration) = (connections.to_string(), format!("{seconds}s"));
    let text = run("wrk", &["-t", "2", "-c", &connections, "-d", &duration, &url]);
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let count = text.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
    count.unwrap_or_else(|| panic!("wrk says no number:\n{text}"))
}

#[test]
fn nothing_grows_with_50000_requests() {
    const THREADS: usize = 50;
    let site = site("growth");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], &one_child(THREADS));
    wait_for("the threads of the child", Duration::from_secs(30), || {
        (held(&httpd).threads > THREADS).then_some(())
    });
    // Each thread that serves connections may keep a spare worker. How many of them do at one time is chance.
    let threads = held(&httpd).threads + THREADS;
    // Warm: pools and malloc's arenas have found their size.
    let mut warm = 0;
    while warm < 5_000 {
        warm += wrk("/public.txt", 20, 5);
    }
    let before = held(&httpd);
    let child = children(&httpd);
    let mut served = 0;
    while served < 50_000 {
        served += wrk("/public.txt", 20, 20);
    }
    assert_eq!(children(&httpd), child, "the same child served all");
    let settled = || {
        let after = held(&httpd);
        (after.threads <= threads && after.descriptors <= before.descriptors).then_some(after)
    };
    let what = format!("{threads} threads and {} descriptors at most", before.descriptors);
    let after = wait_for(&what, Duration::from_secs(30), settled);
    println!("{served} requests: {before:?} -> {after:?}");
    // A leak of a hundred bytes a request would be 5 MB. A spare has 64 kB at most, as `make bench` measures.
    let spares = after.threads.saturating_sub(before.threads);
    assert!(
        after.kilobytes < before.kilobytes + 4_096 + 64 * spares,
        "{before:?} -> {after:?} after {served} requests"
    );
}

#[test]
fn a_graceful_restart_under_load_loses_no_request() {
    let site = site("graceful");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], CONFIGURATION);
    let done = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..8_usize {
            let (done, answered) = (&done, &answered);
            scope.spawn(move || {
                let mut round = number;
                while !done.load(Ordering::Relaxed) {
                    let (user, name) = ASKERS[round % 3];
                    let mut connection = Connection::open().unwrap();
                    connection.send(&request(&witness(user, name), user, "Connection: close\r\n")).unwrap();
                    assert_eq!(connection.receive().unwrap(), (200, name.to_owned()));
                    answered.fetch_add(1, Ordering::Relaxed);
                    round += 1;
                }
            });
        }
        for restart in 1..=4 {
            let reached = answered.load(Ordering::Relaxed) + 100;
            let limit = Duration::from_secs(60);
            wait_for("a hundred more answers", limit, || {
                (answered.load(Ordering::Relaxed) >= reached).then_some(())
            });
            httpd.signal("USR1");
            wait_for("the restart", limit, || {
                let log = httpd.log();
                (log.matches("resuming normal operations").count() > restart).then_some(())
            });
        }
        let reached = answered.load(Ordering::Relaxed) + 100;
        wait_for("a hundred more answers", Duration::from_secs(60), || {
            (answered.load(Ordering::Relaxed) >= reached).then_some(())
        });
        done.store(true, Ordering::Relaxed);
    });
}

/// For one child with this many threads that never ends: it closes no idle connection, and what it holds is
/// comparable.
fn one_child(threads: usize) -> String {
    let servers = format!(
        "StartServers 1\nServerLimit 1\nThreadLimit {threads}\nThreadsPerChild {threads}\n\
         MaxRequestWorkers {threads}\nMinSpareThreads 1\nMaxSpareThreads {threads}\n"
    );
    CONFIGURATION.split("StartServers").next().unwrap_or_default().to_owned() + &servers
}

fn prefork() -> String {
    CONFIGURATION
        .lines()
        .filter(|line| !line.starts_with("ThreadsPerChild"))
        .map(|line| format!("{line}\n"))
        .collect::<String>()
        .replace("ServerLimit 3", "ServerLimit 150")
}
