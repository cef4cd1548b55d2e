//! The broker's loop: what callers ask is answered, processes are started where connections wait, and end when they have
//! nothing to do. One thread, and nothing in it waits for anybody.

use crate::place;
use crate::pools::{Action, Key, Pools};
use crate::program;
use crate::supervisor::{self, Supervisor};
use crate::sys::{self, Process};
use crate::usage::{Connections, was_connected};
use apps::{Answer, App, Folder, Line, MAX_LINE, Question, SocketStyle, Status};
use mapping::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many callers are attended to at one time. Further ones wait in the socket's queue.
const CALLERS: usize = 64;

/// How long a caller has for its line, and to take its answer.
const HASTE: Duration = Duration::from_secs(2);

/// How often it is asked who has something to do.
const INTERVAL: Duration = Duration::from_millis(500);

/// How many pools are remembered. Their listeners and their processes find room in the supervisor's store
/// (`FileDescriptorStoreMax`).
const REMEMBERED: usize = 1_000;

/// The broker, and all that it holds.
pub struct Daemon {
    apps: Folder,
    /// Folders of sockets, and of states.
    run: PathBuf,
    state: PathBuf,
    control: UnixListener,
    callers: Vec<Caller>,
    supervisor: Supervisor,
    pools: Pools,
    open: BTreeMap<Key, Open>,
    processes: BTreeMap<u32, (Key, Process)>,
    refused: u64,
    /// Readable when the broker is to end; then, whether it was.
    signals: OwnedFd,
    is_ending: bool,
    /// When it was asked last who has something to do.
    looked: Instant,
}

/// A pool's listener.
struct Open {
    listener: UnixListener,
    path: PathBuf,
    context: Context,
    app: Arc<App>,
}

/// A connection to the broker's own socket.
struct Caller {
    stream: UnixStream,
    since: Instant,
    line: Vec<u8>,
}

impl Daemon {
    /// A broker that answers on `control`.
    ///
    /// # Errors
    /// Its socket cannot be set up.
    pub fn new(control: UnixListener, apps: Folder, run: PathBuf, state: PathBuf) -> io::Result<Daemon> {
        control.set_nonblocking(true)?;
        Ok(Daemon {
            apps,
            run,
            state,
            control,
            callers: Vec::new(),
            supervisor: Supervisor::new()?,
            pools: Pools::default(),
            open: BTreeMap::new(),
            processes: BTreeMap::new(),
            refused: 0,
            signals: sys::ending_signals()?,
            is_ending: false,
            looked: Instant::now(),
        })
    }

    /// Takes a pool's listener over from the broker that was before: who waits there is served.
    ///
    /// # Errors
    /// It is none, or its application is gone: it is closed.
    pub fn adopt(&mut self, socket: OwnedFd, now: Instant) -> Result<(), String> {
        let told = |error: io::Error| error.to_string();
        let text = supervisor::context_of(&socket).map_err(told)?;
        let context = Context::parse(&text).map_err(|error| error.to_string())?;
        let listener = UnixListener::from(socket);
        let address = listener.local_addr().map_err(told)?;
        let path = address.as_pathname().ok_or("it has no path")?.to_owned();
        let name = path.strip_prefix(&self.run).ok().and_then(|path| path.iter().next()?.to_str());
        let name = name.ok_or_else(|| format!("{} is no pool's", path.display()))?;
        let app = self.apps.get(name)?;
        let key = Key { app: name.to_owned(), context: text };
        self.pools.ask(&key, &app, now)?;
        self.open.insert(key, Open { listener, path, context, app });
        Ok(())
    }

    /// Takes over a process that the broker that was before had started. Its pool's listener is taken over first.
    ///
    /// # Errors
    /// It has ended, or its pool is gone: then nothing connects to it any more, and it is killed.
    pub fn adopt_process(&mut self, name: &str, descriptor: OwnedFd, now: Instant) -> Result<(), String> {
        let (pool, id) = name.rsplit_once('.').ok_or("it is no process's name")?;
        let id: u32 = id.parse().map_err(|_| "it is no process's name")?;
        let number = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or("it is no process's name")?;
        if process_of(&descriptor) != Some(id) {
            let _ = self.supervisor.forget(name);
            return Err("it has ended".to_owned());
        }
        let process = Process { id: number, descriptor };
        let Some(key) = self.open.keys().find(|key| kept_name(key) == pool).cloned() else {
            let _ = kill_process_group(number, Signal::KILL);
            let _ = self.supervisor.forget(name);
            return Err("its pool is gone".to_owned());
        };
        self.pools.adopt(&key, id, now);
        self.processes.insert(id, (key, process));
        Ok(())
    }

