//! A long run of all kinds of requests at once, with graceful restarts: nobody is served in another context, nothing is
//! lost, nothing fails, nothing grows. `make soak` makes 500,000 requests; `make test`, a few of each kind.

pub mod client;
mod mix;
mod streams;

use crate::support::audit::Unlogged;
use crate::support::process_usage::{Held, children};
use crate::support::{Httpd, Mpm, wait_for};
use client::Client;
use mix::{Step, Verdict};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use streams::{Connection, Outcome};

/// Clients with HTTP/1.1. One more has HTTP/2, where there is such.
const CLIENTS: usize = 6;
/// Streams at once.
const STREAMS: usize = 10;
/// Between restarts; a short run has four of them.
const PERIOD: Duration = Duration::from_secs(60);

/// What became of requests.
#[derive(Default)]
struct Tally {
    answered: AtomicUsize,
    again: AtomicUsize,
    vanished: AtomicUsize,
    unconfined: AtomicUsize,
    server_errors: AtomicUsize,
    no_scripts: AtomicUsize,
    lost: AtomicUsize,
    wrong: AtomicUsize,
    ways: Mutex<BTreeMap<&'static str, usize>>,
    /// The first that went wrong.
    told: Mutex<Vec<String>>,
}

fn add(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn value(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::Relaxed)
}

impl Tally {
    /// All that were made.
    fn made(&self) -> usize {
        value(&self.answered) + value(&self.vanished) + value(&self.lost)
    }

    fn answer(&self, step: &Step, status: u16, body: &str, again: bool) {
        add(&self.answered);
        *self.ways.lock().unwrap().entry(step.way).or_default() += 1;
        if again {
            add(&self.again);
        }
        match step.judge(status, body, again) {
            Verdict::Right => return,
            Verdict::Unconfined => add(&self.unconfined),
            Verdict::ServerError => add(&self.server_errors),
            Verdict::NoScript => return add(&self.no_scripts),
            Verdict::Wrong => add(&self.wrong),
        }
        let shown: String = body.chars().take(200).collect();
        self.tell(format!("{status} {shown:?}, wanted {} (again: {again})", step.status), step);
    }

    fn lose(&self, step: &Step, error: &dyn std::fmt::Display) {
        add(&self.lost);
        self.tell(format!("lost: {error}"), step);
    }

    fn tell(&self, what: String, step: &Step) {
        let mut told = self.told.lock().unwrap();
        if told.len() < 20 {
            told.push(format!("{} {} as {}: {what}", step.method, step.path, step.user));
        }
    }

    /// What there must be none of.
    fn faults(&self) -> [(&'static str, usize); 4] {
        [
            ("unconfined", value(&self.unconfined)),
            ("5xx", value(&self.server_errors)),
            ("lost", value(&self.lost)),
            ("wrong", value(&self.wrong)),
        ]
    }
}

/// What clients are to do.
#[derive(Default)]
struct Orders {
    pause: AtomicBool,
    over: AtomicBool,
    resting: AtomicUsize,
}

impl Orders {
    /// Waits while there is a pause. `false`: it is over.
    fn go_on(&self, close: impl FnOnce()) -> bool {
        if self.pause.load(Ordering::SeqCst) {
            close();
            self.resting.fetch_add(1, Ordering::SeqCst);
            while self.pause.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(20));
            }
            self.resting.fetch_sub(1, Ordering::SeqCst);
        }
        !self.over.load(Ordering::SeqCst)
    }
}

/// Numbers without an order that anybody sees.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap()
    }
}

/// Asks on a connection that is kept, mostly.
fn requests(number: usize, mpm: Mpm, tally: &Tally, orders: &Orders) {
    let (mut client, mut chance, mut round) = (Client::default(), Chance(number as u64), 0);
    while orders.go_on(|| client.close()) {
        round += 1;
        let draw = chance.next();
        if draw % 70 == 0 {
            let (text, after) = mix::vanishing(chance.next());
            // Where httpd ends first, it is the same.
            let _ = client.vanish(&text, after);
            add(&tally.vanished);
            continue;
        }
        for step in mix::steps(chance.next(), &format!("{number}-{round}"), mpm) {
            let text = step.text(if draw % 5 == 0 { "Connection: close\r\n" } else { "" });
            match client.ask(&text) {
                Ok(reply) => tally.answer(&step, reply.status, &reply.body, reply.again),
                Err(error) => tally.lose(&step, &error),
            }
        }
    }
}

/// Asks on HTTP/2 connections, many times at once.
fn streams(tally: &Tally, orders: &Orders) {
    let (mut connection, mut chance) = (None, Chance(99));
    // What the last connection's end has left.
    let mut left: Vec<Step> = Vec::new();
    while orders.go_on(|| connection = None) {
        let mut steps = std::mem::take(&mut left);
        let again = steps.len();
        steps.extend((again..STREAMS).map(|_| mix::stream(chance.next())));
        let mut open = match connection.take().map_or_else(Connection::open, Ok) {
            Ok(open) => open,
            Err(error) => {
                tally.lose(&steps[0], &error);
                continue;
            }
        };
        let (outcomes, is_open) = open.ask(&steps);
        for (place, (step, outcome)) in steps.iter().zip(outcomes).enumerate() {
            match outcome {
                Outcome::Answered(status, body) => tally.answer(step, status, &body, place < again),
                Outcome::NotBegun => left.push(step.clone()),
                Outcome::Lost(why) => tally.lose(step, &why),
            }
        }
        connection = (is_open && chance.next() % 20 > 0).then_some(open);
    }
}

/// What httpd holds while it has nothing to do.
struct Sample {
    parent: Held,
    child: Held,
}

