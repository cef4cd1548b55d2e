//! How grave messages are.

/// How grave a message is, by `LogLevel`'s names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// The server cannot start.
    Emergency,
    /// A request was refused, or something does not work.
    Error,
    /// Something to look into.
    Warning,
    /// Worth a line at every start.
    Notice,
    /// For those who look for a cause.
    Debug,
}

impl Level {
    /// The level's name in a `LogLevel` directive.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Emergency => "emerg",
            Level::Error => "error",
            Level::Warning => "warn",
            Level::Notice => "notice",
            Level::Debug => "debug",
        }
    }
}
