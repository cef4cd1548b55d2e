//! What a worker and the broker say to each other: one line, and one line back.

use crate::app::{MAX_NAME, is_name};
use std::fmt;

/// How long a line of the caller's may be, its end included.
pub const MAX_LINE: usize = 256;

/// What a caller wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    /// The socket of an application's processes in the caller's context.
    Pool(String),
    /// What there is.
    Status,
}

/// What has come of a caller's line so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// It has not come to its end.
    Unfinished,
    /// It is none that the broker answers.
    Wrong,
    /// It is one.
    Whole(Question),
}

impl Line {
    /// Reads what has come. Nothing may follow the line.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Line {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            return if bytes.len() < MAX_LINE { Line::Unfinished } else { Line::Wrong };
        };
        let line =
            (end + 1 == bytes.len() && end < MAX_LINE).then(|| std::str::from_utf8(&bytes[..end]).ok());
        match line.flatten().map(|line| line.split_once(' ').unwrap_or((line, ""))) {
            Some(("pool", name)) if is_name(name) => Line::Whole(Question::Pool(name.to_owned())),
            Some(("status", "")) if end == "status".len() => Line::Whole(Question::Status),
            _ => Line::Wrong,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Question::Pool(name) => writeln!(f, "pool {name}"),
            Question::Status => writeln!(f, "status"),
        }
    }
}

/// The broker's answer to a question for a pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The path of its socket.
    Ok(String),
    /// Why there is none.
    No(String),
}

impl Answer {
    /// How long an answer may be, its end included.
    pub const MAX: usize = 1024;

    /// Reads one; `None` where it is none.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Answer> {
        let line = std::str::from_utf8(text.strip_suffix(b"\n")?).ok()?;
        match line.split_once(' ')? {
            ("ok", path) if path.starts_with('/') && !path.contains(['\n', '\0', '|']) => {
                Some(Answer::Ok(path.to_owned()))
            }
            ("no", reason) => Some(Answer::No(reason.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Ok(path) => writeln!(f, "ok {path}"),
            Answer::No(reason) => writeln!(f, "no {}", reason.replace(char::is_control, " ")),
        }
    }
}

const _: () = assert!("pool ".len() + MAX_NAME < MAX_LINE);

#[cfg(test)]
mod tests {
    use super::{Answer, Line, MAX_LINE, Question};

    #[test]
    fn one_line_is_read_and_nothing_else() {
        let pool = Line::Whole(Question::Pool("php".to_owned()));
        assert_eq!(Line::read(b"pool php\n"), pool);
        assert_eq!(Line::read(Question::Pool("php".to_owned()).to_string().as_bytes()), pool);
        assert_eq!(Line::read(b"status\n"), Line::Whole(Question::Status));
        for unfinished in [&b""[..], b"pool", b"pool php"] {
            assert_eq!(Line::read(unfinished), Line::Unfinished);
        }
        for wrong in [
            &b"\n"[..],
            b"pool\n",
            b"pool \n",
            b"pool PHP\n",
            b"pool ../x\n",
            b"pool php \n",
            b"pool php\nx",
            b"status \n",
            b"status x\n",
            b"pool \xff\n",
            b"Pool php\n",
            b"pool php\0\n",
        ] {
            assert_eq!(Line::read(wrong), Line::Wrong, "{wrong:?}");
        }
        assert_eq!(Line::read(&[b'x'; MAX_LINE]), Line::Wrong);
        assert_eq!(Line::read(&[b'x'; MAX_LINE - 1]), Line::Unfinished);
    }

    #[test]
    fn an_answer_is_one_line_whatever_its_reason_is() {
        let no = Answer::No("a\nb".to_owned()).to_string();
        assert_eq!(Answer::read(no.as_bytes()), Some(Answer::No("a b".to_owned())));
        let ok = Answer::Ok("/run/x".to_owned());
        assert_eq!(Answer::read(ok.to_string().as_bytes()), Some(ok));
        for wrong in [&b"ok /run/x"[..], b"ok x\n", b"ok /x|fcgi://y\n", b"yes\n", b""] {
            assert_eq!(Answer::read(wrong), None, "{wrong:?}");
        }
    }
}
