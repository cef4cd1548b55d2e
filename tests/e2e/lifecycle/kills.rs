//! Signals to busy children, and restarts with requests under way: no crash that httpd does not have without the module,
//! and never an answer from another context. `make kills` sends 500 of each kind on each MPM, and where there was a crash,
//! the same without the module.

use super::soak::client::Client;
use crate::support::audit::{Mark, Unlogged};
use crate::support::httpd::WITHOUT_MODULE;
use crate::support::pages::who;
use crate::support::process_usage::{Held, children};
use crate::support::{BUSY, Httpd, Mpm, Site, outcome, wait_for};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One kind of interruption.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// SIGTERM to all children.
    Term,
    /// SIGHUP to all children.
    Hup,
    /// USR1 to the parent.
    Graceful,
    /// HUP to the parent.
    Ungraceful,
}

const KINDS: [Kind; 4] = [Kind::Term, Kind::Hup, Kind::Graceful, Kind::Ungraceful];

/// More than there are threads to serve them, so that all are busy.
const CLIENTS: usize = 16;

const CONFIGURATION: &str = "
LogLevel notice
AddHandler lua-script .lua
AddHandler cgi-script .cgi
AddOutputFilter INCLUDES .shtml
Alias /a @ROOT@
Alias /b @ROOT@
<Directory @ROOT@>
    Options +Includes
</Directory>
<IfModule selinux_module>
    <Location /a>
        SELinuxDomainVal user_webapp_t:s0:c0
    </Location>
    <Location /b>
        SELinuxDomainVal staff_webapp_t:s0:c1
    </Location>
</IfModule>
";

fn configuration(mpm: Mpm) -> String {
    let servers = match mpm {
        Mpm::Prefork => "StartServers 12\nMinSpareServers 12\nMaxSpareServers 13\nMaxRequestWorkers 12\n",
        _ => {
            "StartServers 4\nThreadsPerChild 3\nMaxRequestWorkers 12\nServerLimit 16\nMinSpareThreads 1\n\
             MaxSpareThreads 12\n"
        }
    };
    format!("{CONFIGURATION}{servers}")
}

/// Takes its time, and names the files that it can read.
const SLOW_LUA: &str = "
function handle(r)
  r.content_type = 'text/plain'
  r.usleep(30000)
  r:puts(who())
  return apache2.OK
end
";

const WHO_CGI: &str = r#"#!/bin/sh
printf 'Content-Type: text/plain\n\n'
for name in a b; do
    { read -r line <"@ROOT@/$name.txt"; } 2>&- && printf '%s%s' "$blank" "$name" && blank=' '
done
sleep 0.03
"#;

const LARGE: usize = 300_000;

fn site(name: &str) -> Site {
    let site = Site::new(name);
    let at = |text: &str| text.replace("@ROOT@", site.root().to_str().unwrap());
    site.file("who.lua", &(who(&site, &["a", "b"]) + SLOW_LUA)).script("who.cgi", &at(WHO_CGI));
    site.file_at("s0:c0", "a.txt", "a\n").file_at("s0:c1", "b.txt", "b\n");
    site.file_at("s0:c0", "large", &"a".repeat(LARGE));
    site.file(
        "page.shtml",
        "<!--#include virtual=\"/b/who.lua\" --> <!--#include virtual=\"/a/who.lua\" -->",
    );
    site
}

/// What is asked for in turn, and what comes back with the module. Without it, all can be read.
const PAGES: [(&str, &str); 5] = [
    ("/a/who.lua", "a"),
    ("/b/who.lua", "b"),
    ("/a/page.shtml", "b a"),
    ("/a/who.cgi", "a"),
    ("/a/large", ""),
];

/// What became of requests.
#[derive(Default)]
struct Counts {
    answered: AtomicUsize,
    broken_off: AtomicUsize,
    /// How the last one was.
    last: Mutex<String>,
    /// Of scripts that have not begun to answer.
    no_scripts: AtomicUsize,
    /// Not what it must be.
    wrong: AtomicUsize,
}

fn value(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}

