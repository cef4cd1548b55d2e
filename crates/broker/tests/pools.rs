//! Any course of events: never more processes or contexts than an application may have, nobody waits for ever, nothing is
//! tried again before its time.

use apps::App;
use broker::pools::{Action, GRACE, Key, LONGEST_WAIT, PATIENCE, Pools};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const FILE: &str = "
command = [\"/bin/x\"]
socket = \"fastcgi\"
protocol = \"fcgi\"
processes = 2
contexts = 3
idle = \"10s\"
[[callers]]
worker = \"a_t\"
app = \"b_t\"
";

#[derive(Clone, Debug)]
enum Event {
    Ask(usize),
    Connect(usize),
    /// A process of a pool takes what waits.
    Accept(usize),
    /// The process with this place among those that are alive ends by itself.
    Crash(usize),
    /// The next start fails.
    Missing(bool),
    /// One that was asked to end does so.
    Obey(usize),
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (0..5_usize).prop_map(Event::Ask),
        (0..5_usize).prop_map(Event::Connect),
        (0..5_usize).prop_map(Event::Accept),
        (0..8_usize).prop_map(Event::Crash),
        any::<bool>().prop_map(Event::Missing),
        (0..8_usize).prop_map(Event::Obey),
        (1..20_000_u64).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..200)
}

/// The world that the broker acts in.
struct World {
    pools: Pools,
    app: Arc<App>,
    now: Instant,
    next_id: u32,
    alive: BTreeMap<u32, (Key, bool)>,
    listens: BTreeMap<Key, bool>,
    fails: bool,
}

fn key(number: usize) -> Key {
    Key { app: "x".to_owned(), context: format!("u:r:b_t:s0:c{number}") }
}

impl World {
    fn new() -> World {
        World {
            pools: Pools::default(),
            app: Arc::new(App::parse("x", FILE).unwrap()),
            now: Instant::now(),
            next_id: 1,
            alive: BTreeMap::new(),
            listens: BTreeMap::new(),
            fails: false,
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(key) => {
                    assert!(self.listens[&key], "a start where nobody waits");
                    let result = if self.fails { Err("missing".to_owned()) } else { Ok(self.next_id) };
                    if result.is_ok() {
                        self.alive.insert(self.next_id, (key.clone(), false));
                        self.next_id += 1;
                    }
                    let more = self.pools.started(&key, result, self.now);
                    self.perform(more);
                }
                Action::End(key, id) => {
                    let (owner, ending) = self.alive.get_mut(&id).expect("one that is alive");
                    assert_eq!((&*owner, *ending), (&key, false), "asked twice");
                    *ending = true;
                }
                Action::Kill(_, id) => {
                    let (key, ending) = self.alive.remove(&id).expect("one that is alive");
                    assert!(ending, "killed without having been asked");
                    let more = self.pools.ended(&key, id, "signal 9", self.now);
                    assert_eq!(more, [], "one that had to end has not failed");
                }
                Action::Close(key) => {
                    assert!(self.listens.remove(&key).is_some(), "closed twice");
                }
            }
        }
        let mut of_each: BTreeMap<&Key, usize> = BTreeMap::new();
        for (key, _) in self.alive.values() {
            *of_each.entry(key).or_default() += 1;
        }
        assert!(of_each.values().all(|count| *count <= 2), "{of_each:?}");
        assert!(of_each.len() <= 3, "{of_each:?}");
    }

    fn due(&mut self) {
        let actions = self.pools.due(self.now);
        self.perform(actions);
    }

    fn happens(&mut self, event: &Event) {
        match event {
            Event::Ask(number) => {
                if self.pools.ask(&key(*number), &self.app, self.now).is_ok() {
                    self.listens.entry(key(*number)).or_insert(false);
                }
            }
            Event::Connect(number) => {
                if let Some(waits) = self.listens.get_mut(&key(*number)) {
                    *waits = true;
                    self.pools.waits(&key(*number), true, self.now);
                }
            }
            Event::Accept(number) => {
                let key = key(*number);
                if self.alive.values().any(|(owner, _)| *owner == key) && self.listens.contains_key(&key) {
                    self.listens.insert(key.clone(), false);
                    self.pools.waits(&key, false, self.now);
                }
            }
            Event::Crash(place) | Event::Obey(place) => {
                let obeys = matches!(event, Event::Obey(_));
                let which = self.alive.iter().filter(|(_, (_, ending))| *ending == obeys).nth(*place);
                if let Some((id, (key, _))) = which.map(|(id, owner)| (*id, owner.clone())) {
                    self.alive.remove(&id);
                    let more = self.pools.ended(&key, id, "exit status 0", self.now);
                    self.perform(more);
                }
            }
            Event::Missing(fails) => self.fails = *fails,
            Event::Pass(milliseconds) => self.now += Duration::from_millis(*milliseconds),
        }
        self.due();
        assert!(self.pools.next(self.now).is_none_or(|next| next >= self.now));
    }
}

