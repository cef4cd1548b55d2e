//! Text from outside, made fit to be shown: in a line of a log, on a terminal, on a page.
//!
//! There is one way, that of names in maps: what is not visible is written by its bytes (`\xfc`).

use std::fmt::{self, Write as _};

/// Bytes as one line of visible text: `\xfc` for each byte that is part of no visible character.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'t> {
    bytes: &'t [u8],
    special: &'static [char],
    is_ascii: bool,
}

impl<'t> Escaped<'t> {
    /// In Unicode; backslashes stay as they are.
    #[must_use]
    pub fn new(text: &'t (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { bytes: text.as_ref(), special: &[], is_ascii: false }
    }

    /// The same in ASCII.
    #[must_use]
    pub fn in_ascii(self) -> Self {
        Self { is_ascii: true, ..self }
    }

    /// The same with a backslash before each of these characters.
    pub(super) fn with_special(self, special: &'static [char]) -> Self {
        Self { special, ..self }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_hidden = |c: char| c != ' ' && (is_invisible(c) || self.is_ascii && !c.is_ascii());
        for chunk in self.bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    _ if self.special.contains(&c) => write!(f, "\\{c}")?,
                    _ if is_hidden(c) => write_bytes(f, c.encode_utf8(&mut [0; 4]).as_bytes())?,
                    _ => f.write_char(c)?,
                }
            }
            write_bytes(f, chunk.invalid())?;
        }
        Ok(())
    }
}

fn write_bytes(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
}

/// How much of an offending text an error message repeats.
const SHOWN: usize = 80;

/// A text between backquotes, as error messages repeat it: a long one is cut short.
pub(super) fn quoted(text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    let is_boundary = |end: &usize| text.get(*end).is_none_or(|byte| byte & 0xc0 != 0x80);
    let end = (0..=SHOWN.min(text.len())).rfind(is_boundary).unwrap_or(0);
    let rest = if end < text.len() { "..." } else { "" };
    format!("`{}{rest}`", Escaped::new(&text[..end]).with_special(&['"', '\'', '\\']))
}

/// Control characters, blanks other than the ones that separate fields, and characters that show
/// nothing or turn the direction of what is shown: with any of them a text is not what it seems.
pub(super) fn is_invisible(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_forge_a_log_line() {
        assert_eq!(quoted("a\nb\u{202e}"), r"`a\x0ab\xe2\x80\xae`");
        assert_eq!(quoted(b"m\xfcller \\"), r"`m\xfcller \\`");
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        assert_eq!(quoted("x".repeat(5000)), format!("`{}...`", "x".repeat(80)));
        assert_eq!(quoted("\u{e9}".repeat(40)), format!("`{}`", "\u{e9}".repeat(40)));
        assert_eq!(quoted(format!("x{}", "\u{e9}".repeat(40))), format!("`x{}...`", "\u{e9}".repeat(39)));
    }

    #[test]
    fn what_is_visible_stays_as_it_is() {
        assert_eq!(Escaped::new("m\u{fc}ller \\ \t").to_string(), "m\u{fc}ller \\ \\x09");
        assert_eq!(Escaped::new("m\u{fc}ller").in_ascii().to_string(), r"m\xc3\xbcller");
    }
}
