//! What is decided of pools: when a process is started, when one is ended, when nothing more is tried for a while.
//!
//! It does nothing itself and reads no clock: it is told what has happened and when, and says what is to be done. So a test
//! can show it any course of events.

use apps::{App, PoolStatus};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a connection may wait before one more process is started for it.
pub const PATIENCE: Duration = Duration::from_millis(50);

/// How long a connection waits where all contexts are in use, before it gets an error.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A pool has nothing to do when it was not seen to have for so long. Who looks does so more often.
pub const QUIET: Duration = Duration::from_secs(1);

/// How long a process has to end by itself.
pub const GRACE: Duration = Duration::from_secs(60);

/// A process that ends sooner than this after its start has failed.
const SETTLED: Duration = Duration::from_secs(2);

/// How long nothing is tried after a failure: twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Which pool: an application in a context.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// The application's name.
    pub app: String,
    /// The whole context of its processes.
    pub context: String,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Start one of its processes.
    Start(Key),
    /// Ask this process to end, when it has answered what it has begun.
    End(Key, u32),
    /// Kill this process, and all that it has started.
    Kill(Key, u32),
    /// Close its listener: who waits there gets an error, and who comes asks.
    Close(Key),
}

/// A process of a pool.
#[derive(Debug)]
struct Process {
    id: u32,
    since: Instant,
    /// When it was asked to end.
    ending: Option<Instant>,
}

#[derive(Debug)]
struct Pool {
    app: Arc<App>,
    processes: Vec<Process>,
    /// Whether one is about to be there: what it will come to is not told yet.
    starting: bool,
    /// When it was last seen to have something to do.
    busy: Instant,
    /// Since when a connection waits.
    waiting: Option<Instant>,
    /// How many starts have failed, one after the other.
    failures: u32,
    /// Nothing is tried before this.
    pause: Option<Instant>,
    /// Why the last one failed.
    error: Option<String>,
    starts: u64,
}

/// All pools.
#[derive(Default, Debug)]
pub struct Pools {
    all: BTreeMap<Key, Pool>,
    /// Nothing is started any more.
    ending: bool,
}

impl Pools {
    /// Whether a connection at this pool's listener makes a difference; and whether one is there already, so that the question is
    /// whether it still waits when something is due.
    #[must_use]
    pub fn watched(&self, key: &Key) -> Option<bool> {
        let pool = self.all.get(key).filter(|pool| pool.has_room() && !self.ending)?;
        Some(pool.waiting.is_some())
    }

    /// Somebody asks for a pool: its listener is to be there.
    ///
    /// # Errors
    /// Why there is none now.
    pub fn ask(&mut self, key: &Key, app: &Arc<App>, now: Instant) -> Result<(), String> {
        let pool = self.all.entry(key.clone()).or_insert_with(|| Pool {
            app: Arc::clone(app),
            processes: Vec::new(),
            starting: false,
            busy: now,
            waiting: None,
            failures: 0,
            pause: None,
            error: None,
            starts: 0,
        });
        pool.app = Arc::clone(app);
        if let Some(pause) = pool.pause {
            if now < pause {
                let seconds = (pause - now).as_secs() + 1;
                let error = pool.error.as_deref().unwrap_or("it has failed");
                return Err(format!("{error}; tried again in {seconds} s"));
            }
            pool.pause = None;
        }
        pool.busy = now;
        Ok(())
    }

    /// A connection waits at a pool's listener, or none does any more.
    pub fn waits(&mut self, key: &Key, waits: bool, now: Instant) {
        if let Some(pool) = self.all.get_mut(key) {
            pool.waiting = waits.then(|| pool.waiting.unwrap_or(now));
            if waits {
                pool.busy = now;
            }
        }
    }

    /// A pool has been seen to have something to do.
    pub fn is_busy(&mut self, key: &Key, now: Instant) {
        if let Some(pool) = self.all.get_mut(key) {
            pool.busy = now;
        }
    }

