//! The administrator's tool, from outside: what it prints, what it writes, and its exit codes.

mod apps;
mod assign;
mod denials;
mod documents;
mod domain;
mod files;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with map files, which the tool runs in.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that only its owner may write.
    fn with(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(name), text).unwrap();
        self.chmod(name, 0o644);
        self
    }

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(fs::read(self.path(name)).unwrap()).unwrap()
    }

    fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selinux-map"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    /// Exit code, standard output and standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().expect("it ends by itself"), text(stdout), text(stderr))
    }

    /// Exit code and what `--json` prints.
    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, text, _) = self.run(&[&["--json"], arguments].concat());
        (code, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }
}

const MAP: &str = "\
# Of a test.
foo          user_webapp_t:s0:c0
@staff       staff_webapp_t:s0:c1   # a group
192.0.2.0/24 anon_webapp_t:s0:c7
192.0.2.7    anon_webapp_t:s0:c8

__anonymous__ anon_webapp_t:s0
";

#[test]
fn check_shows_all_errors_with_their_places() {
    let folder =
        Folder::new().with("bad", "foo a_t\n10.1 a_t\nbar\t a_t:c5 # why\nfoo b_t\n").with("good", MAP);
    let (code, text, errors) = folder.run(&["check", "bad", "good"]);
    assert_eq!((code, errors.as_str()), (1, ""));
    let shown: Vec<_> = text.lines().filter(|line| !line.contains("error:")).collect();
    assert_eq!(
        shown,
        [
            "  2 | 10.1 a_t",
            "    | ^^^^",
            "  3 | bar  a_t:c5 # why",
            "    |      ^^^^^^",
            "  4 | foo b_t",
            "    | ^^^^^^^",
            "bad: 3 errors",
            "good: good, 5 rules"
        ],
        "{text}"
    );
    assert!(text.contains("bad:2:1: error: `10.1` is neither an address nor a network: write all"), "{text}");
    assert!(text.contains("bad:3:6: error: ") && text.contains("write the sensitivity first"), "{text}");
    assert!(text.contains("bad:4:1: error: `foo`: line 1 is for the same one"), "{text}");

    let (code, value) = folder.json(&["check", "bad", "good"]);
    assert_eq!((code, &value["good"]), (1, &json!(false)));
    let [bad, good] = value["files"].as_array().unwrap().as_slice() else { panic!("{value}") };
    let places: Vec<_> =
        bad["problems"].as_array().unwrap().iter().map(|one| [&one["line"], &one["column"]]).collect();
    assert_eq!(places, [[2, 1], [3, 6], [4, 1]]);
    assert_eq!(bad["problems"][1]["text"], "bar\t a_t:c5 # why");
    assert_eq!(
        good,
        &json!({"file": "good", "good": true, "ignores_case": false, "rules": 5, "problems": []})
    );
}

#[test]
fn check_warns_of_lines_that_do_not_do_what_they_seem_to() {
    let folder = Folder::new().with("map", "foo *:s0:c1\nFOO a_t\n* a_t\nbar a_t\n");
    let (code, value) = folder.json(&["check", "map"]);
    let problems = value["files"][0]["problems"].as_array().unwrap();
    let of: Vec<_> = problems.iter().map(|one| (&one["level"], &one["line"])).collect();
    let warning = json!("warning");
    assert_eq!((code, of), (0, vec![(&warning, &json!(1)), (&warning, &json!(2)), (&warning, &json!(4))]));
    assert!(problems[2]["message"].as_str().unwrap().contains("line 3 is for anyone"), "{value}");
}

#[test]
fn check_warns_of_a_file_that_others_could_change() {
    let folder = Folder::new().with("map", MAP);
    let place = folder.0.path().to_str().unwrap().to_owned();
    let said = |path: &str, what: &str| {
        let (code, text, _) = folder.run(&["check", path]);
        assert_eq!(code, 0, "{text}");
        text.contains(what)
    };
    for (mode, expected) in [(0o664, true), (0o646, true), (0o600, false)] {
        folder.chmod("map", mode);
        assert_eq!(said("map", "map: warning: others may write it"), expected, "{mode:o}");
    }
    for (mode, expected) in [(0o775, true), (0o1777, false), (0o755, false)] {
        folder.chmod(".", mode);
        assert_eq!(said("map", &format!("{place}: warning: others may write it")), expected, "{mode:o}");
    }
}

