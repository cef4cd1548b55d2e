//! What is wrong with a map file, shown as compilers do: place, line, carets.

use std::fmt;

use mapping::{Fault, MapError};
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use crate::text::printable;

/// How many characters of a line are shown.
const SHOWN: usize = 100;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The server does not start with it.
    Error,
    /// It has no effect, or not the one it seems to have.
    Warning,
}

/// What of a line is wrong, by its column, in characters from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// All of it.
    Line,
    /// The field that starts there.
    Field(usize),
    /// This character.
    Character(usize),
}

/// Something wrong with a file.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; `None` where it is the file as a whole.
    pub line: Option<usize>,
    /// The place in the line, in characters from 1.
    pub column: Option<usize>,
    /// How bad it is.
    pub level: Level,
    /// What is wrong and what to do.
    pub message: String,
    /// The line's text.
    pub text: Option<String>,
    /// How many characters are wrong.
    #[serde(skip)]
    length: usize,
}

impl Problem {
    /// Something wrong with the file as a whole.
    pub fn whole(file: &str, level: Level, message: String) -> Self {
        Self { file: file.to_owned(), line: None, column: None, level, message, text: None, length: 0 }
    }

    /// An error in a line of a map file; `text` is this line, if it is known.
    pub fn error(file: &str, text: Option<&[u8]>, error: &MapError) -> Self {
        let place = match (&error.fault, &error.field) {
            (Fault::Encoding, _) => {
                let good = text.and_then(|text| text.utf8_chunks().next());
                Place::Character(good.map_or(0, |chunk| chunk.valid().chars().count()) + 1)
            }
            (Fault::Control(_), _) => Place::Character(error.column),
            (Fault::Duplicate(_), _) | (_, None) => Place::Line,
            _ => Place::Field(error.column),
        };
        let message = error.fault.to_string();
        let message = match &error.field {
            Some(field) if !message.contains(field.as_str()) => format!("{field}: {message}"),
            _ => message,
        };
        // The end of a list that was cut short is about no line.
        let text = text.filter(|_| error.fault != Fault::More);
        Self::at(file, Level::Error, error.line, place, message, text)
    }

    /// Something wrong with a line.
    pub fn at(
        file: &str,
        level: Level,
        line: usize,
        place: Place,
        message: String,
        text: Option<&[u8]>,
    ) -> Self {
        let text = text.map(|text| String::from_utf8_lossy(text).into_owned());
        let (column, length) = extent(text.as_deref().unwrap_or_default(), place);
        Self { file: file.to_owned(), line: Some(line), column: Some(column), level, message, text, length }
    }
}

/// From where and how many characters are marked. A field ends at a blank that is not in quotes.
fn extent(text: &str, place: Place) -> (usize, usize) {
    let column = match place {
        Place::Line => {
            let blanks = text.chars().take_while(|c| c.is_whitespace()).count();
            return (blanks + 1, text.trim().chars().count().max(1));
        }
        Place::Character(column) => return (column, 1),
        Place::Field(column) => column,
    };
    let field = text.chars().skip(column - 1).scan((false, false), |(quoted, escaped), c| {
        let ends = !*quoted && (c == ' ' || c == '\t');
        *quoted ^= c == '"' && !*escaped;
        *escaped = c == '\\' && !*escaped;
        (!ends).then_some(())
    });
    (column, field.count().max(1))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.file))?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        let level = if self.level == Level::Error { "error" } else { "warning" };
        writeln!(f, ": {level}: {}", self.message)?;
        let (Some(line), Some(column), Some(text)) = (self.line, self.column, &self.text) else {
            return Ok(());
        };
        let from = if column > SHOWN / 2 && text.chars().count() > SHOWN { column - SHOWN / 4 } else { 1 };
        let part =
            |from: usize, count: usize| -> String { text.chars().skip(from - 1).take(count).collect() };
        let number = line.to_string();
        let shown = part(from, SHOWN);
        let before = printable(&part(from, column - from)).width();
        let marked = printable(&part(column, self.length.min(from + SHOWN - column))).width().max(1);
        writeln!(f, "  {number} | {}", printable(&shown).trim_end())?;
        writeln!(f, "  {:1$} | {2:3$}{4}", "", number.len(), "", before, "^".repeat(marked))
    }
}

#[cfg(test)]
mod tests {
    use mapping::Map;

    use super::*;

    /// How the only error of a one-line map is shown.
    fn shown(line: &str) -> String {
        let errors = Map::parse(line.as_bytes()).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        Problem::error("m", Some(line.as_bytes()), &errors[0]).to_string()
    }

    #[test]
    fn carets_stand_under_the_field() {
        for (line, marked) in [
            ("foo\ta_t:c0 # why", "a_t:c0"),
            ("10.1 a_t", "10.1"),
            ("  \"a b\"x a_t", "\"a b\"x"),
            ("foo a_t more", "more"),
            ("\u{6771}\u{4eac} a_t:c0", "a_t:c0"),
            ("foo a_t:s0:c5.c3", "a_t:s0:c5.c3"),
            ("foo \"a\u{7}b\" c", "\\x07"),
        ] {
            let shown = shown(line);
            let lines: Vec<_> = shown.lines().collect();
            let column = lines[2].find('^').unwrap();
            let before = lines[1].find(marked).unwrap();
            assert_eq!(lines[1][..before].width(), column, "{shown}");
            assert_eq!(lines[2].matches('^').count(), marked.width(), "{shown}");
        }
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let shown = shown(&format!("{} a_t:c0 # {}", "x".repeat(4000), "y".repeat(3000)));
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines[1].contains("a_t:c0") && lines[1].len() < 120, "{shown}");
        assert_eq!(lines[1].find("a_t"), lines[2].find('^'), "{shown}");
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let shown = shown("foo\u{1b}[2J a_t");
        assert!(!shown.contains('\u{1b}') && shown.contains("\\x1b"), "{shown}");
    }
}
