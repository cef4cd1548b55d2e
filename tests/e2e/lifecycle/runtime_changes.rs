//! What happens to a server while it is at work: the kernel's mode and policy change, processes are killed, httpd is
//! restarted. Who is answered is answered in their own context, before, meanwhile and after.

use crate::lifecycle::policies::with_module;
use crate::support::pages::who_page;
use crate::support::raw::Connection;
use crate::support::{Httpd, Mpm, Site, outcome, run, wait_for};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const CONFIGURATION: &str = "
AddHandler lua-script .lua
SELinuxDomainMap @ETC@/map
StartServers 2
MaxRequestWorkers 50
";

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.config_file("map", "foo user_webapp_t:s0:c0\nbar user_webapp_t:s0:c1\n");
    site.file("which.lua", &who_page(&site, &["foo", "bar", "nobody"]));
    for (name, category) in [("foo", "c0"), ("bar", "c1"), ("nobody", "c2")] {
        site.file_at(&format!("s0:{category}"), &format!("{name}.txt"), "");
    }
    site
}

/// What clients got.
#[derive(Default)]
struct Counts {
    answered: AtomicUsize,
    refused: AtomicUsize,
    broken_off: AtomicUsize,
}

/// Asks as two users on four connections all the while that `body` runs. Each answer is a page made in the user's own
/// context, or, where `enforced` is not, with more rights, which the kernel then only logs, or with none, or it is
/// refused. Gives what became of them.
fn under_load(enforced: &AtomicBool, body: impl FnOnce(&Counts)) -> Counts {
    let counts = Counts::default();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for user in ["foo", "bar", "foo", "bar"] {
            let (counts, over) = (&counts, &over);
            scope.spawn(move || {
                let mut connection = None;
                while !over.load(Ordering::Relaxed) {
                    let is_enforced = enforced.load(Ordering::SeqCst);
                    let open = match connection.take() {
                        Some(open) => Ok(open),
                        None => Connection::open(),
                    };
                    let answer = open.and_then(|mut open| {
                        let answer = open.get("/private/which.lua", Some(user))?;
                        Ok((open, answer))
                    });
                    let Ok((open, (status, body))) = answer else {
                        counts.broken_off.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(20));
                        continue;
                    };
                    let is_refused = status == 500;
                    // httpd closes the connection with such an answer.
                    connection = (!is_refused).then_some(open);
                    let count = if is_refused { &counts.refused } else { &counts.answered };
                    count.fetch_add(1, Ordering::Relaxed);
                    // Only where it was enforced all the while is the answer the policy's.
                    if is_enforced && enforced.load(Ordering::SeqCst) {
                        assert_eq!((status, body.as_str()), (200, user));
                    } else {
                        assert!(is_refused || status == 200, "{user}: {status} {body}");
                    }
                }
            });
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(&counts)));
        over.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    counts
}

/// Waits until clients were answered so many times more.
fn more(counts: &Counts, answers: usize) {
    more_of(&counts.answered, answers);
}

fn more_of(count: &AtomicUsize, number: usize) {
    let before = count.load(Ordering::Relaxed);
    wait_for("answers", Duration::from_secs(30), || {
        (count.load(Ordering::Relaxed) >= before + number).then_some(())
    });
}

/// Has the kernel enforce again when it goes, whatever becomes of the test.
pub struct Enforcing;

impl Drop for Enforcing {
    fn drop(&mut self) {
        run("setenforce", &["1"]);
    }
}

#[test]
fn modes_and_policies_that_change_under_load_cost_no_request() {
    let site = site("modes");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], CONFIGURATION);
    let enforced = AtomicBool::new(true);
    let _enforcing = Enforcing;
    let counts = under_load(&enforced, |counts| {
        for _ in 0..5 {
            more(counts, 20);
            enforced.store(false, Ordering::SeqCst);
            run("setenforce", &["0"]);
            more(counts, 20);
            run("setenforce", &["1"]);
            enforced.store(true, Ordering::SeqCst);
            more(counts, 20);
            // The kernel takes the policy anew, and forgets what it has decided by the one before.
            run("load_policy", &[]);
        }
        more(counts, 20);
    });
    assert_eq!(counts.broken_off.into_inner(), 0);
    assert!(!httpd.log().contains("SEL01"), "{}", httpd.log());
}