    /// A process that is to end has something to do after all, and stays.
    pub fn stays(&mut self, key: &Key, id: u32, now: Instant) {
        let Some(pool) = self.all.get_mut(key) else { return };
        pool.busy = now;
        if let Some(process) = pool.processes.iter_mut().find(|process| process.id == id) {
            process.ending = None;
        }
    }

    /// What `Action::Start` has come to.
    pub fn started(&mut self, key: &Key, result: Result<u32, String>, now: Instant) -> Vec<Action> {
        let Some(pool) = self.all.get_mut(key) else { return Vec::new() };
        pool.starting = false;
        match result {
            Ok(id) => {
                pool.starts += 1;
                pool.waiting = None;
                pool.processes.push(Process { id, since: now, ending: None });
                Vec::new()
            }
            Err(error) => pool.fail(key, error, now),
        }
    }

    /// This process of a pool, which is known, was started before the broker was.
    pub fn adopt(&mut self, key: &Key, id: u32, now: Instant) {
        if let Some(pool) = self.all.get_mut(key) {
            pool.processes.push(Process { id, since: now, ending: None });
        }
    }

    /// The broker is to end: its processes end when they have answered what they have begun, and none is started.
    pub fn end(&mut self, now: Instant) -> Vec<Action> {
        self.ending = true;
        let mut actions = Vec::new();
        for (key, pool) in &mut self.all {
            for process in pool.processes.iter_mut().filter(|process| process.ending.is_none()) {
                process.ending = Some(now);
                actions.push(Action::End(key.clone(), process.id));
            }
        }
        actions
    }

    /// A process has ended. `how`: in words, for the log and for who asks.
    pub fn ended(&mut self, key: &Key, id: u32, how: &str, now: Instant) -> Vec<Action> {
        let Some(pool) = self.all.get_mut(key) else { return Vec::new() };
        let Some(place) = pool.processes.iter().position(|process| process.id == id) else {
            return Vec::new();
        };
        let process = pool.processes.remove(place);
        if process.ending.is_some() {
            return Vec::new();
        }
        if now - process.since < SETTLED {
            return pool.fail(key, format!("it ends as soon as it is started: {how}"), now);
        }
        pool.failures = 0;
        Vec::new()
    }

    /// What is to be done now.
    pub fn due(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut starting = Vec::new();
        for (key, pool) in &mut self.all {
            for process in &mut pool.processes {
                match process.ending {
                    Some(ending) if now - ending >= GRACE => {
                        process.ending = Some(now);
                        actions.push(Action::Kill(key.clone(), process.id));
                    }
                    None if now - pool.busy >= pool.app.idle && pool.waiting.is_none() => {
                        process.ending = Some(now);
                        actions.push(Action::End(key.clone(), process.id));
                    }
                    _ => {}
                }
                // What has lived so long has not failed.
                if process.ending.is_none() && now - process.since >= SETTLED {
                    pool.failures = 0;
                }
            }
            if pool.wants_another(now) && !self.ending {
                starting.push(key.clone());
            }
        }
        for key in starting {
            match self.make_room(&key, now) {
                Some(action) => actions.push(action),
                None => actions.extend(self.give_up(&key, now)),
            }
        }
        actions
    }

    /// Who has waited for long where all contexts are in use gets an error.
    fn give_up(&mut self, key: &Key, now: Instant) -> Option<Action> {
        let pool = self.all.get_mut(key)?;
        let since = pool.waiting.filter(|_| pool.processes.is_empty())?;
        if now - since < LONGEST_WAIT {
            return None;
        }
        pool.waiting = None;
        pool.error = Some(format!("all {} contexts are in use", pool.app.contexts));
        Some(Action::Close(key.clone()))
    }

