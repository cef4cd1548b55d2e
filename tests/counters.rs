//! `src/status` itself, as far as it knows nothing of httpd: exact whoever counts at once, and near enough in what
//! it says of times.
#![allow(dead_code)] // What the module uses, and this does not.

#[path = "../src/status/board.rs"]
mod board;
#[path = "../src/status/latency.rs"]
mod latency;
#[path = "../src/httpd/seqlock.rs"]
mod seqlock;
// Where board.rs finds it in the module.
mod httpd {
    pub(crate) use crate::seqlock;
}

use board::{CounterBoard, WORDS, WORKERS, WorkerKind};
use messages::{Code, REFUSALS};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

fn board() -> CounterBoard {
    CounterBoard::new((0..WORDS).map(|_| AtomicU64::new(0)).collect::<Vec<_>>().leak())
}

#[test]
fn a_percentile_is_at_most_a_sixteenth_off() {
    let mut counts = vec![0; latency::CLASSES];
    // One of each of 10,000 times, from 1 to 50 microseconds, in whatever order.
    let time = |rank: u64| 1000 + rank * 49_000 / 9999;
    (0..10_000).for_each(|rank| counts[latency::class_of(time(rank))] += 1);
    for percent in [1, 10, 50, 90, 99, 100] {
        let (true_one, told) = (time(percent * 100 - 1), latency::percentile(&counts, percent).unwrap());
        assert!(told.abs_diff(true_one) * 16 <= true_one, "p{percent}: {told} and not {true_one}");
    }
    assert_eq!(latency::percentile(&[0; latency::CLASSES], 50), None);
}

#[test]
fn each_time_has_a_class_and_longer_ones_no_lower_one() {
    let times = (0..64).flat_map(|power| [0, 1, 2].map(|part| (1_u64 << power) | part << power >> 2));
    let mut times: Vec<_> = times.chain([0, u64::MAX]).collect();
    times.sort_unstable();
    let classes: Vec<_> = times.iter().map(|time| latency::class_of(*time)).collect();
    assert!(classes.is_sorted() && classes.iter().all(|class| *class < latency::CLASSES), "{classes:?}");
    assert_eq!((classes[0], *classes.last().unwrap()), (0, latency::CLASSES - 1));
}

const ROUNDS: u64 = 1_000_000;

#[test]
fn what_is_counted_at_once_is_counted() {
    let board = board();
    let sets = [board.take_set(), board.take_set()];
    assert_ne!(sets[0], sets[1]);
    thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                // Threads of a child have the same.
                let set = sets[number as usize / 4];
                for round in 0..ROUNDS {
                    board.kept(set);
                    board.entered(set, 1000 * number + round);
                    board.refused(set, Code::NoRule);
                    board.refused(set, Code::Started);
                }
            });
        }
    });
    let totals = board.totals();
    assert_eq!((totals.kept, totals.entered.iter().sum::<u64>()), (8 * ROUNDS, 8 * ROUNDS));
    for (code, count) in REFUSALS.iter().zip(totals.refused) {
        assert_eq!(count, if *code == Code::NoRule { 8 * ROUNDS } else { 0 }, "{code}");
    }
}

#[test]
fn workers_that_come_and_go_are_never_told_by_halves() {
    let board = board();
    let over = AtomicBool::new(false);
    // As long as can be noted, so that half of one and half of another would be seen.
    let contexts = ["a", "b", "c"].map(|letter| letter.repeat(232));
    thread::scope(|scope| {
        for process in 1..=2 {
            let (contexts, over) = (&contexts, &over);
            scope.spawn(move || {
                // Both want the same places, for one context after the other.
                let mut contexts = contexts.iter().cycle();
                while !over.load(Ordering::Relaxed) {
                    let place = board
                        .worker_begins(process, 0, WorkerKind::Active, contexts.next().unwrap().as_bytes())
                        .unwrap();
                    (0..500).for_each(|_| std::hint::spin_loop());
                    board.worker_ends(place);
                }
            });
        }
        let (mut seen, mut halves) = (0, Vec::new());
        while seen < 100_000 {
            let workers = board.workers(WorkerKind::Active);
            seen += workers.len();
            halves.extend(workers.into_keys().filter(|context| !contexts.contains(context)));
        }
        over.store(true, Ordering::Relaxed);
        assert!(halves.is_empty(), "{} of {seen}: {}", halves.len(), halves[0]);
    });
    assert!(board.workers(WorkerKind::Active).is_empty());
}

#[test]
fn a_process_that_ends_takes_its_own_workers_with_it_and_there_is_room_for_so_many() {
    let board = board();
    for number in 0..WORKERS {
        let process = 1 + number as u32 % 2;
        assert!(
            board.worker_begins(process, 7, WorkerKind::Active, process.to_string().as_bytes()).is_some()
        );
    }
    assert_eq!(board.worker_begins(3, 7, WorkerKind::Active, b"one too many"), None);
    let counts = |board: CounterBoard| board.workers(WorkerKind::Active).into_iter().collect::<Vec<_>>();
    let each = WORKERS / 2;
    assert_eq!(counts(board), [("1".to_owned(), each), ("2".to_owned(), each)]);
    board.process_ended(2);
    assert_eq!(counts(board), [("1".to_owned(), each)]);
    assert!(board.worker_begins(3, 7, WorkerKind::Active, &b"x".repeat(250)).is_some());
    assert_eq!(counts(board)[1], (format!("{}...", "x".repeat(240)), 1));
}
