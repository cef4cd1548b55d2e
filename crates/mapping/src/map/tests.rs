//! What a map file means, line by line.

use proptest::prelude::*;

use super::super::selector::tests::who_text;
use super::super::spec::tests::spec_text;
use super::*;

fn parse(text: &str) -> Result<Map, Vec<MapError>> {
    Map::parse(text.as_bytes())
}

/// The messages for a map text, none where it is good.
fn messages(text: &[u8]) -> Vec<String> {
    Map::parse(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// Maps with each `who` once, as texts of its two fields.
pub(in super::super) fn rules() -> impl Strategy<Value = Vec<(String, String)>> {
    proptest::collection::vec((who_text(), spec_text()), 0..12).prop_map(|mut rules| {
        let mut seen = std::collections::HashSet::new();
        rules.retain(|(who, _)| seen.insert(Selector::parse(who).unwrap()));
        rules
    })
}

proptest! {
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
        let specs: Vec<_> = map.lines().iter().map(|line| line.spec.clone()).collect();
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
    let lines: Vec<_> = map.lines().iter().map(|line| (line.number, line.spec.to_string())).collect();
    let expected = [(3, "user_webapp_t:s0:c0"), (4, "anon_webapp_t:s0"), (5, "*:s0:c0,c2")];
    assert_eq!(lines, expected.map(|(line, spec)| (line, spec.to_owned())));
    assert!(parse("").unwrap().lines().is_empty());
}

#[test]
fn each_bad_line_is_told_with_its_number_and_what_to_do() {
    for (text, message) in [
        ("foo", "line 1, column 1: `foo`: no domain follows: write `who domain[:range]`"),
        ("\nfoo # a_t", "line 2, column 1: `foo`: no domain follows: write `who domain[:range]`"),
        (
            "foo bar a_t",
            "line 1, column 9: `a_t`: more than two fields: write `who domain[:range]`, a name with \
             blanks in quotes, and `#` before a comment",
        ),
        (
            "foo a_t:s0#x",
            "line 1, column 5: `a_t:s0#x`: `#` starts a comment only after a blank: put a blank before it",
        ),
        (
            "foo a_t\nbar a_t\nfoo b_t",
            "line 3, column 1: `foo`: line 1 is for the same one and always applies first: take one of \
             the two away",
        ),
        (
            "  \"foo\"bar a_t",
            "line 1, column 3: `\\\"foo\\\"bar`: `\\\"foo\\\"bar` has a quote in it: put quotes around all of the \
             name, as in \"foo bar\" or @\"web staff\"",
        ),
        (
            "foo a_t:s0:c5.c3",
            "line 1, column 5: `a_t:s0:c5.c3`: `c5.c3` is not a run of categories: write the lower one \
             first, such as c3.c5",
        ),
        (
            "# a \\\nfoo a_t",
            "line 1, column 5: the line ends with a backslash, but a rule has one line: take the \
             backslash away",
        ),
        (
            "foo a_t:A\\ # b",
            "line 1, column 5: `a_t:A\\\\`: `A\\\\` is not a range: write it raw, such as s0:c0, or as a name that \
             mcstransd knows, without blanks and backslashes",
        ),
        ("foo\0 a_t", "line 1, column 4: the control character U+0000 is in the line: take it away"),
        ("# \u{b}", "line 1, column 3: the control character U+000B is in the line: take it away"),
        ("foo a_t\rbar a_t", "line 1, column 8: the control character U+000D is in the line: take it away"),
    ] {
        assert_eq!(messages(text.as_bytes()), [message], "{text:?}");
    }
    let encoding = r#"line 2, column 2: the line is not UTF-8: save the file as UTF-8, or write a name that is not UTF-8 in quotes, as in "m\xfcller""#;
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
        "@staff a_t\n@Staff b_t",
        "foo a_t\n\"foo\" b_t",
    ] {
        let errors = parse(text).unwrap_err();
        assert_eq!((errors.len(), errors[0].line), (1, 2), "{text:?}");
        assert_eq!(errors[0].fault, Fault::Duplicate(1), "{text:?}");
    }
}

#[test]
fn names_are_bytes_that_a_map_in_utf_8_can_have() {
    let map = parse("\"m\\xfcller\" a_t\nm\u{fc}ller b_t\n\"m\\xe4ller\" c_t\n").unwrap();
    let names =
        [&b"m\xfcller"[..], "m\u{fc}ller".as_bytes(), b"m\xe4ller"].map(|name| Selector::User(name.to_vec()));
    assert!(map.lines().iter().map(|line| &line.who).eq(&names));
}

#[test]
fn a_map_says_before_all_rules_that_names_ignore_case() {
    let map = parse("# AD\n  ignore-case # really\nBar a_t\n@STAFF\u{dc} b_t\nignore-case c_t\n").unwrap();
    assert_eq!(map.case(), Case::Ignored);
    let names = [
        Selector::User(b"bar".to_vec()),
        Selector::Group("staff\u{fc}".into()),
        Selector::User(b"ignore-case".to_vec()),
    ];
    assert!(map.lines().iter().map(|line| &line.who).eq(&names));
    assert_eq!(parse("ignore-case a_t").unwrap().case(), Case::Counts);
    assert_eq!(parse("\"ignore-case\" a_t").unwrap().case(), Case::Counts);
    for (text, message) in [
        (
            "ignore-case\nbar a_t\n# x\nBAR b_t",
            "line 4, column 1: `bar`: line 2 is for the same one, as the map ignores case, and always applies first: \
             take one of the two away",
        ),
        (
            "ignore-case\n@m\u{dc} a_t\n@m\u{fc} a_t",
            "line 3, column 1: `@m\u{fc}`: line 2 is for the same one, as the map ignores case, and always applies \
             first: take one of the two away",
        ),
        (
            "bar a_t\nignore-case",
            "line 2, column 1: `ignore-case` is about the whole map: put it before all rules",
        ),
        ("Ignore-Case", "line 1, column 1: `Ignore-Case`: no domain follows: write `who domain[:range]`"),
        (
            "\"ignore-case\"",
            "line 1, column 1: `\\\"ignore-case\\\"`: no domain follows: write `who domain[:range]`",
        ),
    ] {
        assert_eq!(messages(text.as_bytes()), [message], "{text:?}");
    }
    // Without the line, they are two.
    assert_eq!(parse("bar a_t\nBAR b_t").unwrap().lines().len(), 2);
}

#[test]
fn all_errors_are_told_at_once_up_to_a_hundred() {
    let errors = parse("foo\nbar a_t\n@x -\n").unwrap_err();
    assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(parse(&"foo\n".repeat(100)).unwrap_err().len(), 100);
    let errors = parse(&"foo\n".repeat(1000)).unwrap_err();
    assert_eq!((errors.len(), &errors[100].fault), (101, &Fault::More));
}
