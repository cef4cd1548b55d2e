//! Who a rule is for, and who is asking.
//!
//! Owns the first field of a map line and what it matches. It must not know in which order rules
//! are tried: the map does.

use std::fmt;
use std::net::IpAddr;

use unicode_security::MixedScript as _;

use super::escape::{is_invisible, quoted};
use super::name::{Case, Quoted, unquoted};
use super::network::{Network, NetworkError};

const ANONYMOUS: &str = "__anonymous__";
const ANYONE: &str = "*";

/// Why a text names nobody.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SelectorError {
    /// Nothing is there.
    #[error("nobody is named: write a user, @group, an address, a network, __anonymous__ or *")]
    Empty,
    /// A colon in a group's name.
    #[error("{0} has a colon in it, and a group's name in a group file ends at the first: take it away")]
    GroupColon(String),
    /// A quote that is not the whole name's first and last.
    #[error("{0} has a quote in it: put quotes around all of the name, as in \"foo bar\" or @\"web staff\"")]
    Quote(String),
    /// A backslash between quotes that is none of the three escapes.
    #[error(
        "{0} has a backslash that stands for nothing: write \\\\, \\\", or \\x and two hexadecimal digits (not 00)"
    )]
    Escape(String),
    /// `__anonymous__` in other letters.
    #[error("{0} would be a user of that name: write __anonymous__ in lower case")]
    Case(String),
    /// A character that cannot be seen, or looks like the blank between fields.
    #[error(
        "{0} has the invisible character U+{1:04X} in it: take it away, or write its bytes in quotes, as in \"\\xe2\\x80\\x8b\""
    )]
    Invisible(String, u32),
    /// Letters of several scripts, such as a Cyrillic one among Latin ones.
    #[error(
        "{0} mixes letters of several scripts, some of which look like others: write it in one \
         script, or in quotes if it is meant"
    )]
    MixedScripts(String),
    /// It looks like an address or a network, and is none.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// Who is asking: the facts of one request that a map can be about.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The authenticated user; `None` where nobody has authenticated.
    pub user: Option<&'a [u8]>,
    /// The groups this user is in, by the group file of the request's place.
    pub groups: &'a [&'a [u8]],
    /// The client's address; `None` where there is none (a Unix socket) and no network matches.
    pub address: Option<IpAddr>,
}

/// Who a map line is for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Selector {
    /// The authenticated user of exactly this name.
    User(Vec<u8>),
    /// `@group`: an authenticated user in the group of this name, as [`Case::group`] has it.
    Group(Vec<u8>),
    /// `__anonymous__`: no user has authenticated.
    Anonymous,
    /// `*`: whoever it is.
    Anyone,
    /// Whoever comes from this network, authenticated or not.
    Net(Network),
}