/// Asks until it is over.
fn ask(number: usize, with_module: bool, counts: &Counts, over: &AtomicBool) {
    let mut client = Client::default();
    let mut round = number;
    while !over.load(Ordering::SeqCst) {
        round += 1;
        let (path, body) = PAGES[round % PAGES.len()];
        let body = match path {
            "/a/large" => "a".repeat(LARGE),
            "/a/page.shtml" if !with_module => "a b a b".to_owned(),
            _ if !with_module => "a b".to_owned(),
            _ => body.to_owned(),
        };
        let close = if round.is_multiple_of(3) { "Connection: close\r\n" } else { "" };
        let reply = match client.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{close}\r\n")) {
            Ok(reply) => reply,
            Err(error) => {
                counts.broken_off.fetch_add(1, Ordering::SeqCst);
                *counts.last.lock().unwrap() = format!("{path}: {error}");
                continue;
            }
        };
        counts.answered.fetch_add(1, Ordering::SeqCst);
        if reply.status == 500 && path == "/a/who.cgi" {
            counts.no_scripts.fetch_add(1, Ordering::SeqCst);
        } else if (reply.status, &reply.body) != (200, &body) {
            eprintln!("{path}: {} {:?}", reply.status, reply.body.chars().take(100).collect::<String>());
            counts.wrong.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// What a kind of interruption has done.
struct Figures {
    /// Children that ended by a signal that they were not sent.
    crashes: usize,
    /// Children that had to be killed with SIGKILL.
    stuck: usize,
    /// Answers that are not what they must be.
    wrong: usize,
}

/// The end of a log: what is new in it.
struct Tail<'h> {
    httpd: &'h Httpd,
    from: usize,
}

impl<'h> Tail<'h> {
    fn of(httpd: &'h Httpd) -> Tail<'h> {
        Tail { httpd, from: httpd.log().len() }
    }

    fn count(&self, text: &str) -> usize {
        self.httpd.log()[self.from..].matches(text).count()
    }
}

fn is_there(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

/// Waits until there are all children, and so many requests were answered since the last interruption.
fn busy(httpd: &Httpd, mpm: Mpm, counts: &Counts) -> Vec<u32> {
    let answered = value(&counts.answered);
    let wanted = if mpm == Mpm::Prefork { 12 } else { 4 };
    wait_for("children to be busy", Duration::from_secs(120), || {
        if value(&counts.answered) < answered + CLIENTS {
            return None;
        }
        let children = children(httpd);
        (children.len() >= wanted).then_some(children)
    })
}

/// Interrupts once. Gives how many children got a signal, or 1 for a restart, and how many of them were stuck.
fn interrupt(httpd: &Httpd, mpm: Mpm, kind: Kind, counts: &Counts) -> (usize, usize) {
    let (signal, is_restart) = match kind {
        Kind::Term => ("TERM", false),
        Kind::Hup => ("HUP", false),
        Kind::Graceful => ("USR1", true),
        Kind::Ungraceful => ("HUP", true),
    };
    if is_restart {
        let answered = value(&counts.answered);
        wait_for("requests under way", Duration::from_secs(60), || {
            (value(&counts.answered) >= answered + CLIENTS).then_some(())
        });
        let tail = Tail::of(httpd);
        httpd.signal(signal);
        wait_for("the restart", Duration::from_secs(120), || {
            (tail.count("resuming normal operations") > 0).then_some(())
        });
        return (1, tail.count("sending a SIGKILL"));
    }
    let pids = busy(httpd, mpm, counts);
    let mut arguments = vec!["-s".to_owned(), signal.to_owned()];
    arguments.extend(pids.iter().map(u32::to_string));
    // One may have ended by itself.
    let _ = outcome("kill", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    if mpm != Mpm::Prefork {
        // Children with threads take no notice of signals that are not their parent's word.
        return (pids.len(), 0);
    }
    let start = Instant::now();
    while pids.iter().any(|pid| is_there(*pid)) && start.elapsed() < Duration::from_secs(20) * BUSY {
        thread::sleep(Duration::from_millis(20));
    }
    let stuck: Vec<_> = pids.iter().filter(|pid| is_there(**pid)).map(u32::to_string).collect();
    for pid in &stuck {
        let _ = outcome("kill", &["-9", pid]);
    }
    (pids.len(), stuck.len())
}

/// Interrupts an httpd until there were so many of each kind.
fn kill(mpm: Mpm, with_module: bool, kinds: &[Kind], count: usize) -> Vec<(Kind, Figures)> {
    let site = site(&format!("kills-{mpm:?}-{with_module}").to_lowercase());
    let mut modules = vec!["lua", "cgi", "include"];
    if !with_module {
        modules.push(WITHOUT_MODULE);
    }
    let httpd = Httpd::start(&site, mpm, &modules, &configuration(mpm));
    let _unlogged = Unlogged::begin();
    kinds.iter().map(|kind| (*kind, kill_with(&httpd, mpm, with_module, *kind, count))).collect()
}

fn kill_with(httpd: &Httpd, mpm: Mpm, with_module: bool, kind: Kind, count: usize) -> Figures {
    let (counts, over) = (Counts::default(), AtomicBool::new(false));
    let (start, tail, parent) = (Instant::now(), Tail::of(httpd), Held::of(httpd.main_pid()));
    let audit = Mark::now();
    let (mut times, mut stuck) = (0, 0);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (counts, over) = (&counts, &over);
            scope.spawn(move || ask(number, with_module, counts, over));
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            while times < count {
                let (more, left) = interrupt(httpd, mpm, kind, &counts);
                (times, stuck) = (times + more, stuck + left);
            }
            // It serves after all of that.
            busy(httpd, mpm, &counts);
        }));
        over.store(true, Ordering::SeqCst);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    // Those that are stuck are killed.
    let crashes = tail.count("exit signal") - tail.count("exit signal Killed");
    let figures = Figures { crashes, stuck, wrong: value(&counts.wrong) };
    let no_scripts = value(&counts.no_scripts);
    crashed(audit, figures.crashes + no_scripts);
    println!(
        "kills, {mpm:?}, {}, {kind:?}: {times} times in {} s; {} answers, {} wrong, {} broken off ({}), \
         {no_scripts} scripts that crashed before they began; {} crashes, {stuck} stuck; parent {parent:?} -> {:?}",
        if with_module { "module" } else { "stock" },
        start.elapsed().as_secs(),
        value(&counts.answered),
        figures.wrong,
        value(&counts.broken_off),
        counts.last.into_inner().unwrap(),
        figures.crashes,
        Held::of(httpd.main_pid())
    );
    figures
}

/// Whether one number of rare events is more than another by more than chance makes it, as a rule: twice what such a
/// difference deviates by.
fn is_more(count: usize, other: usize) -> bool {
    count as f64 - other as f64 > 2.0 * ((count + other) as f64).sqrt()
}

/// Waits until the kernel has told of so many processes that crashed, and finds no more. A script may crash before it
/// begins, with the module and without (mod_lua closes interpreters there that other threads are at).
fn crashed(audit: Mark, count: usize) {
    let crashes = || audit.crashed().len();
    wait_for("the kernel's word on each crash", Duration::from_secs(20), || {
        (crashes() >= count).then_some(())
    });
    assert_eq!(crashes(), count, "children and scripts that crashed");
}

/// How many of each kind.
fn count() -> Option<usize> {
    let wanted = std::env::var("MOD_SELINUX_COUNT").unwrap_or_default();
    (!wanted.is_empty()).then(|| wanted.parse().expect("MOD_SELINUX_COUNT is a number"))
}

fn no_crash_that_stock_httpd_does_not_have(mpm: Mpm) {
    let count = count().unwrap_or(5);
    let with = kill(mpm, true, &KINDS, count);
    let is_fine = |figures: &Figures| figures.crashes == 0 && figures.stuck == 0;
    // Where there is nothing to compare, time is saved.
    let in_doubt: Vec<_> =
        with.iter().filter(|(_, figures)| !is_fine(figures)).map(|(kind, _)| *kind).collect();
    let without = if in_doubt.is_empty() { Vec::new() } else { kill(mpm, false, &in_doubt, count) };
    for (kind, figures) in &with {
        assert_eq!(figures.wrong, 0, "{kind:?}");
        let stock = without.iter().find(|(other, _)| other == kind);
        let (crashes, stuck) = stock.map_or((0, 0), |(_, stock)| (stock.crashes, stock.stuck));
        assert!(
            !is_more(figures.crashes, crashes) && !is_more(figures.stuck, stuck),
            "{mpm:?}, {kind:?}: {} crashes and {} stuck, and {crashes} and {stuck} without the module",
            figures.crashes,
            figures.stuck
        );
    }
}

#[test]
fn no_crash_that_stock_httpd_does_not_have_on_event() {
    no_crash_that_stock_httpd_does_not_have(Mpm::Event);
    // In what the module meets, worker is as event: a long run's.
    if count().is_some() {
        no_crash_that_stock_httpd_does_not_have(Mpm::Worker);
    }
}

#[test]
fn no_crash_that_stock_httpd_does_not_have_on_prefork() {
    no_crash_that_stock_httpd_does_not_have(Mpm::Prefork);
}
