//! The messages of mod_selinux in the error log: their codes and levels, what they mean, and what to do about them.
//!
//! `codes.rs` is the only place that knows the numbers. The README's table is made from it ([`table`]), and counters go by
//! [`Code`], never by a text.
#![forbid(unsafe_code)]

mod codes;
mod level;

pub use codes::{ALL, Code};
pub use level::Level;

use std::borrow::Cow;
use std::fmt;

impl Code {
    /// The level at which its messages are logged, unless one says another ([`Message::at`]).
    pub const fn level(self) -> Level {
        self.row().level
    }

    /// What it means, in Markdown.
    pub const fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// What to do about it, in Markdown; empty where nothing needs to be done.
    pub const fn remedy(self) -> &'static str {
        self.row().remedy
    }

    /// Why a request is refused, in a few words; `None` where the message refuses none.
    pub const fn refusal(self) -> Option<&'static str> {
        self.row().refusal
    }

    /// A message with this code.
    pub fn message(self, text: impl Into<Cow<'static, str>>) -> Message {
        Message { code: self, level: self.level(), text: text.into() }
    }

    /// A message with this code that is always the same.
    pub const fn constant(self, text: &'static str) -> Message {
        Message { code: self, level: self.level(), text: Cow::Borrowed(text) }
    }
}

impl fmt::Display for Code {
    /// As a line of the log begins.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SEL{:04}", self.row().number)
    }
}

/// One message: a line of the error log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    code: Code,
    level: Level,
    text: Cow<'static, str>,
}

impl Message {
    /// What it is about.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The level at which it is logged.
    pub const fn level(&self) -> Level {
        self.level
    }

    /// The same at another level.
    #[must_use]
    pub fn at(self, level: Level) -> Message {
        Message { level, ..self }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

impl std::error::Error for Message {}

/// The codes that refuse requests, each of which is counted.
pub const REFUSALS: [Code; refusals()] = {
    let mut refusals = [ALL[0]; refusals()];
    let (mut index, mut count) = (0, 0);
    while index < ALL.len() {
        if ALL[index].refusal().is_some() {
            refusals[count] = ALL[index];
            count += 1;
        }
        index += 1;
    }
    refusals
};

const fn refusals() -> usize {
    let (mut index, mut count) = (0, 0);
    while index < ALL.len() {
        count += ALL[index].refusal().is_some() as usize;
        index += 1;
    }
    count
}

/// The table of all codes, in Markdown.
pub fn table() -> String {
    let mut table = "| code | level | meaning | remedy |\n|---|---|---|---|\n".to_owned();
    for code in ALL {
        let cell = |text: &str| if text.is_empty() { " ".to_owned() } else { format!(" {text} ") };
        let (level, meaning, remedy) = (code.level().name(), cell(code.meaning()), cell(code.remedy()));
        table += &format!("| {code} | {level} |{meaning}|{remedy}|\n");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_number_of_its_own_in_rising_order() {
        let numbers: Vec<_> = ALL.iter().map(ToString::to_string).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    }

    #[test]
    fn a_line_begins_with_its_code() {
        let message = Code::NoRule.message("no rule matches");
        assert_eq!(message.to_string(), "SEL0104: no rule matches");
        assert_eq!((message.level(), message.clone().at(Level::Debug).level()), (Level::Error, Level::Debug));
        assert_eq!(message, Code::NoRule.constant("no rule matches"));
    }

    #[test]
    fn what_refuses_requests_is_counted() {
        assert!(REFUSALS.contains(&Code::NoRule) && !REFUSALS.contains(&Code::Started));
        assert!(REFUSALS.iter().all(|code| code.level() == Level::Error));
    }

    #[test]
    fn each_row_of_the_table_has_four_cells_and_a_meaning() {
        let table = table();
        assert_eq!(table.lines().count(), 2 + ALL.len());
        assert!(table.lines().all(|row| row.matches('|').count() == 5), "{table}");
        assert!(ALL.iter().all(|code| !code.meaning().is_empty()));
    }
}