#[test]
fn wrong_usage_and_unreadable_files_are_told_from_bad_ones() {
    let folder = Folder::new().with("bad", "foo\n").with("map", MAP);
    for arguments in [
        vec!["check", "missing"],
        vec!["check", "."],
        vec!["check"],
        vec!["explain", "missing"],
        vec!["explain", "map", "--group", "staff"],
        vec!["explain", "map", "--addr", "192.0.2"],
        vec!["explain", "map", "--server-context", "httpd_t"],
        vec!["build", "map"],
        vec!["build", "missing", "-o", "out"],
        vec!["build", "map", "-o", "missing/out"],
        vec!["diff", "map", "missing"],
        vec!["diff", "map", "bad"],
        vec!["assign", "map"],
        vec!["assign", "missing", "foo"],
        vec!["assign", "map", "new", "--domain", "a_t:s0"],
        vec!["assign", "map", "new", "--sensitivity", "s0:c1"],
        vec!["assign", "map", "new", "--path", "www/%u"],
        vec!["assign", "map", "new", "other", "--path", "/www"],
        vec!["assign", "map", "new", "new"],
        vec!["assign", "map", "../new"],
        vec!["unknown"],
    ] {
        let (code, text, errors) = folder.run(&arguments);
        assert_eq!((code, text.as_str(), errors.is_empty()), (2, "", false), "{arguments:?}: {errors}");
    }
    for arguments in [
        vec!["check", "bad"],
        vec!["explain", "bad"],
        vec!["build", "bad", "-o", "out"],
        vec!["assign", "bad", "new"],
    ] {
        let (code, text, errors) = folder.run(&arguments);
        assert_eq!(code, 1, "{arguments:?}");
        assert!(format!("{text}{errors}").contains("bad:1:1: error: "), "{arguments:?}: {text}{errors}");
    }
    let (code, value) = folder.json(&["explain", "bad"]);
    assert_eq!((code, &value["problems"][0]["line"]), (1, &json!(1)), "{value}");
    assert_eq!(folder.text("map"), MAP);
    assert_eq!(folder.names(), ["bad", "map"].map(str::to_owned).into());
}

#[test]
fn explain_tells_the_line_that_decides_and_those_passed_over() {
    let folder = Folder::new().with("map", MAP);
    let server = ["--server-context", "system_u:system_r:httpd_t:s0"];
    let client = ["explain", "map", "--user", "foo", "--group", "Staff", "--addr", "192.0.2.7"];
    let (code, value) = folder.json(&[&client[..], &server].concat());
    assert_eq!(code, 0);
    assert_eq!(
        value["decides"],
        json!({
            "line": 2,
            "text": "foo          user_webapp_t:s0:c0",
            "who": "foo",
            "domain": "user_webapp_t:s0:c0",
        })
    );
    assert_eq!(value["context"], "system_u:system_r:user_webapp_t:s0:c0");
    let passed: Vec<_> =
        value["passed_over"].as_array().unwrap().iter().map(|one| (&one["line"], &one["why"])).collect();
    let (later, shorter) = (json!("later"), json!("shorter_prefix"));
    assert_eq!(passed, [(&json!(3), &later), (&json!(4), &shorter), (&json!(5), &later)]);

    let (code, text, _) = folder.run(&client);
    assert_eq!(code, 0);
    let expected = "\
map, line 2 decides:
  2 | foo          user_webapp_t:s0:c0
domain: user_webapp_t:s0:c0
passed over:
  3 | @staff       staff_webapp_t:s0:c1   # a group
    | applies too, but line 2 stands before it
  4 | 192.0.2.0/24 anon_webapp_t:s0:c7
    | holds the address too, but 192.0.2.7 on line 5 has a longer prefix
  5 | 192.0.2.7    anon_webapp_t:s0:c8
    | applies too, but line 2 stands before it
";
    assert_eq!(text, expected);

    // Nobody has logged in; from nowhere.
    assert_eq!(folder.json(&["explain", "map"]).1["decides"]["line"], 7);
    let (code, value) = folder.json(&["explain", "map", "--user", "other"]);
    assert_eq!((code, &value["decides"]), (3, &Value::Null));
    assert_eq!(value["notes"].as_array().unwrap().len(), 2, "{value}");
}

