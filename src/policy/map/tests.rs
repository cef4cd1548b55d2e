//! What a map file means, line by line.

use std::net::IpAddr;

use proptest::prelude::*;

use super::super::spec::tests::spec_text;
use super::super::who::tests::{address, who_text};
use super::*;

fn parse(text: &str) -> Result<Map<DomainSpec>, Vec<MapError>> {
    Map::parse(text.as_bytes())
}

/// The messages for a map text, none where it is good.
fn messages(text: &[u8]) -> Vec<String> {
    Map::parse(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// Maps with each `who` once, as texts of its two fields.
fn rules() -> impl Strategy<Value = Vec<(String, String)>> {
    proptest::collection::vec((who_text(), spec_text()), 0..12).prop_map(|mut rules| {
        let mut seen = std::collections::HashSet::new();
        rules.retain(|(who, _)| seen.insert(Who::parse(who).unwrap()));
        rules
    })
}

/// Users that rules are for, users that none is for, and names that mean something in a file.
fn user() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[a-c]{1,2}|\\*|__anonymous__|0\\.0\\.0\\.1|\\p{Greek}{1,3}")
}

/// What the design says, in its own order: every line, from the top.
fn naive_find(rules: &[(String, String)], who: &Asker<'_>) -> Option<usize> {
    for (index, (text, _)) in rules.iter().enumerate() {
        let applies = match Who::parse(text).unwrap() {
            Who::User(name) => who.user == Some(&name),
            Who::Anonymous => who.user.is_none(),
            Who::Anyone => true,
            Who::Net(network) => who.address.is_some_and(|a| network.contains(a)),
        };
        if applies {
            return Some(index);
        }
    }
    None
}

proptest! {
    #[test]
    fn the_first_line_that_applies_decides(
        rules in rules(),
        user in user(),
        address in proptest::option::of(address()),
    ) {
        let text: String = rules.iter().map(|(who, domain)| format!("{who} {domain}\n")).collect();
        let map = parse(&text).unwrap().try_map(|line, _| Ok::<_, ()>(line - 1)).unwrap();
        let who = Asker { user: user.as_deref(), address };
        let expected = naive_find(&rules, &who);
        prop_assert_eq!(map.find(&who), expected.as_ref().map(|index| (index, index + 1)));
    }

    #[test]
    fn blanks_comments_and_line_ends_change_nothing(
        rules in rules(),
        [a, b, c] in ["[ \t]{0,3}", "[ \t]{0,3}", "[ \t]{0,3}"],
        tail in "([ \t]#[a-z#*@\u{fc} \t]{0,9})?",
        end in "\r?\n((#[a-z#*@\u{fc}\t ]{0,9}| \t)?\r?\n)?",
        mark in "\u{feff}?",
    ) {
        let mut text = mark;
        for (who, domain) in &rules {
            text += &format!("{a}{who} {b}{domain}{c}{tail}{end}");
        }
        let map = parse(&text).unwrap();
        let specs: Vec<_> = map.iter().map(|(_, spec)| spec.clone()).collect();
        let expected: Vec<_> =
            rules.iter().map(|(_, domain)| DomainSpec::parse(domain).unwrap()).collect();
        prop_assert_eq!(specs, expected);
    }

    #[test]
    fn no_bytes_make_it_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Map::parse(&text);
    }

    #[test]
    fn no_lines_make_it_panic(lines in "([a*@#_:/.0-9\\\\ \t\r\n\0\"]|a_t:s0|\\PC){0,60}") {
        let count = lines.split('\n').count();
        for error in Map::parse(lines.as_bytes()).err().unwrap_or_default() {
            prop_assert!((1..=count).contains(&error.line));
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }
}

#[test]
fn the_map_of_the_c_module_is_read() {
    let text = "# users\n\n  foo \t user_webapp_t:s0:c0  # trailing\n\
        __anonymous__\tanon_webapp_t:s0\r\n* *:s0:c0,c2";
    let map = parse(text).unwrap();
    let lines: Vec<_> = map.iter().map(|(line, spec)| (line, spec.to_string())).collect();
    let expected = [(3, "user_webapp_t:s0:c0"), (4, "anon_webapp_t:s0"), (5, "*:s0:c0,c2")];
    assert_eq!(lines, expected.map(|(line, spec)| (line, spec.to_owned())));
    assert_eq!((map.len(), map.is_empty()), (3, false));
    assert!(parse("").unwrap().is_empty());
}

#[test]
fn file_order_decides_between_kinds() {
    let map = parse("foo a_t\n192.0.2.0/24 b_t\nbar c_t\n__anonymous__ d_t\n* e_t\nbaz f_t\n").unwrap();
    let near: Option<IpAddr> = Some("192.0.2.9".parse().unwrap());
    for (user, address, line) in [
        (Some("foo"), near, 1),
        (Some("bar"), near, 2),
        (Some("bar"), None, 3),
        (None, near, 2),
        (None, None, 4),
        (Some("baz"), None, 5),
        (Some("__anonymous__"), None, 5),
        (Some("*"), None, 5),
    ] {
        let found = map.find(&Asker { user, address }).map(|(_, line)| line);
        assert_eq!(found, Some(line), "{user:?} {address:?}");
    }
    let map = parse("__anonymous__ d_t").unwrap();
    assert!(map.find(&Asker { user: Some("__anonymous__"), address: None }).is_none());
}

#[test]
fn each_bad_line_is_told_with_its_number_and_what_to_do() {
    for (text, message) in [
        ("foo", "line 1: `foo`: no domain follows: write `who domain[:range]`"),
        ("\nfoo # a_t", "line 2: `foo`: no domain follows: write `who domain[:range]`"),
        (
            "foo bar a_t",
            "line 1: `a_t`: more than two fields: write `who domain[:range]`, names without \
             blanks, and `#` before a comment",
        ),
        (
            "foo a_t:s0#x",
            "line 1: `a_t:s0#x`: `#` starts a comment only after a blank: put a blank before it",
        ),
        (
            "foo a_t\nbar a_t\nfoo b_t",
            "line 3: `foo`: line 1 is for the same one and always applies first: take one of \
             the two away",
        ),
        (
            "@staff a_t",
            "line 1: `@staff`: lines for groups (@group) are not supported by this version: \
             write a line for each user",
        ),
        (
            "foo a_t:s0:c5.c3",
            "line 1: `a_t:s0:c5.c3`: `c5.c3` is not a run of categories: write the lower one \
             first, such as c3.c5",
        ),
        (
            "# a \\\nfoo a_t",
            "line 1: the line ends with a backslash, but a rule has one line: take the \
             backslash away",
        ),
        ("foo\0 a_t", "line 1: the control character U+0000 is in the line: take it away"),
        ("# \u{b}", "line 1: the control character U+000B is in the line: take it away"),
        ("foo a_t\rbar a_t", "line 1: the control character U+000D is in the line: take it away"),
    ] {
        assert_eq!(messages(text.as_bytes()), [message], "{text:?}");
    }
    let encoding = "line 2: the line is not UTF-8: save the file as UTF-8";
    assert_eq!(messages(b"foo a_t\nf\xfcr b_t\n"), [encoding]);
    assert_eq!(messages(&[b'#'; 8193]).len(), 1);
    assert_eq!(messages(&[b'#'; 8192]).len(), 0);
}

#[test]
fn what_is_there_twice_is_an_error_however_it_is_written() {
    for text in [
        "* a_t\n* a_t",
        "__anonymous__ a_t\n__anonymous__ b_t",
        "192.0.2.7 a_t\n192.0.2.7/32 b_t",
        "192.0.2.0/24 a_t\n::ffff:192.0.2.0/120 b_t",
        "2001:db8::/32 a_t\n2001:0db8:0::/32 b_t",
    ] {
        let errors = parse(text).unwrap_err();
        assert_eq!((errors.len(), errors[0].line), (1, 2), "{text:?}");
        assert_eq!(errors[0].fault, Fault::Duplicate(1), "{text:?}");
    }
}

#[test]
fn all_errors_are_told_at_once_up_to_a_hundred() {
    let errors = parse("foo\nbar a_t\n@x y\n").unwrap_err();
    assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(parse(&"foo\n".repeat(100)).unwrap_err().len(), 100);
    let errors = parse(&"foo\n".repeat(1000)).unwrap_err();
    assert_eq!((errors.len(), &errors[100].fault), (101, &Fault::More));
}

#[test]
fn an_error_of_try_map_is_given_back() {
    let map = parse("a a_t\nb b_t\nc c_t").unwrap();
    assert_eq!(map.try_map(|line, _| if line < 2 { Ok(()) } else { Err(line) }).unwrap_err(), 2);
}
