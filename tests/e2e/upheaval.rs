//! What happens to a server while it is at work: the kernel's mode and policy change, processes are killed, httpd is
//! restarted. Who is answered is answered in their own context, before, meanwhile and after.

use crate::support::raw::Connection;
use crate::support::{Httpd, Mpm, Site, outcome, run, wait_for};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Tells the categories that it runs in by the files that it can open.
const WHICH: &str = r#"
function handle(r)
  r.content_type = "text/plain"
  for _, name in ipairs({"foo", "bar", "nobody"}) do
    local file = io.open("@ROOT@/" .. name .. ".txt")
    if file then
      r:puts(name)
      file:close()
    end
  end
  return apache2.OK
end
"#;

const CONFIGURATION: &str = "
AddHandler lua-script .lua
SELinuxDomainMap @ETC@/map
StartServers 2
MaxRequestWorkers 50
";

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.config_file("map", "foo user_webapp_t:s0:c0\nbar user_webapp_t:s0:c1\n");
    site.file("which.lua", &WHICH.replace("@ROOT@", site.root().to_str().unwrap()));
    for (name, category) in [("foo", "c0"), ("bar", "c1"), ("nobody", "c2")] {
        site.file_at(&format!("s0:{category}"), &format!("{name}.txt"), "");
    }
    site
}

/// What clients got.
#[derive(Default)]
struct Counts {
    answered: AtomicUsize,
    broken_off: AtomicUsize,
}

/// Asks as two users on four connections all the while that `body` runs. Each answer is a page made in the user's own
/// context, or, where `enforced` is not, with more rights, which the kernel then only logs. Gives what became of them.
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
                    connection = Some(open);
                    counts.answered.fetch_add(1, Ordering::Relaxed);
                    // Only where it was enforced all the while is the answer the policy's.
                    if is_enforced && enforced.load(Ordering::SeqCst) {
                        assert_eq!((status, body.as_str()), (200, user));
                    } else {
                        assert_eq!(status, 200, "{user}: {body}");
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
    let before = counts.answered.load(Ordering::Relaxed);
    wait_for("answers", Duration::from_secs(30), || {
        (counts.answered.load(Ordering::Relaxed) >= before + answers).then_some(())
    });
}

/// Ends what it began, whatever becomes of the test.
struct Enforcing;

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