    /// When `due` is to be asked next, unless something happens before; `None`: nothing is due.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let times = self.all.values().flat_map(|pool| {
            let ends = pool.processes.iter().map(|process| match process.ending {
                Some(ending) => ending + GRACE,
                None => pool.busy + pool.app.idle,
            });
            // What should have been done by then and could not is tried again before long.
            let more = pool.waiting.filter(|_| pool.has_room() && !self.ending);
            ends.chain(more.map(|since| (since + pool.patience()).max(now + PATIENCE)))
        });
        times.min().map(|time| time.max(now))
    }

    /// A start for this pool; or, where all contexts that the application may have are in use, the end of the one that has had
    /// nothing to do for longest. Where none has nothing to do, nobody's is ended.
    fn make_room(&mut self, key: &Key, now: Instant) -> Option<Action> {
        let pool = self.all.get(key)?;
        let limit = pool.app.contexts as usize;
        let others = || self.all.iter().filter(|(other, _)| other.app == key.app && *other != key);
        let alive = others().filter(|(_, pool)| pool.is_alive()).count();
        if pool.is_alive() || alive < limit {
            self.all.get_mut(key)?.starting = true;
            return Some(Action::Start(key.clone()));
        }
        // One that ends already makes room by itself.
        if others().any(|(_, pool)| pool.processes.iter().any(|process| process.ending.is_some())) {
            return None;
        }
        let (oldest, _) = others()
            .filter(|(_, pool)| {
                !pool.processes.is_empty() && pool.waiting.is_none() && pool.busy + QUIET < now
            })
            .min_by_key(|(_, pool)| pool.busy)?;
        let oldest = oldest.clone();
        let process =
            self.all.get_mut(&oldest)?.processes.iter_mut().find(|process| process.ending.is_none())?;
        process.ending = Some(now);
        Some(Action::End(oldest, process.id))
    }

    /// Forgets pools that have neither processes nor failures: those whose listener is to be closed. At most `keep` are kept.
    pub fn forget(&mut self, keep: usize) -> Vec<Action> {
        let mut unused: Vec<_> = self
            .all
            .iter()
            .filter(|(_, pool)| pool.processes.is_empty() && pool.waiting.is_none() && pool.pause.is_none())
            .map(|(key, pool)| (pool.busy, key.clone()))
            .collect();
        unused.sort();
        let excess = self.all.len().saturating_sub(keep);
        let gone: Vec<_> = unused.into_iter().take(excess).map(|(_, key)| key).collect();
        for key in &gone {
            self.all.remove(key);
        }
        gone.into_iter().map(Action::Close).collect()
    }

    /// What there is.
    pub fn tell(&self, now: Instant) -> impl Iterator<Item = PoolStatus> {
        self.all.iter().map(move |(key, pool)| PoolStatus {
            app: key.app.clone(),
            context: key.context.clone(),
            processes: pool.processes.iter().map(|process| process.id).collect(),
            idle: now - pool.busy,
            starts: pool.starts,
            error: pool.error.clone(),
        })
    }
}

impl Pool {
    /// Whether it is one of the contexts in use.
    fn is_alive(&self) -> bool {
        self.starting || !self.processes.is_empty()
    }

    fn has_room(&self) -> bool {
        self.pause.is_none() && !self.starting && self.processes.len() < self.app.processes as usize
    }

    /// How long a connection may wait for the processes that there are.
    fn patience(&self) -> Duration {
        if self.processes.iter().all(|process| process.ending.is_some()) { Duration::ZERO } else { PATIENCE }
    }

    fn wants_another(&self, now: Instant) -> bool {
        self.has_room() && self.waiting.is_some_and(|since| now - since >= self.patience())
    }

    fn fail(&mut self, key: &Key, error: String, now: Instant) -> Vec<Action> {
        self.error = Some(error);
        // Another of its processes was first.
        if self.pause.is_some_and(|pause| now < pause) {
            return Vec::new();
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(6)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.pause = Some(now + pause);
        self.waiting = None;
        vec![Action::Close(key.clone())]
    }
}
