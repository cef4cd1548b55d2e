//! Names of users and groups: bytes, as httpd has them.
//!
//! Owns when two names are the same, and how a name is written in maps and logs. It must not know what a
//! name is for.

use super::escape::Escaped;
use std::fmt;

/// Whether the case of letters tells one name from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Case {
    /// It does.
    #[default]
    Counts,
    /// It does not: names that [`fold`] makes the same are the same.
    Ignored,
}

impl Case {
    /// What a user's name is compared by.
    #[must_use]
    pub fn user(self, name: &[u8]) -> Vec<u8> {
        match self {
            Self::Counts => name.to_vec(),
            Self::Ignored => fold(name),
        }
    }

    /// What a group's name is compared by: httpd itself ignores the case of ASCII letters there
    /// (`apr_table_get` in mod_authz_groupfile).
    #[must_use]
    pub fn group(self, name: &[u8]) -> Vec<u8> {
        match self {
            Self::Counts => name.to_ascii_lowercase(),
            Self::Ignored => fold(name),
        }
    }
}

/// A name in lower case: each character that has a lower case of one character (`ẞ` is `ß`, and not `ss`);
/// in a name that is not UTF-8, the ASCII letters. Nothing else is made the same, such as `ü` and a `u`
/// with a combining diaeresis: too little leaves somebody without their line, too much gives somebody
/// another's.
#[must_use]
pub fn fold(name: &[u8]) -> Vec<u8> {
    match str::from_utf8(name) {
        Ok(text) => text.chars().map(lower).collect::<String>().into_bytes(),
        Err(_) => name.to_ascii_lowercase(),
    }
}

fn lower(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// A name between double quotes, as a map takes it: `\"`, `\\`, and `\xfc` for each byte that is not part of
/// UTF-8 or of a visible character. No two names are written alike.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'n>(pub &'n [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Escaped::new(self.0).with_special(&['"', '\\']))
    }
}

/// A name for people to read, in a log or among others: as it is where it is letters, digits and `.`, `_`, `-`,
/// `@`; else as [`Quoted`].
#[derive(Clone, Copy, Debug)]
pub struct Shown<'n>(pub &'n [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match str::from_utf8(self.0) {
            Ok(name)
                if !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "._-@".contains(c)) =>
            {
                f.write_str(name)
            }
            _ => Quoted(self.0).fmt(f),
        }
    }
}

/// The name in a text behind its opening quote; `None` where the closing one is not the text's end, or a
/// backslash stands before anything but `"`, `\` and `x` with two hexadecimal digits (not those of NUL, which no name
/// has).
pub(super) fn unquoted(text: &str) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        match byte {
            b'"' => return rest.is_empty().then_some(name),
            b'\\' => {
                let (escape, behind) = rest.split_first()?;
                rest = behind;
                name.push(match escape {
                    b'"' | b'\\' => *escape,
                    b'x' => {
                        let (digits, behind) = rest.split_first_chunk::<2>()?;
                        rest = behind;
                        hexadecimal(*digits).filter(|byte| *byte != 0)?
                    }
                    _ => return None,
                });
            }
            byte => name.push(*byte),
        }
    }
}

fn hexadecimal(digits: [u8; 2]) -> Option<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(value(digits[0])? * 16 + value(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::escape::is_invisible;
    use super::*;

    fn quoted(name: &[u8]) -> String {
        Quoted(name).to_string()
    }

    proptest! {
        #[test]
        fn a_quoted_name_reads_back_to_the_same_bytes(name in proptest::collection::vec(1_u8.., 0..20)) {
            let text = quoted(&name);
            prop_assert_eq!(unquoted(&text[1..]), Some(name));
            prop_assert!(!text.contains(|c| is_invisible(c) && c != ' '));
        }

        #[test]
        fn what_is_folded_stays_so_and_is_the_lower_case(name in "\\PC{0,9}") {
            let folded = fold(name.as_bytes());
            prop_assert_eq!(fold(&folded), folded.clone());
            // Never more than what Unicode takes for the same.
            let text = String::from_utf8(folded).unwrap();
            prop_assert_eq!(text.to_lowercase(), name.chars().flat_map(char::to_lowercase).collect::<String>().to_lowercase());
        }
    }

    #[test]
    fn each_byte_that_is_no_character_is_written_as_itself() {
        for (name, text) in [
            (&b"m\xfcller"[..], r#""m\xfcller""#),
            (b"m\xe4ller", r#""m\xe4ller""#),
            ("m\u{fc}ller".as_bytes(), "\"m\u{fc}ller\""),
            (br"m\xfcller", r#""m\\xfcller""#),
            ("f\u{200b}o\n".as_bytes(), r#""f\xe2\x80\x8bo\x0a""#),
            (b"a \"b\"", r#""a \"b\"""#),
        ] {
            assert_eq!(quoted(name), text);
        }
        assert_eq!(Shown("m\u{fc}ller@example.org".as_bytes()).to_string(), "m\u{fc}ller@example.org");
        assert_eq!(Shown(b"CORP\\m\xfc").to_string(), r#""CORP\\m\xfc""#);
        assert_eq!(Shown(b"a, b").to_string(), "\"a, b\"");
        assert_eq!(Shown(b"").to_string(), "\"\"");
    }

    #[test]
    fn folding_makes_letters_of_another_case_the_same_and_nothing_else() {
        for (one, other) in
            [("BAR", "bar"), ("M\u{dc}LLER", "m\u{fc}ller"), ("\u{1e9e}", "\u{df}"), ("\u{3a3}", "\u{3c3}")]
        {
            assert_eq!(fold(one.as_bytes()), fold(other.as_bytes()), "{one} {other}");
        }
        for (one, other) in [
            ("stra\u{df}e", "strasse"),
            ("mu\u{308}ller", "m\u{fc}ller"),
            ("muller", "m\u{fc}ller"),
            ("\u{131}", "i"),
            ("\u{130}", "i"),
            ("a ", "a"),
        ] {
            assert_ne!(fold(one.as_bytes()), fold(other.as_bytes()), "{one} {other}");
        }
        assert_eq!(fold(b"M\xdcLLER"), b"m\xdcller");
        for c in '\0'..=char::MAX {
            assert_eq!(lower(lower(c)), lower(c));
        }
    }
}