impl Selector {
    /// Reads `*`, `__anonymous__`, an address, a network, `@group`, or else the name of a user. A
    /// text that looks like an address must be one, so that a mistyped network does not become the
    /// name of a user whom nobody is.
    ///
    /// A name in quotes (`"foo bar"`, `@"web staff"`; `\"`, `\\` and bytes as `\xfc` inside) is taken as it
    /// is: it may have blanks in it, be called `*`, or look like an address.
    ///
    /// # Errors
    /// [`SelectorError`] where the text is none of these, or could be mistaken for another.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        match text {
            "" => return Err(SelectorError::Empty),
            ANYONE => return Ok(Self::Anyone),
            ANONYMOUS => return Ok(Self::Anonymous),
            _ if text.eq_ignore_ascii_case(ANONYMOUS) => return Err(SelectorError::Case(quoted(text))),
            _ => {}
        }
        let (is_group, text) = match text.strip_prefix('@') {
            Some(name) => (true, name),
            None => (false, text),
        };
        let invisible = |c: &char| is_invisible(*c) && (*c != ' ' || !text.starts_with('"'));
        if let Some(c) = text.chars().find(invisible) {
            return Err(SelectorError::Invisible(quoted(text), c.into()));
        }
        let name = match text.strip_prefix('"') {
            Some(rest) if is_closed(rest) => {
                unquoted(rest).ok_or_else(|| SelectorError::Escape(quoted(text)))?
            }
            Some(_) => return Err(SelectorError::Quote(quoted(text))),
            None if text.starts_with('\'') => return Err(SelectorError::Quote(quoted(text))),
            None if !is_group && looks_like_address(text) => {
                return Ok(Self::Net(Network::parse(text)?));
            }
            None if !text.is_ascii() && !text.is_single_script() => {
                return Err(SelectorError::MixedScripts(quoted(text)));
            }
            None => text.as_bytes().to_vec(),
        };
        match is_group {
            _ if name.is_empty() => Err(SelectorError::Empty),
            true if name.contains(&b':') => Err(SelectorError::GroupColon(quoted(text))),
            true => Ok(Self::Group(Case::Counts.group(&name))),
            false => Ok(Self::User(name)),
        }
    }

    /// Who a line of a map is for where the case of names is as in that map.
    #[must_use]
    pub fn in_case(self, case: Case) -> Self {
        match self {
            Self::User(name) => Self::User(case.user(&name)),
            Self::Group(name) => Self::Group(case.group(&name)),
            other => other,
        }
    }

    /// Whether a line for `self`, of a map with this case of names, applies to `client`. A user who is *called*
    /// `*` or `__anonymous__` is a user like any other.
    #[must_use]
    pub fn matches(&self, client: &Client<'_>, case: Case) -> bool {
        match self {
            Self::User(name) => client.user.is_some_and(|user| case.user(user) == case.user(name)),
            Self::Group(name) => {
                let is_same = |group: &&[u8]| case.group(group) == case.group(name);
                client.user.is_some() && client.groups.iter().any(is_same)
            }
            Self::Anonymous => client.user.is_none(),
            Self::Anyone => true,
            Self::Net(network) => client.address.is_some_and(|address| network.contains(address)),
        }
    }
}

impl fmt::Display for Selector {
    /// As a map file has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, name) = match self {
            Self::User(name) => ("", name),
            Self::Group(name) => ("@", name),
            Self::Anonymous => return f.write_str(ANONYMOUS),
            Self::Anyone => return f.write_str(ANYONE),
            Self::Net(network) => return write!(f, "{network}"),
        };
        let bare = str::from_utf8(name).ok().map(|name| format!("{sign}{name}"));
        let bare = bare.filter(|text| !text.starts_with('#') && Self::parse(text).as_ref() == Ok(self));
        match bare {
            Some(text) => f.write_str(&text),
            None => write!(f, "{sign}{}", Quoted(name)),
        }
    }
}

/// Whether a text behind its opening quote ends with the closing one.
fn is_closed(text: &str) -> bool {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.is_some_and(|end| end + 1 == text.len())
}

