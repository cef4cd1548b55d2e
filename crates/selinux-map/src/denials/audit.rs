//! Records of the kernel's audit log, as auditd writes them.
//!
//! Owns their form. Names in them are whatever somebody has called a file: the kernel writes those with blanks, quotes
//! or anything that is no ASCII in hexadecimal, and what is read here is not fit to be printed as it is.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Read as _};

/// The longest line that is looked at; the kernel's are shorter than nine thousand bytes.
const LONGEST: u64 = 64 * 1024;

/// How many events are kept. An event has one denial, or a few.
const MOST: usize = 100_000;

/// One thing that the kernel refused.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Refusal {
    /// What was asked for: `read`, `open`.
    pub permissions: Vec<String>,
    /// Of what kind of object.
    pub class: String,
    /// The context of who asked.
    pub source: String,
    /// The context of the object.
    pub target: String,
    /// The object's path, or name, as the record has it.
    pub object: Option<String>,
    /// Its inode's number.
    inode: Option<String>,
    /// Whether it was only logged, and allowed.
    pub is_permissive: bool,
    /// Whether the kernel found a rule that goes beyond the bounds of the type that asked.
    pub beyond_bounds: bool,
}

/// What belongs to one system call.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Seconds since 1970, and the event's number: `1795262401.144:1558`.
    pub id: String,
    /// What was refused.
    pub refusals: Vec<Refusal>,
    /// The thread's name.
    pub comm: Option<String>,
    /// The thread's number.
    pub pid: Option<String>,
    /// The program that it runs.
    pub exe: Option<String>,
    folder: Option<String>,
}

/// The events of a log in which something was refused, in the log's order.
#[derive(Debug, Default)]
pub struct Events {
    events: Vec<Event>,
    places: HashMap<String, usize>,
    /// Types, class and permission of rules that go beyond bounds. The kernel tells once, of whoever comes first.
    beyond: HashSet<[String; 4]>,
    /// How many lines were too long, or came when there were too many events.
    pub passed_over: usize,
}

impl Events {
    /// Reads one more log.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(&mut self, log: impl BufRead) -> io::Result<()> {
        let mut passed_over = 0;
        for_each_line(log, &mut passed_over, |line| self.line(line))?;
        self.passed_over += passed_over;
        Ok(())
    }

    /// What was read, each event whole.
    pub fn finish(mut self) -> Vec<Event> {
        for refusal in self.events.iter_mut().flat_map(|event| &mut event.refusals) {
            refusal.beyond_bounds =
                refusal.permissions.iter().any(|permission| self.beyond.contains(&refusal.key(permission)));
        }
        self.events
    }

    fn line(&mut self, line: &str) {
        // What auditd adds for readers comes behind this sign.
        let line = line.split('\u{1d}').next().unwrap_or_default();
        let Some((kind, id, rest)) = head(line) else { return };
        match kind {
            "AVC" if rest.contains("denied") => {
                let Some(refusal) = refusal(rest) else { return };
                let Some(event) = self.event(id, true) else { return };
                event.refusals.push(refusal);
                event.comm = event.comm.take().or_else(|| text(rest, "comm"));
                event.pid = event.pid.take().or_else(|| text(rest, "pid"));
            }
            "SELINUX_ERR" if field(rest, "reason") == Some("bounds") => {
                let of = contexts(rest);
                for permission in field(rest, "perms").unwrap_or_default().split(',') {
                    if self.beyond.len() < MOST {
                        self.beyond.insert(of.key(permission));
                    }
                }
            }
            "SYSCALL" => {
                let Some(event) = self.event(id, false) else { return };
                event.comm = event.comm.take().or_else(|| text(rest, "comm"));
                event.pid = event.pid.take().or_else(|| text(rest, "pid"));
                event.exe = text(rest, "exe");
            }
            "CWD" => {
                if let Some(event) = self.event(id, false) {
                    event.folder = text(rest, "cwd");
                }
            }
            "PATH" => {
                if let Some(event) = self.event(id, false) {
                    event.path(text(rest, "name"), field(rest, "inode"));
                }
            }
            _ => {}
        }
    }

    /// The event of this number; made where it is not there yet, if `make`.
    fn event(&mut self, id: &str, make: bool) -> Option<&mut Event> {
        if !self.places.contains_key(id) {
            if !make {
                return None;
            }
            if self.events.len() == MOST {
                self.passed_over += 1;
                return None;
            }
            self.places.insert(id.to_owned(), self.events.len());
            self.events.push(Event { id: id.to_owned(), ..Event::default() });
        }
        self.events.get_mut(*self.places.get(id)?)
    }
}

