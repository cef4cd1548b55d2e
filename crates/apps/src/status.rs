//! What the broker tells root: how many callers it has refused, and a line for each pool.

use std::fmt;
use std::time::Duration;

/// What there is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// How many callers were refused.
    pub refused: u64,
    /// Each application in each context that is known.
    pub pools: Vec<PoolStatus>,
}

/// An application in a context.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolStatus {
    /// The application's name.
    pub app: String,
    /// The whole context of its processes.
    pub context: String,
    /// The numbers of its processes: of those that the broker has started, each the leader of a session.
    pub processes: Vec<u32>,
    /// How long it has had nothing to do, in seconds.
    pub idle: Duration,
    /// How many processes have been started for it.
    pub starts: u64,
    /// Why the last start failed.
    pub error: Option<String>,
}

impl Status {
    /// Reads the broker's answer; `None` where it is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Status> {
        let (first, rest) = text.split_once('\n')?;
        let refused = first.strip_prefix("refused ")?.parse().ok()?;
        let pools = rest.split_terminator('\n').map(PoolStatus::read).collect::<Option<_>>()?;
        (rest.is_empty() || rest.ends_with('\n')).then_some(Status { refused, pools })
    }
}

impl PoolStatus {
    fn read(line: &str) -> Option<PoolStatus> {
        let mut words = line.strip_prefix("pool ")?.splitn(6, ' ');
        let app = words.next()?.to_owned();
        let context = words.next()?.to_owned();
        let processes = words.next()?.strip_prefix("processes=")?;
        let processes =
            processes.split_terminator(',').map(|word| word.parse().ok()).collect::<Option<_>>()?;
        let idle = Duration::from_secs(words.next()?.strip_prefix("idle=")?.parse().ok()?);
        let starts = words.next()?.strip_prefix("starts=")?.parse().ok()?;
        let error = words.next()?.strip_prefix("error=")?;
        let error = (!error.is_empty()).then(|| error.to_owned());
        Some(PoolStatus { app, context, processes, idle, starts, error })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "refused {}", self.refused)?;
        self.pools.iter().try_for_each(|pool| write!(f, "{pool}"))
    }
}

impl fmt::Display for PoolStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let processes: Vec<_> = self.processes.iter().map(u32::to_string).collect();
        writeln!(
            f,
            "pool {} {} processes={} idle={} starts={} error={}",
            self.app,
            self.context,
            processes.join(","),
            self.idle.as_secs(),
            self.starts,
            self.error.as_deref().unwrap_or_default().replace(char::is_control, " ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{PoolStatus, Status};
    use std::time::Duration;

    #[test]
    fn what_is_told_is_read_and_nothing_else() {
        let pool = PoolStatus {
            app: "php".to_owned(),
            context: "system_u:system_r:user_app_t:s0:c0,c1".to_owned(),
            processes: vec![7, 4_194_304],
            idle: Duration::from_secs(12),
            starts: 3,
            error: Some("it ends as soon as it is started: exit status 1".to_owned()),
        };
        let idle = PoolStatus { processes: Vec::new(), error: None, ..pool.clone() };
        let status = Status { refused: 5, pools: vec![pool, idle] };
        assert_eq!(Status::read(&status.to_string()), Some(status));
        assert_eq!(Status::read("refused 0\n"), Some(Status::default()));
        for text in [
            "",
            "refused 0",
            "refused x\n",
            "no it is for root alone\n",
            "refused 0\npool php\n",
            "refused 0\npool",
        ] {
            assert_eq!(Status::read(text), None, "{text:?}");
        }
    }
}