/// Waits until the old children are gone, and the others at rest.
fn settled(httpd: &Httpd, mpm: Mpm) -> Sample {
    let (count, threads) = mix::rest(mpm);
    let child = wait_for("httpd's children to be at rest", 2 * PERIOD, || {
        let pids = children(httpd);
        let most = pids.iter().map(|pid| Held::of(*pid)).fold(Held::default(), Held::most);
        (pids.len() == count && most.threads <= threads).then_some(most)
    });
    Sample { parent: Held::of(httpd.main_pid()), child }
}

fn soak(mpm: Mpm, all: usize) {
    let site = mix::site(mpm);
    let modules: Vec<_> =
        mix::MODULES.iter().copied().filter(|name| mpm != Mpm::Prefork || *name != "http2").collect();
    let httpd = Httpd::start(&site, mpm, &modules, &mix::configuration(mpm));
    let _unlogged = Unlogged::begin();
    let (tally, orders) = (Tally::default(), Orders::default());
    let (begin, mut samples, mut restarts) = (Instant::now(), Vec::new(), 0);
    let clients = CLIENTS + usize::from(mpm != Mpm::Prefork);
    thread::scope(|scope| {
        let (tally, orders) = (&tally, &orders);
        for number in 0..CLIENTS {
            scope.spawn(move || requests(number, mpm, tally, orders));
        }
        if mpm != Mpm::Prefork {
            scope.spawn(move || streams(tally, orders));
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            loop {
                let (start, before) = (Instant::now(), tally.made());
                wait_for("a minute's requests", 10 * PERIOD, || {
                    let made = tally.made();
                    (start.elapsed() >= PERIOD || made - before >= all / 5 || made >= all).then_some(())
                });
                let is_end = tally.made() >= all;
                orders.pause.store(true, Ordering::SeqCst);
                wait_for("clients to rest", 2 * PERIOD, || {
                    (orders.resting.load(Ordering::SeqCst) == clients).then_some(())
                });
                let sample = settled(&httpd, mpm);
                println!(
                    "soak, {mpm:?}: {:5} s, {:6} requests, {restarts:3} restarts, {:?}, parent {:?}, largest child {:?}",
                    begin.elapsed().as_secs(),
                    tally.made(),
                    tally.faults(),
                    sample.parent,
                    sample.child
                );
                samples.push(sample);
                if is_end {
                    break;
                }
                orders.pause.store(false, Ordering::SeqCst);
                let (answered, up) = (value(&tally.answered), ups(&httpd));
                wait_for("requests under way", PERIOD, || {
                    (value(&tally.answered) > answered + 2 * CLIENTS).then_some(())
                });
                httpd.signal("USR1");
                wait_for("the restart", 2 * PERIOD, || (ups(&httpd) > up).then_some(()));
                restarts += 1;
            }
        }));
        orders.over.store(true, Ordering::SeqCst);
        orders.pause.store(false, Ordering::SeqCst);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    println!(
        "soak, {mpm:?}: {} requests, {} of them vanished clients', {} scripts that crashed before they began, {} asked \
         again on a new connection, {restarts} restarts, {} s; {:?}",
        tally.made(),
        value(&tally.vanished),
        value(&tally.no_scripts),
        value(&tally.again),
        begin.elapsed().as_secs(),
        tally.ways.lock().unwrap()
    );
    let told = tally.told.lock().unwrap();
    assert!(tally.faults().iter().all(|(_, count)| *count == 0), "{:?}\n{}", tally.faults(), told.join("\n"));
    let log = httpd.log();
    // What each start says.
    let is_start = |line: &str| line.contains("SEL0010") || line.contains("SEL0020");
    let is_bad = |line: &&str| line.contains("exit signal") || line.contains("SEL0") && !is_start(line);
    assert_eq!(log.lines().find(is_bad), None);
    // mod_lua's interpreters are closed in a process that becomes a script (`apr_pool_userdata_set` in lua_vmprep.c), also
    // those that other threads are changing just then: it may crash, with the module and without.
    let crashes = httpd.audit.crashed();
    assert_eq!(crashes.len(), value(&tally.no_scripts), "scripts without an answer, and {crashes:#?}");
    // The first one has not had all kinds of requests, perhaps: pools and malloc's arenas still find their size.
    let (first, last) = (&samples[1], &samples[samples.len() - 1]);
    for (first, last) in [(first.parent, last.parent), (first.child, last.child)] {
        assert!(last.descriptors <= first.descriptors, "{first:?} -> {last:?}");
    }
    // A child's threads have a limit in `settled`.
    assert_eq!(last.parent.threads, first.parent.threads);
    assert!(last.child.kilobytes < first.child.kilobytes + 8_192, "{:?} -> {:?}", first.child, last.child);
}

/// How often httpd has said that it is up.
fn ups(httpd: &Httpd) -> usize {
    httpd.log().matches("resuming normal operations").count()
}

/// How many requests are to be made: a fifth of them on prefork, with PHP.
fn all() -> usize {
    let wanted = std::env::var("MOD_SELINUX_REQUESTS").unwrap_or_default();
    if wanted.is_empty() { 1_500 } else { wanted.parse().expect("MOD_SELINUX_REQUESTS is a number") }
}

#[test]
fn nothing_mixes_fails_or_grows_over_all_kinds_of_requests_and_graceful_restarts_on_event() {
    soak(Mpm::Event, all() - all() / 5);
}

#[test]
fn nothing_mixes_fails_or_grows_over_all_kinds_of_requests_and_graceful_restarts_on_prefork() {
    soak(Mpm::Prefork, all() / 5);
}
