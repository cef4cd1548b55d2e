//! What a subcommand answers, and how it gets out: text for people, JSON for programs, an exit code for
//! scripts.

use std::fmt::{self, Display};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::problem::Problem;
pub use crate::text::printable;

/// The answer of a subcommand that could do what it was asked: [`Display`] is the text for people.
pub trait Answer: Display + Serialize {
    /// The exit code.
    fn status(&self) -> u8;
}

/// Why a subcommand could not do what it was asked.
#[derive(Debug, Serialize)]
pub struct CommandError {
    /// The exit code.
    #[serde(skip)]
    pub status: u8,
    /// What is wrong.
    pub error: String,
    /// What is wrong with a map file, where that is the reason.
    pub problems: Vec<Problem>,
}

impl CommandError {
    /// The request cannot be fulfilled as things are: exit code 1.
    pub fn refused(error: impl Into<String>) -> Self {
        Self { status: 1, error: error.into(), problems: Vec::new() }
    }

    /// The command line, or the machine: exit code 2.
    pub fn usage(error: impl Into<String>) -> Self {
        Self { status: 2, ..Self::refused(error) }
    }

    /// A file that cannot be read or written: exit code 2.
    pub fn file(verb: &str, path: &Path, error: &io::Error) -> Self {
        Self::usage(format!("cannot {verb} {}: {error}", path.display()))
    }

    /// A map file with errors in it: exit code 1.
    pub fn map(path: &Path, problems: Vec<Problem>) -> Self {
        Self { problems, ..Self::refused(format!("{} has errors", path.display())) }
    }
}

impl Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| write!(f, "{problem}"))?;
        writeln!(f, "selinux-map: {}", self.error)
    }
}

/// Prints an answer or why there is none, and gives the exit code. Trouble goes to standard error, but for
/// programs to standard output as all else.
pub fn show<A: Answer>(result: Result<A, CommandError>, json: bool) -> ExitCode {
    let (status, text) = match &result {
        Ok(answer) => (answer.status(), if json { as_json(answer) } else { answer.to_string() }),
        Err(trouble) if json => (trouble.status, as_json(trouble)),
        Err(trouble) => {
            // Standard error is where it would be said that this failed.
            let _ = io::stderr().write_all(trouble.to_string().as_bytes());
            (trouble.status, String::new())
        }
    };
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        // Whoever reads has read enough: `selinux-map diff … | head`.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "selinux-map: cannot write to standard output: {error}");
            ExitCode::from(2)
        }
        _ => ExitCode::from(status),
    }
}

fn as_json(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("answers have nothing that JSON has not");
    text + "\n"
}