/// Whether whoever wrote `text` can only have meant an address: an address with something behind
/// it, digits and dots (`10.1`, `10/8`, `10.0.0.*`, `10.0.0.1-10.0.0.9`), or hexadecimal digits
/// with two colons or more.
fn looks_like_address(text: &str) -> bool {
    let head = text.split(['/', '%']).next().unwrap_or(text);
    let like_ipv4 = text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b".:*-/".contains(&b))
        && text.contains(['.', '/']);
    let like_ipv6 = text.bytes().all(|b| b.is_ascii_hexdigit() || b":.*/[]".contains(&b))
        && text.bytes().filter(|&b| b == b':').count() >= 2;
    head.parse::<IpAddr>().is_ok() || like_ipv4 || like_ipv6
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::network::tests::{address, network_text};
    use super::*;

    /// Texts of all kinds of `who`.
    pub(in super::super) fn who_text() -> impl Strategy<Value = String> {
        prop_oneof![
            Just(ANYONE.to_owned()),
            Just(ANONYMOUS.to_owned()),
            "[a-c]{1,2}",
            "\\p{Greek}{1,3}",
            "@[a-cA-C]{1,2}",
            "@?\"([a-c @*.#]|\\\\\"){1,3}\"",
            "@?\"([a-c]|\\\\x(fc|e4|FC|0a|41)){1,3}\"",
            network_text(),
            address().prop_map(|address| address.to_string()),
        ]
    }

    /// Names that are not UTF-8, some of them those of maps.
    pub(in super::super) fn other_bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(proptest::sample::select(&b"aA\xfc\xe4\xc3\n"[..]), 1..4)
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back_to_itself(text in who_text()) {
            let who = Selector::parse(&text).unwrap();
            prop_assert_eq!(Selector::parse(&who.to_string()).unwrap(), who);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(\\PC*|[0-9a-f:.*/%\\[\\]-]{0,30})") {
            if let Ok(who) = Selector::parse(&text) {
                prop_assert_eq!(Selector::parse(&who.to_string()).unwrap(), who);
            }
        }
    }

    #[test]
    fn names_are_users_unless_they_look_like_an_address() {
        let texts = "foo|42|555-1234|a.b|dead:beef|12.34/admin@R|/C=DE/CN=f|a*|f/8";
        for user in texts.split('|') {
            assert_eq!(Selector::parse(user), Ok(Selector::User(user.into())), "{user}");
        }
        let texts = "10.1|10/8|10.0.0.*|10.0.0.1-10.0.0.9|300.1.1.1|192.0.2.1:80|\
            10.0.0.0/255.0.0.0|10.0.0.0/|10.0.0.0/+8|10.0.0.0/8/8|10.0.0.0/x|010.0.0.1|\
            2001:db8::/x|2001:db8::1%eth0|[2001:db8::1]|2001:db8::*|1:2:3|10.0.0.0/999";
        for wrong in texts.split('|') {
            assert!(
                matches!(Selector::parse(wrong), Err(SelectorError::Network(NetworkError::Neither(_)))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn quotes_take_a_name_as_it_is() {
        for (text, name) in [
            ("\"foo bar\"", "foo bar"),
            ("\"*\"", "*"),
            ("\"192.0.2.7\"", "192.0.2.7"),
            ("\"@staff\"", "@staff"),
            (r#""a\"b\\""#, r#"a"b\"#),
            ("\"\u{430}dmin\"", "\u{430}dmin"),
            ("\"#a\"", "#a"),
            (r#""\x41\x2a""#, "A*"),
        ] {
            let who = Selector::User(name.into());
            assert_eq!(Selector::parse(text), Ok(who.clone()), "{text}");
            assert_eq!(Selector::parse(&who.to_string()), Ok(who), "{text}");
        }
        assert_eq!(Selector::parse("\"foo\"").unwrap().to_string(), "foo");
        assert_eq!(Selector::User(b"#a".to_vec()).to_string(), "\"#a\"");
        assert_eq!(Selector::parse("@\"Web Staff\""), Ok(Selector::Group(b"web staff".to_vec())));
    }

    #[test]
    fn refuses_what_would_match_nobody() {
        assert_eq!(Selector::parse(""), Err(SelectorError::Empty));
        assert_eq!(Selector::parse("@"), Err(SelectorError::Empty));
        assert_eq!(Selector::parse("\"\""), Err(SelectorError::Empty));
        assert!(matches!(Selector::parse("@a:b"), Err(SelectorError::GroupColon(_))));
        assert!(matches!(Selector::parse("\u{430}dmin"), Err(SelectorError::MixedScripts(_))));
        assert!(matches!(Selector::parse("__Anonymous__"), Err(SelectorError::Case(_))));
        for wrong in ["\"foo", "\"foo\"x", "'foo'", "@\"foo"] {
            assert!(matches!(Selector::parse(wrong), Err(SelectorError::Quote(_))), "{wrong}");
        }
        for wrong in [r#""a\b""#, r#""\x0""#, r#""\x0g""#, r#""a\x00b""#, r#"@"\n""#] {
            assert!(matches!(Selector::parse(wrong), Err(SelectorError::Escape(_))), "{wrong}");
        }
        for invisible in ["foo\u{a0}", "f\u{200b}oo", "foo\u{202e}", "\u{feff}foo", "f\too", "f\0"] {
            assert!(matches!(Selector::parse(invisible), Err(SelectorError::Invisible(..))), "{invisible:?}");
        }
    }
}
