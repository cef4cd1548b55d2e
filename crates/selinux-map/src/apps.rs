//! `selinux-map apps`: what processes applications have, in which contexts.
//!
//! The broker says which there are, to root alone; the kernel says how much memory they take.

use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use apps::{Answer as BrokerAnswer, PoolStatus, Question, Status};
use serde::Serialize;

use crate::answer::{Answer, CommandError, printable};

/// How long the broker has for its answer: it waits for nobody itself.
const HASTE: Duration = Duration::from_secs(5);

/// Show what processes the applications have (SetHandler selinux-app:NAME), in which contexts; for root
#[derive(clap::Args)]
pub struct AppsArgs {
    /// The broker's socket, as SELinuxBroker has it
    #[arg(long, value_name = "SOCKET", default_value = "/run/mod_selinux/broker")]
    broker: PathBuf,
}

/// What there is.
#[derive(Serialize)]
pub struct Listed {
    refused: u64,
    pools: Vec<Pool>,
}

/// An application in a context.
#[derive(Serialize)]
struct Pool {
    app: String,
    context: String,
    processes: Vec<u32>,
    memory: Option<u64>,
    idle: u64,
    starts: u64,
    error: Option<String>,
}

/// Asks the broker, and the kernel.
pub fn run(args: &AppsArgs) -> Result<Listed, CommandError> {
    let text = ask(args).map_err(|error| {
        let path = args.broker.display();
        CommandError::usage(format!("{path}: {error} (is selinux-broker.service running? only root may ask)"))
    })?;
    if let Some(BrokerAnswer::No(reason)) = BrokerAnswer::read(text.as_bytes()) {
        return Err(CommandError::refused(format!("selinux-broker refuses: {reason}")));
    }
    let status =
        Status::read(&text).ok_or_else(|| CommandError::refused("selinux-broker's answer is none"))?;
    let memory = Memory::read();
    let pools = status.pools.into_iter().map(|pool| Pool::new(pool, &memory)).collect();
    Ok(Listed { refused: status.refused, pools })
}

fn ask(args: &AppsArgs) -> io::Result<String> {
    let mut stream = UnixStream::connect(&args.broker)?;
    stream.set_read_timeout(Some(HASTE))?;
    stream.write_all(Question::Status.to_string().as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

impl Pool {
    fn new(pool: PoolStatus, memory: &Memory) -> Pool {
        Pool {
            memory: memory.of(&pool.processes),
            app: pool.app,
            context: pool.context,
            processes: pool.processes,
            idle: pool.idle.as_secs(),
            starts: pool.starts,
            error: pool.error,
        }
    }
}

/// What processes have in memory: `(session, bytes)` each.
struct Memory(Vec<(u32, u64)>);

impl Memory {
    fn read() -> Memory {
        let page = rustix::param::page_size() as u64;
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        // What ends meanwhile is left out.
        let texts = entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
        Memory(texts.filter_map(|text| stat(&text)).map(|(session, pages)| (session, pages * page)).collect())
    }

    /// Of sessions with these leaders, which is what the broker starts; `None` where there is none.
    fn of(&self, leaders: &[u32]) -> Option<u64> {
        let own = self.0.iter().filter(|(session, _)| leaders.contains(session)).map(|(_, bytes)| *bytes);
        (!leaders.is_empty()).then(|| own.sum())
    }
}

/// `(session, resident pages)`, the 6th and the 24th field of /proc/PID/stat; the program's name in it may have any characters.
fn stat(text: &str) -> Option<(u32, u64)> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let session = fields.nth(3)?.parse().ok()?;
    let pages = fields.nth(17)?.parse().ok()?;
    Some((session, pages))
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pool in &self.pools {
            let processes: Vec<_> = pool.processes.iter().map(u32::to_string).collect();
            let processes = if processes.is_empty() { "none".to_owned() } else { processes.join(" ") };
            writeln!(f, "{} in {}", printable(&pool.app), printable(&pool.context))?;
            writeln!(f, "  processes: {processes}, started {} times", pool.starts)?;
            if let Some(bytes) = pool.memory {
                writeln!(f, "  memory: {} KiB", bytes >> 10)?;
            }
            writeln!(f, "  idle: {} s", pool.idle)?;
            if let Some(error) = &pool.error {
                writeln!(f, "  last error: {}", printable(error))?;
            }
        }
        writeln!(f, "{} applications in contexts, {} callers refused", self.pools.len(), self.refused)
    }
}

impl Answer for Listed {
    fn status(&self) -> u8 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::stat;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let tail =
            "S 1 7 42 0 -1 4194560 2646 284 0 0 30 28 0 0 20 0 1 0 12345 999424 321 18446744073709551615";
        for name in ["php-fpm8.4", "a b", ") S 1 (", ")"] {
            assert_eq!(stat(&format!("7 ({name}) {tail}\n")), Some((42, 321)), "{name}");
        }
        assert_eq!(stat("7 (a) S 1"), None);
        // The kernel's own line.
        assert!(
            stat(&std::fs::read_to_string("/proc/self/stat").unwrap()).is_some_and(|(_, pages)| pages > 0)
        );
    }
}