impl Refusal {
    fn key(&self, permission: &str) -> [String; 4] {
        let type_ = |context: &str| context.split(':').nth(2).unwrap_or_default().to_owned();
        [type_(&self.source), type_(&self.target), self.class.clone(), permission.to_owned()]
    }
}

impl Event {
    /// A file that the system call was about: its whole path is better than the name that the refusal has.
    fn path(&mut self, name: Option<String>, inode: Option<&str>) {
        let Some(name) = name else { return };
        let path = match &self.folder {
            Some(folder) if !name.starts_with('/') => format!("{}/{name}", folder.trim_end_matches('/')),
            _ => name,
        };
        for refusal in &mut self.refusals {
            let is_path = refusal.object.as_ref().is_some_and(|object| object.starts_with('/'));
            if path.starts_with('/') && !is_path && inode.is_some() && refusal.inode.as_deref() == inode {
                refusal.object = Some(path.clone());
            }
        }
    }
}

/// Calls `body` with each line, as far as it is not too long; counts those that are.
///
/// # Errors
/// Those of reading.
pub fn for_each_line(
    mut log: impl BufRead,
    too_long: &mut usize,
    mut body: impl FnMut(&str),
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut is_rest = false;
    loop {
        bytes.clear();
        if log.by_ref().take(LONGEST).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(());
        }
        let ends = bytes.last() == Some(&b'\n');
        match (is_rest, ends || (bytes.len() as u64) < LONGEST) {
            (false, true) => body(String::from_utf8_lossy(&bytes).trim_end_matches('\n')),
            (false, false) => *too_long += 1,
            (true, _) => {}
        }
        is_rest = !ends;
    }
}

/// The kind of a record, its event's number, and what follows.
fn head(line: &str) -> Option<(&str, &str, &str)> {
    let line = match line.strip_prefix("node=") {
        Some(rest) => rest.split_once(' ')?.1,
        None => line,
    };
    let (kind, rest) = line.strip_prefix("type=")?.split_once(" msg=audit(")?;
    let (id, rest) = rest.split_once("):")?;
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b':');
    (is_number && id.len() <= 64).then_some((kind, id, rest))
}

fn refusal(record: &str) -> Option<Refusal> {
    let (_, rest) = record.split_once('{')?;
    let (permissions, rest) = rest.split_once('}')?;
    Some(Refusal {
        permissions: permissions.split_whitespace().map(str::to_owned).collect(),
        object: text(rest, "path").or_else(|| text(rest, "name")),
        inode: field(rest, "ino").map(str::to_owned),
        is_permissive: field(rest, "permissive") == Some("1"),
        ..contexts(rest)
    })
}

fn contexts(record: &str) -> Refusal {
    let of = |name| field(record, name).unwrap_or_default().to_owned();
    Refusal { source: of("scontext"), target: of("tcontext"), class: of("tclass"), ..Refusal::default() }
}

/// The value of a field as it stands there. The kernel puts no blank into one.
fn field<'r>(record: &'r str, name: &str) -> Option<&'r str> {
    record.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
}

/// A field that is text from outside: in quotes, or, where it has more than quotes can hold, in hexadecimal.
fn text(record: &str, name: &str) -> Option<String> {
    let value = field(record, name).filter(|value| *value != "(null)")?;
    if let Some(quoted) = value.strip_prefix('"') {
        return Some(quoted.strip_suffix('"').unwrap_or(quoted).to_owned());
    }
    // A number stands without quotes, too.
    let is_number = name == "pid";
    let is_hex = value.len().is_multiple_of(2) && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_number || !is_hex {
        return Some(value.to_owned());
    }
    let pairs = value.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Vec<_> = pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