#[test]
fn processes_that_are_killed_under_load_take_only_their_own_connections_with_them() {
    let site = site("killed");
    let enforced = AtomicBool::new(true);
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, &["lua"], CONFIGURATION);
        let parent = httpd.main_pid().to_string();
        let counts = under_load(&enforced, |counts| {
            more(counts, 20);
            let children = String::from_utf8_lossy(&outcome("pgrep", &["-P", &parent]).stdout).into_owned();
            for child in children.lines() {
                run("kill", &["-9", child]);
                more(counts, 20);
            }
            // Ungraceful, graceful: what is under way is broken off, or not.
            httpd.signal("HUP");
            more(counts, 20);
            let broken_off = counts.broken_off.load(Ordering::Relaxed);
            httpd.signal("USR1");
            more(counts, 20);
            // A connection that waits for its next request is closed, as without the module.
            assert!(counts.broken_off.load(Ordering::Relaxed) <= broken_off + 8);
        });
        assert!(counts.answered.into_inner() >= 100);
        assert!(httpd.is_active());
        assert!(!httpd.log().contains("SEL01"), "{}", httpd.log());
        // SIGTERM with requests under way: the server ends, and nobody is left.
        let enforced = AtomicBool::new(true);
        under_load(&enforced, |counts| {
            more(counts, 20);
            httpd.signal("TERM");
            wait_for("its end", Duration::from_secs(20), || (!httpd.is_active()).then_some(()));
        });
    }
}

#[test]
fn a_policy_module_that_goes_under_load_has_requests_refused_until_it_is_back() {
    let site = site("removed");
    site.config_file("map", "foo passing_webapp_t:s0:c0\nbar passing_webapp_t:s0:c1\n");
    let policy = with_module();
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], CONFIGURATION);
    let children = httpd.children();
    let enforced = AtomicBool::new(true);
    let counts = under_load(&enforced, |counts| {
        for _ in 0..3 {
            more(counts, 20);
            enforced.store(false, Ordering::SeqCst);
            policy.suspend();
            // Who began before is served to the end; then nobody is any more.
            wait_for("refusals alone", Duration::from_secs(30), || {
                let answered = counts.answered.load(Ordering::Relaxed);
                more_of(&counts.refused, 20);
                (counts.answered.load(Ordering::Relaxed) == answered).then_some(())
            });
            policy.resume();
            more(counts, 20);
            enforced.store(true, Ordering::SeqCst);
        }
        more(counts, 20);
    });
    // Who was served when the type went could not write to the connection any more.
    assert!(counts.broken_off.into_inner() <= 3 * 4);
    httpd.logged(&["SEL0101", "passing_webapp_t:s0:c0 cannot be entered", "Invalid argument"]);
    assert_eq!(httpd.children(), children);
}

/// Says that it has begun, and answers with who asks, where it may read their file, once it may.
const SLOW: &str = r#"
function handle(r)
  io.open("@ROOT@/begun-" .. r.user .. "/" .. r.args, "w"):close()
  while not io.open("@ROOT@/go") do r.usleep(50000) end
  r:puts(io.open("@ROOT@/" .. r.user .. ".txt") and r.user or "refused")
  return apache2.OK
end
"#;

#[test]
fn requests_under_way_are_served_to_their_end_at_a_graceful_restart_and_a_graceful_stop() {
    let site = site("gracefully");
    let root = site.root().to_str().unwrap().to_owned();
    site.file("slow.lua", &SLOW.replace("@ROOT@", &root))
        .writable("begun-foo", "s0:c0")
        .writable("begun-bar", "s0:c1");
    let enforced = AtomicBool::new(true);
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start(&site, mpm, &["lua"], CONFIGURATION);
        for (signal, name) in [("USR1", "restart"), ("WINCH", "stop")] {
            let go = site.root().join("go");
            let _ = std::fs::remove_file(&go);
            thread::scope(|scope| {
                let slow = |user: &'static str| {
                    let name = format!("{name}-{mpm:?}-{user}");
                    let path = format!("/private/slow.lua?{name}");
                    let answer = scope.spawn(move || Connection::open()?.get(&path, Some(user)));
                    let begun = site.root().join(format!("begun-{user}")).join(name);
                    wait_for("its begin", Duration::from_secs(30), || begun.exists().then_some(()));
                    (user, answer)
                };
                let slow = ["foo", "bar"].map(slow);
                let children = httpd.children();
                under_load(&enforced, |counts| {
                    more(counts, 20);
                    httpd.signal(signal);
                    if signal == "WINCH" {
                        // It listens no more.
                        wait_for("the stop", Duration::from_secs(20), || {
                            Connection::open().is_err().then_some(())
                        });
                    } else {
                        wait_for("new children", Duration::from_secs(20), || {
                            httpd.children().iter().any(|child| !children.contains(child)).then_some(())
                        });
                        more(counts, 20);
                    }
                    assert!(slow.iter().all(|(_, answer)| !answer.is_finished()), "{mpm:?} {signal}");
                    site.file("go", "");
                });
                for (user, answer) in slow {
                    let answer = answer.join().unwrap();
                    assert_eq!(answer.unwrap(), (200, user.to_owned()), "{mpm:?} {signal}");
                }
            });
        }
        wait_for("its end", Duration::from_secs(20), || (!httpd.is_active()).then_some(()));
        let log = httpd.log();
        assert!(!log.contains("SEL01") && !log.contains("exit signal"), "{log}");
    }
}