    /// Serves, until the process is asked to end (SIGTERM, SIGINT) and all that it has started has ended.
    ///
    /// # Errors
    /// The kernel no longer tells what has happened.
    pub fn run(&mut self) -> io::Result<()> {
        self.supervisor.keep(supervisor::CONTROL, self.control.as_fd())?;
        self.supervisor.ready()?;
        while !(self.is_ending && self.processes.is_empty()) {
            self.turn()?;
        }
        Ok(())
    }

    /// Ends what was started, each when it has answered what it has begun. Who comes meanwhile waits for the next broker.
    fn end(&mut self, now: Instant) {
        self.is_ending = true;
        let _ = self.supervisor.stopping();
        let actions = self.pools.end(now);
        self.perform(actions, now);
    }

    /// Waits for something to happen, and does what is to be done then.
    fn turn(&mut self) -> io::Result<()> {
        let now = Instant::now();
        self.look_again(now);
        self.look_for_use(now);
        let actions: Vec<_> = self.pools.due(now).into_iter().chain(self.pools.forget(REMEMBERED)).collect();
        self.perform(actions, now);
        let is_new = |key: &&Key| self.pools.watched(key) == Some(false);
        let watched: Vec<Key> = self.open.keys().filter(is_new).cloned().collect();
        let numbers: Vec<u32> = self.processes.keys().copied().collect();
        let asked = self.callers.len();
        let (ends, accepts, ready, waiting, ended) = {
            let mut descriptors = Vec::new();
            let flags = |is_wanted| if is_wanted { PollFlags::IN } else { PollFlags::empty() };
            descriptors.push(PollFd::new(&self.signals, flags(!self.is_ending)));
            descriptors.push(PollFd::new(&self.control, flags(asked < CALLERS && !self.is_ending)));
            descriptors.extend(self.callers.iter().map(|caller| PollFd::new(&caller.stream, PollFlags::IN)));
            descriptors
                .extend(watched.iter().map(|key| PollFd::new(&self.open[key].listener, PollFlags::IN)));
            descriptors.extend(
                numbers.iter().map(|id| PollFd::new(&self.processes[id].1.descriptor, PollFlags::IN)),
            );
            let deadline =
                self.callers.iter().map(|caller| caller.since + HASTE).chain(self.pools.next(now)).min();
            let timeout = deadline.map(|deadline| Timespec::try_from(deadline - now).unwrap_or_default());
            match poll(&mut descriptors, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let is_ready: Vec<bool> = descriptors.iter().map(|one| !one.revents().is_empty()).collect();
            let (callers, rest) = is_ready[2..].split_at(asked);
            let (listeners, ends) = rest.split_at(watched.len());
            (is_ready[0], is_ready[1], callers.to_vec(), listeners.to_vec(), ends.to_vec())
        };
        let now = Instant::now();
        for (key, waits) in watched.iter().zip(waiting) {
            self.pools.waits(key, waits, now);
        }
        for id in numbers.into_iter().zip(ended).filter_map(|(id, ended)| ended.then_some(id)) {
            self.bury(id, now);
        }
        self.attend(&ready, now);
        if accepts {
            self.accept(now);
        }
        if ends {
            self.end(now);
        }
        Ok(())
    }

    /// Asks which pools have something to do, where processes may be about to end.
    fn look_for_use(&mut self, now: Instant) {
        if self.processes.is_empty() || now - self.looked < INTERVAL {
            return;
        }
        self.looked = now;
        let connections = Connections::read();
        for (key, open) in &self.open {
            if connections.has(&open.path) || was_connected(&open.path).unwrap_or(true) {
                self.pools.is_busy(key, now);
            }
        }
    }

    /// Whether a pool has a connection now.
    fn is_connected(&self, key: &Key) -> bool {
        self.open.get(key).is_some_and(|open| Connections::read().has(&open.path))
    }

    /// Asks whether the connections that waited at the last turn still do.
    fn look_again(&mut self, now: Instant) {
        for (key, open) in &self.open {
            if self.pools.watched(key) == Some(true) {
                let mut one = [PollFd::new(&open.listener, PollFlags::IN)];
                let waits = poll(&mut one, Some(&Timespec::default())).is_ok_and(|count| count > 0);
                self.pools.waits(key, waits, now);
            }
        }
    }

    /// Takes those who wait at the broker's own socket.
    fn accept(&mut self, now: Instant) {
        while self.callers.len() < CALLERS {
            match self.control.accept() {
                Ok((stream, _)) if stream.set_nonblocking(true).is_ok() => {
                    self.callers.push(Caller { stream, since: now, line: Vec::new() });
                }
                Ok(_) => {}
                // Nobody else waits; or no descriptor is left, and they wait on.
                Err(_) => return,
            }
        }
    }

    /// Reads what callers say, and answers those whose line has come.
    fn attend(&mut self, ready: &[bool], now: Instant) {
        let mut callers = std::mem::take(&mut self.callers);
        let mut ready = ready.iter().copied().chain(std::iter::repeat(false));
        callers.retain_mut(|caller| {
            let line = if ready.next().unwrap_or(false) { caller.read() } else { Line::Unfinished };
            match line {
                Line::Unfinished if now - caller.since < HASTE => return true,
                Line::Unfinished => self.refuse(caller, "it has said nothing for too long"),
                Line::Wrong => self.refuse(caller, "it has said what nobody asks"),
                Line::Whole(question) => self.answer(caller, &question, now),
            }
            false
        });
        self.callers = callers;
    }

    fn refuse(&mut self, caller: &mut Caller, why: &str) {
        self.refused += 1;
        let who =
            confinement::peer(caller.stream.as_fd()).map_or("no context".to_owned(), |who| who.to_string());
        eprintln!("refused: a caller in {who}: {why}");
        caller.say(&Answer::No(why.to_owned()).to_string());
    }

    fn answer(&mut self, caller: &mut Caller, question: &Question, now: Instant) {
        let who = match confinement::peer(caller.stream.as_fd()) {
            Ok(who) => who,
            Err(error) => {
                return self.refuse(caller, &format!("the kernel does not tell its context: {error}"));
            }
        };
        match question {
            Question::Status if is_root(&caller.stream) => caller.say(&self.status(now).to_string()),
            // It is of all contexts.
            Question::Status => self.refuse(caller, "the list of pools is for root alone"),
            Question::Pool(name) => match self.pool(name, &who, now) {
                Ok(path) => caller.say(&Answer::Ok(path.display().to_string()).to_string()),
                Err(why) => self.refuse(caller, &format!("{name}: {why}")),
            },
        }
    }

    /// The socket of a pool for a caller in this context.
    fn pool(&mut self, name: &str, who: &Context, now: Instant) -> Result<PathBuf, String> {
        let app = self.apps.get(name)?;
        let type_ = app
            .callers
            .get(who.type_())
            .ok_or_else(|| format!("callers has no worker = {:?}", who.type_()))?;
        let context = Context::parse(&format!("{}:{}:{type_}", who.user(), who.role()))
            .map_err(|error| error.to_string())?
            .with_range(who.range().cloned());
        let key = Key { app: name.to_owned(), context: context.to_string() };
        self.pools.ask(&key, &app, now)?;
        if !self.open.contains_key(&key) {
            let open = self.listen(&key, context, app).map_err(|error| format!("no socket: {error}"))?;
            self.open.insert(key.clone(), open);
        }
        Ok(self.open[&key].path.clone())
    }

    fn listen(&self, key: &Key, context: Context, app: Arc<App>) -> io::Result<Open> {
        let folder = place::make_folder(&self.run, key, &context, place::SOCKET_TYPE, 0o700)?;
        let (listener, path) = place::listen(&folder, &context)?;
        // Where it is not kept, who waits when the broker ends gets an error.
        if let Err(error) = self.supervisor.keep(&kept_name(key), listener.as_fd()) {
            eprintln!("{}: the supervisor does not keep it: {error}", path.display());
        }
        Ok(Open { listener, path, context, app })
    }

    /// Does what is to be done.
    fn perform(&mut self, actions: Vec<Action>, now: Instant) {
        let mut left = actions;
        while let Some(action) = left.pop() {
            match action {
                Action::Start(key) => left.extend(self.start(&key, now)),
                // Somebody may have connected since it was asked last.
                Action::End(key, id) if !self.is_ending && self.is_connected(&key) => {
                    self.pools.stays(&key, id, now)
                }
                Action::End(key, id) => self.signal(id, self.ending_signal(&key)),
                Action::Kill(_, id) => self.signal(id, Signal::KILL),
                Action::Close(key) => {
                    if let Some(open) = self.open.remove(&key) {
                        let _ = std::fs::remove_file(&open.path);
                        let _ = self.supervisor.forget(&kept_name(&key));
                    }
                }
            }
        }
    }

    fn start(&mut self, key: &Key, now: Instant) -> Vec<Action> {
        let Some(open) = self.open.get_mut(key) else { return Vec::new() };
        // The file may have changed since somebody asked.
        let result = self.apps.get(&key.app).and_then(|app| {
            if !app.callers.values().any(|type_| type_ == open.context.type_()) {
                return Err(format!("callers has no app = {:?} any more", open.context.type_()));
            }
            open.app = app;
            program::start(&open.app, key, &open.context, &open.listener, &self.state)
        });
        if let Err(error) = &result {
            eprintln!("{} in {}: {error}", key.app, key.context);
        }
        let result = result.map(|process| {
            let id = process.id.as_raw_nonzero().get().unsigned_abs();
            if let Err(error) =
                self.supervisor.keep_process(&kept_process(key, id), process.descriptor.as_fd())
            {
                eprintln!(
                    "{} in {}: the supervisor does not keep process {id}: {error}",
                    key.app, key.context
                );
            }
            self.processes.insert(id, (key.clone(), process));
            id
        });
        self.pools.started(key, result, now)
    }

    /// What ends a pool's processes when they have answered what they have begun.
    fn ending_signal(&self, key: &Key) -> Signal {
        match self.open.get(key).map(|open| open.app.socket) {
            // php-fpm(8): SIGQUIT is its graceful stop, SIGTERM an immediate one.
            Some(SocketStyle::Fpm) => Signal::QUIT,
            _ => Signal::TERM,
        }
    }

    fn signal(&self, id: u32, signal: Signal) {
        if let Some((_, process)) = self.processes.get(&id) {
            // The leader of a session is one of a group. Ending goes to it alone: it knows what its own processes do.
            let _ = match signal {
                Signal::KILL => kill_process_group(process.id, signal),
                _ => kill_process(process.id, signal),
            };
        }
    }

    /// A process has ended.
    fn bury(&mut self, id: u32, now: Instant) {
        let Some((key, process)) = self.processes.remove(&id) else { return };
        let status = waitid(WaitId::PidFd(process.descriptor.as_fd()), WaitIdOptions::EXITED).ok().flatten();
        let _ = self.supervisor.forget(&kept_process(&key, id));
        // What it has left behind goes with it.
        let _ = kill_process_group(process.id, Signal::KILL);
        let how = match status.map(|status| (status.exit_status(), status.terminating_signal())) {
            Some((Some(code), _)) => format!("exit status {code}"),
            Some((_, Some(signal))) => format!("signal {signal}"),
            _ => "how is not known".to_owned(),
        };
        let actions = self.pools.ended(&key, id, &how, now);
        if !actions.is_empty() {
            eprintln!("{} in {}: it ends as soon as it is started: {how}", key.app, key.context);
        }
        self.perform(actions, now);
    }

    fn status(&self, now: Instant) -> Status {
        Status { refused: self.refused, pools: self.pools.tell(now).collect() }
    }
}

/// Whether root has made the other end.
fn is_root(stream: &UnixStream) -> bool {
    socket_peercred(stream).is_ok_and(|who| who.uid.is_root())
}

/// The number of the process that a descriptor is of; `None` where it has ended, or is no process's (`kernel/fork.c:
/// pidfd_show_fdinfo`).
fn process_of(descriptor: &OwnedFd) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd())).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}

/// The name by which a pool's listener is kept.
fn kept_name(key: &Key) -> String {
    format!("{}-{}", key.app, place::name(&key.context))
}

/// The name by which a process of a pool is kept: no application's name has a dot.
fn kept_process(key: &Key, id: u32) -> String {
    format!("{}.{id}", kept_name(key))
}

impl Caller {
    /// What has come of its line.
    fn read(&mut self) -> Line {
        let mut bytes = [0; MAX_LINE];
        match self.stream.read(&mut bytes) {
            Ok(0) => Line::Wrong,
            Ok(count) => {
                self.line.extend(&bytes[..count]);
                Line::read(&self.line)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Line::Unfinished,
            Err(_) => Line::Wrong,
        }
    }

    /// Says what the socket takes at once. Who does not read gets no more.
    fn say(&mut self, text: &str) {
        let _ = self.stream.write(text.as_bytes());
    }
}