#[test]
fn a_compiled_map_says_the_same_as_its_text() {
    let folder = Folder::new().with("map", format!("{MAP}* a_t\n\"foo bar\" b_t\n"));
    let (code, value) = folder.json(&["build", "map", "-o", "map.fst"]);
    let size = fs::metadata(folder.path("map.fst")).unwrap().len();
    assert_eq!((code, value), (0, json!({"file": "map", "output": "map.fst", "rules": 7, "bytes": size})));
    assert_eq!(folder.run(&["diff", "map", "map.fst"]).0, 0);
    assert_eq!(folder.run(&["diff", "map.fst", "map"]).0, 0);
    assert_eq!(folder.run(&["check", "map.fst"]).0, 0);
    for arguments in
        [&["--user", "foo"][..], &["--user", "x", "--group", "STAFF"], &["--addr", "192.0.2.7"], &[]]
    {
        let of = |file| folder.json(&[&["explain", file], arguments].concat()).1["decides"]["line"].clone();
        assert_eq!(of("map"), of("map.fst"), "{arguments:?}");
    }
    let mut damaged = fs::read(folder.path("map.fst")).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    let folder = folder.with("damaged", damaged);
    assert_eq!(folder.run(&["check", "damaged"]).0, 1);
    assert_eq!(folder.run(&["diff", "map", "damaged"]).0, 2);
    // Only text can be compiled, or changed.
    assert_eq!(folder.run(&["build", "map.fst", "-o", "out"]).0, 1);
    assert_eq!(folder.run(&["assign", "map.fst", "new"]).0, 1);
}