proptest! {
    #[test]
    fn limits_hold_and_nothing_is_done_twice(events in events()) {
        let mut world = World::new();
        for event in &events {
            world.happens(event);
        }
        // Whatever came before: when all is well, and those that were asked to end do so, who waits is served.
        world.happens(&Event::Missing(false));
        world.happens(&Event::Pass(60_000));
        for number in 0..5 {
            world.happens(&Event::Accept(number));
        }
        world.happens(&Event::Pass(120_000));
        for place in 0..8 {
            world.happens(&Event::Obey(8 - place - 1));
        }
        world.now += GRACE;
        world.due();
        world.happens(&Event::Ask(0));
        world.happens(&Event::Connect(0));
        world.now += PATIENCE;
        world.due();
        for _ in 0..8 {
            world.happens(&Event::Obey(0));
        }
        world.due();
        prop_assert!(world.alive.values().any(|(owner, _)| *owner == key(0)), "nobody serves who waits");
    }
}

#[test]
fn who_finds_all_contexts_busy_gets_an_error_and_not_anothers_process() {
    let mut world = World::new();
    for number in 0..3 {
        world.happens(&Event::Ask(number));
        world.happens(&Event::Connect(number));
    }
    assert_eq!(world.alive.len(), 3);
    world.happens(&Event::Ask(3));
    world.happens(&Event::Connect(3));
    // The others go on being busy.
    for _ in 0..200 {
        for number in 0..3 {
            world.pools.is_busy(&key(number), world.now);
        }
        world.happens(&Event::Pass(PATIENCE.as_millis() as u64));
    }
    assert!(LONGEST_WAIT <= PATIENCE * 200);
    assert!(!world.listens.contains_key(&key(3)), "it waits for ever");
    assert_eq!(world.alive.values().filter(|(_, ending)| *ending).count(), 0, "a busy one was ended");
}

#[test]
fn a_program_that_fails_is_tried_again_later_and_later() {
    let mut world = World::new();
    world.fails = true;
    let mut pauses = Vec::new();
    for _ in 0..9 {
        world.happens(&Event::Ask(0));
        world.happens(&Event::Connect(0));
        world.due();
        let refused = world.pools.ask(&key(0), &world.app, world.now).unwrap_err();
        assert!(refused.starts_with("missing; tried again in "), "{refused}");
        let start = world.now;
        while world.pools.ask(&key(0), &world.app, world.now).is_err() {
            world.now += Duration::from_millis(100);
        }
        pauses.push((world.now - start).as_secs_f64().round() as u32);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[test]
fn what_has_nothing_to_do_ends_and_what_has_does_not() {
    let mut world = World::new();
    world.happens(&Event::Ask(0));
    world.happens(&Event::Connect(0));
    world.happens(&Event::Accept(0));
    assert_eq!(world.alive.len(), 1);
    world.happens(&Event::Pass(9_000));
    world.pools.is_busy(&key(0), world.now);
    world.happens(&Event::Pass(9_000));
    assert!(world.alive.values().all(|(_, ending)| !ending));
    world.happens(&Event::Pass(1_000));
    assert!(world.alive.values().all(|(_, ending)| *ending));
    world.happens(&Event::Pass(60_000));
    assert!(world.alive.is_empty(), "it was killed");
}