#[test]
fn names_are_bytes_that_no_other_bytes_stand_for() {
    let map = "\"m\\xfcller\" a_t\n\"m\u{fffd}ller\" b_t\n@\"caf\\xe9\" c_t\n";
    let folder = Folder::new().with("map", map);
    assert_eq!(folder.run(&["build", "map", "-o", "map.fst"]).0, 0);
    for file in ["map", "map.fst"] {
        let explain = |arguments: &[&[u8]]| {
            let arguments = arguments.iter().map(|argument| OsStr::from_bytes(argument));
            let output = folder.command(&["--json", "explain", file]).args(arguments).output().unwrap();
            let value: Value = serde_json::from_slice(&output.stdout).unwrap();
            let code = output.status.code().unwrap();
            (code, value["user"].as_str().unwrap().to_owned(), value["decides"]["line"].clone())
        };
        let none = Value::Null;
        assert_eq!(explain(&[b"--user", b"m\xfcller"]), (0, r#""m\xfcller""#.to_owned(), json!(1)));
        assert_eq!(explain(&[b"--user", b"m\xe4ller"]), (3, r#""m\xe4ller""#.to_owned(), none.clone()));
        assert_eq!(explain(&[b"--user", br"m\xfcller"]), (3, r#""m\\xfcller""#.to_owned(), none.clone()));
        assert_eq!(explain(&[b"--user", b"foo", b"--group", b"CAF\xe9"]), (0, "foo".to_owned(), json!(3)));
        assert_eq!(explain(&[b"--user", b"foo", b"--group", b"caf\xe8"]), (3, "foo".to_owned(), none));
    }
}

#[test]
fn a_map_that_ignores_case_says_so_in_text_and_compiled() {
    let lines = "bar a_t\n@Staff b_t\n* c_t\n";
    let folder = Folder::new().with("exact", lines).with("map", format!("ignore-case\n{lines}"));
    assert_eq!(folder.run(&["build", "map", "-o", "map.fst"]).0, 0);
    for file in ["map", "map.fst"] {
        let (code, text, _) = folder.run(&["check", file]);
        assert_eq!((code, text), (0, format!("{file}: good, 3 rules, names ignore case\n")));
        assert_eq!(folder.json(&["check", file]).1["files"][0]["ignores_case"], json!(true));
        let (_, value) = folder.json(&["explain", file, "--user", "BAR"]);
        assert_eq!(value["decides"]["domain"], json!("a_t"));
        assert_eq!(value["notes"][0], json!("the map ignores the case of names"));
        assert_eq!(
            folder.json(&["explain", file, "--user", "x", "--group", "STAFF"]).1["decides"]["domain"],
            json!("b_t")
        );
        let (code, text, _) = folder.run(&["diff", "exact", file]);
        assert_eq!(
            (code, text.as_str()),
            (1, "~ names of users and groups ignore case, and did not\n0 changes, 0 users among them\n")
        );
    }
    assert_eq!(folder.run(&["diff", "map", "map.fst"]).0, 0);
    let (_, value) = folder.json(&["explain", "exact", "--user", "BAR"]);
    assert_eq!(
        (&value["decides"]["domain"], &value["passed_over"][0]["why"]),
        (&json!("c_t"), &json!("other_case"))
    );
    // A user has a line however it is spelled.
    let (code, _, errors) = folder.run(&["assign", "map", "BAR"]);
    assert_eq!(code, 1);
    assert!(errors.contains("bar has a line already: line 2, a_t"), "{errors}");
    assert_eq!(folder.run(&["assign", "exact", "BAR"]).0, 0);
    assert_eq!(folder.run(&["assign", "map", "New"]).0, 0);
    assert_eq!(folder.json(&["explain", "map", "--user", "NEW"]).1["decides"]["line"], json!(3));
}

#[test]
fn diff_tells_who_changes_context() {
    let new = "@staff staff_webapp_t:s0:c1\nfoo user_webapp_t:s0:c0\nbar a_t\n192.0.2.7 anon_webapp_t:s0:c9\n\
               192.0.2.0/24 anon_webapp_t:s0:c7\n__anonymous__ anon_webapp_t:s0\n";
    let folder = Folder::new().with("old", MAP).with("new", new);
    let (code, text, _) = folder.run(&["diff", "old", "new"]);
    assert_eq!(code, 1);
    assert_eq!(
        text,
        "+ bar  no line -> a_t (line 3)\n    no longer behind 192.0.2.0/24, 192.0.2.7\n\
         ~ foo  user_webapp_t:s0:c0 (line 2), other lines come first\n    now behind @staff\n\
         ~ 192.0.2.7  anon_webapp_t:s0:c8 (line 5) -> anon_webapp_t:s0:c9 (line 4)\n\
         3 changes, 2 users among them\n"
    );
    let (code, value) = folder.json(&["diff", "old", "new"]);
    let changes: Vec<_> = value["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| ["who", "kind", "change"].map(|field| one[field].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!((code, &value["same"]), (1, &json!(false)));
    assert_eq!(
        changes,
        [["bar", "user", "added"], ["foo", "user", "order"], ["192.0.2.7", "network", "changed"]]
    );
    assert_eq!(value["changes"][1]["now_behind"], json!(["@staff"]));
    assert_eq!(
        value["changes"][2]["old"],
        json!({"line": 5, "who": "192.0.2.7", "domain": "anon_webapp_t:s0:c8"})
    );

    let folder = folder.with("moved", format!("# A comment.\r\n{}", MAP.replace('\n', "\r\n")));
    assert_eq!(
        folder.run(&["diff", "old", "moved"]),
        (0, "nobody changes context\n".to_owned(), String::new())
    );
    assert_eq!(
        folder.json(&["diff", "old", "moved"]),
        (0, json!({"same": true, "old_ignores_case": false, "new_ignores_case": false, "changes": []}))
    );
}
