//! The administrator's tool, from outside: what it prints, what it writes, and its exit codes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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
    assert_eq!(good, &json!({"file": "good", "good": true, "rules": 5, "problems": []}));
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
fn check_refuses_a_file_that_others_may_write() {
    let folder = Folder::new().with("map", MAP);
    for (mode, expected) in [(0o664, 1), (0o646, 1), (0o600, 0)] {
        folder.chmod("map", mode);
        let (code, text, _) = folder.run(&["check", "map"]);
        assert_eq!((code, text.contains("chmod go-w")), (expected, expected == 1), "{mode:o}: {text}");
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
    let asker = ["explain", "map", "--user", "foo", "--group", "Staff", "--addr", "192.0.2.7"];
    let (code, value) = folder.json(&[&asker[..], &server].concat());
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

    let (code, text, _) = folder.run(&asker);
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

/// Gives a file to another owner where that is possible, and tells whose it is.
fn give_away(path: &Path) -> (u32, u32) {
    let _ = std::os::unix::fs::chown(path, Some(4711), Some(4712));
    owner(path)
}

fn owner(path: &Path) -> (u32, u32) {
    let metadata = fs::metadata(path).unwrap();
    (metadata.uid(), metadata.gid())
}

#[test]
fn files_are_replaced_at_once_and_keep_what_they_had() {
    let folder = Folder::new().with("map", MAP).with("old", "what was there");
    folder.chmod("old", 0o640);
    folder.chmod("map", 0o604);
    symlink("old", folder.path("out")).unwrap();
    for (name, arguments) in [("old", ["build", "map", "-o", "out"]), ("map", ["assign", "map", "new", "-n"])]
    {
        let path = folder.path(name);
        let (had, mode) = (give_away(&path), fs::metadata(&path).unwrap().mode());
        let mut before = File::open(&path).unwrap();
        let text = fs::read(&path).unwrap();
        let arguments: Vec<_> = arguments.into_iter().filter(|argument| *argument != "-n").collect();
        assert_eq!(folder.run(&arguments).0, 0);
        assert_eq!((owner(&path), fs::metadata(&path).unwrap().mode()), (had, mode), "{name}");
        // Whoever reads the old file goes on reading it.
        let mut read = Vec::new();
        before.read_to_end(&mut read).unwrap();
        assert!(read == text && fs::read(&path).unwrap() != text, "{name}");
    }
    assert!(fs::symlink_metadata(folder.path("out")).unwrap().is_symlink());

    let umask = ["-c", "umask 077; exec \"$0\" build map -o new", env!("CARGO_BIN_EXE_selinux-map")];
    assert!(
        Command::new("sh")
            .args(umask)
            .current_dir(&folder.0)
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(fs::metadata(folder.path("new")).unwrap().mode() & 0o777, 0o644);

    // A bad map changes nothing.
    let compiled = fs::read(folder.path("new")).unwrap();
    let folder = folder.with("map", "foo\n");
    assert_eq!(folder.run(&["build", "map", "-o", "new"]).0, 1);
    assert_eq!(fs::read(folder.path("new")).unwrap(), compiled);
    assert_eq!(folder.names(), ["map", "new", "old", "out"].map(str::to_owned).into());
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
    assert_eq!(folder.json(&["diff", "old", "moved"]), (0, json!({"same": true, "changes": []})));
}

#[test]
fn assign_adds_lines_where_they_decide_and_keeps_all_else() {
    let folder = Folder::new().with("map", MAP);
    let (code, text, _) = folder.run(&[
        "assign",
        "map",
        "bar",
        "o'neil x",
        "--domain",
        "a_t",
        "--path",
        "/home/%u/public_html",
    ]);
    assert_eq!(code, 0);
    // c0, c1, c7 and c8 are others': whoever had one of them could read their content.
    let new = MAP.replacen(
        "@staff",
        "bar                a_t:s0:c2,c3\n\"o'neil x\"         a_t:s0:c2,c4\n@staff",
        1,
    );
    assert_eq!(folder.text("map"), new);
    let commands: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        commands,
        [
            "chcon -R -l s0:c2,c3 -- /home/bar/public_html",
            "semanage fcontext -a -t httpd_sys_content_t -r s0:c2,c3 '/home/bar/public_html(/.*)?'",
            "restorecon -RF /home/bar/public_html",
            r"chcon -R -l s0:c2,c4 -- '/home/o'\''neil x/public_html'",
            r"semanage fcontext -a -t httpd_sys_content_t -r s0:c2,c4 '/home/o'\''neil\x20x/public_html(/.*)?'",
            r"restorecon -RF '/home/o'\''neil x/public_html'",
        ]
    );
    assert_eq!(folder.json(&["explain", "map", "--user", "o'neil x"]).1["decides"]["line"], 4);

    let (code, value) = folder.json(&["assign", "--dry-run", "map", "new"]);
    assert_eq!((code, &value["written"], &value["assigned"][0]["line"]), (0, &json!(false), &json!(5)));
    assert_eq!(value["assigned"][0]["categories"], json!(["c2", "c5"]));
    assert_eq!(folder.text("map"), new);

    // All or nobody.
    let (code, _, errors) = folder.run(&["assign", "map", "new", "foo"]);
    assert_eq!((code, folder.text("map") == new), (1, true));
    assert!(errors.contains("\"foo\" has a line already: line 2"), "{errors}");
}

#[test]
fn assign_writes_lines_as_the_file_has_them() {
    let line = "new                user_webapp_t:s0:c0,c1";
    for (text, changed) in [
        ("", format!("{line}\n")),
        ("# nobody", format!("# nobody\n{line}\n")),
        ("foo a_t\r\n\r\n# all\r\n* a_t", format!("foo a_t\r\n{line}\r\n\r\n# all\r\n* a_t")),
        ("foo a_t", format!("foo a_t\n{line}\n")),
        ("\u{feff}* a_t\r\n", format!("\u{feff}{line}\r\n* a_t\r\n")),
        ("\u{feff}", format!("\u{feff}{line}\n")),
        ("# who\n@staff a_t\nfoo a_t\n", format!("# who\n{line}\n@staff a_t\nfoo a_t\n")),
        ("foo a_t\n10.0.0.0/8 a_t\n", format!("foo a_t\n{line}\n10.0.0.0/8 a_t\n")),
        ("foo a_t\n\n\n", format!("foo a_t\n\n\n{line}\n")),
    ] {
        let folder = Folder::new().with("map", text);
        assert_eq!(folder.run(&["assign", "map", "new"]).0, 0, "{text:?}");
        assert_eq!(folder.text("map"), changed);
    }
}

#[test]
fn assign_leaves_no_way_between_a_new_user_and_any_other_line() {
    let text = "one a_t:s0:c0\nrun a_t:s0:c1.c4\npair a_t:s0:c1,c5\nspan a_t:s0-s0:c6,c7\nlow a_t:s0:c2-s0:c2,c9\n* a_t\n";
    let folder = Folder::new().with("map", text);
    let value = folder.json(&["assign", "map", "new"]).1;
    // Not c0, c2, c6, c7: whoever has one of them could read what is labelled with it alone.
    assert_eq!(value["assigned"][0]["categories"], json!(["c1", "c8"]));

    // Where httpd has categories, a line without a range of its own has them too.
    let (code, _, errors) =
        folder.run(&["assign", "map", "other", "--server-context", "u:system_r:httpd_t:s0-s0:c0.c1023"]);
    assert_eq!(code, 1);
    assert!(errors.contains("no pair of categories is left (0, for 1 user)"), "{errors}");
    assert!(errors.contains("line 7 alone has 1024 categories"), "{errors}");

    let folder = folder.with("map", "foo a_t:SystemHigh\n");
    let (code, _, errors) = folder.run(&["assign", "map", "new"]);
    assert_eq!(
        (code, errors.contains("map:1: a_t:SystemHigh names its range by a name")),
        (1, true),
        "{errors}"
    );
}

#[test]
fn assign_gives_out_every_pair_and_then_no_more() {
    let mut text = String::new();
    let pairs = (0..1024).flat_map(|a| (a + 1..1024).map(move |b| (a, b))).filter(|pair| *pair != (511, 513));
    for (number, (a, b)) in pairs.enumerate() {
        writeln!(text, "u{number} a_t:s0:c{a},c{b}").unwrap();
    }
    let folder = Folder::new().with("map", &text);
    let (code, _, errors) = folder.run(&["assign", "map", "one", "two"]);
    assert_eq!(
        (code, errors.contains("too few pairs of categories are left (1, for 2 users)")),
        (1, true),
        "{errors}"
    );
    assert!(folder.text("map") == text);
    let (code, value) = folder.json(&["assign", "map", "one"]);
    assert_eq!((code, &value["assigned"][0]["domain"]), (0, &json!("user_webapp_t:s0:c511,c513")));
    assert_eq!((&value["pairs_left"], &value["assigned"][0]["line"]), (&json!(0), &json!(523_776)));
    assert_eq!(folder.run(&["assign", "map", "two"]).0, 1);
}

#[test]
fn assignments_at_the_same_time_take_turns() {
    let folder = Folder::new().with("map", "* a_t\n");
    let users: Vec<_> = (0..16).map(|number| format!("user{number}")).collect();
    let mut running: Vec<_> = users
        .iter()
        .map(|user| folder.command(&["assign", "map", user]).stdout(Stdio::null()).spawn().unwrap())
        .collect();
    assert!(running.iter_mut().all(|child| child.wait().unwrap().success()));
    let text = folder.text("map");
    let domains: BTreeSet<_> = text.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!((text.lines().count(), domains.len()), (17, 17), "{text}");
}

/// All names of fields in a JSON value.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.keys().cloned());
            object.values().for_each(|value| fields(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
        _ => {}
    }
}

#[test]
fn man_pages_document_exit_codes_and_every_field_of_the_json() {
    let folder = Folder::new().with("map", MAP).with("warned", "* a_t\nfoo b_t\n").with("bad", "foo\n");
    fs::create_dir(folder.path("man")).unwrap();
    assert_eq!(folder.run(&["generate", "man", "man"]).0, 0);
    assert!(folder.text("man/selinux-map.1").contains("selinux\\-map\\-check(1)"));
    for arguments in [
        &["check", "map", "warned"][..],
        &["explain", "map", "--user", "foo", "--addr", "192.0.2.7"],
        &["build", "map", "-o", "out"],
        &["diff", "map", "warned"],
        &["assign", "map", "new"],
    ] {
        let name = arguments[0];
        let page = folder.text(&format!("man/selinux-map-{name}.1")).replace("\\fB", "");
        let mut used = BTreeSet::new();
        fields(&folder.json(arguments).1, &mut used);
        let bad: Vec<_> = arguments.iter().map(|word| if *word == "map" { "bad" } else { word }).collect();
        fields(&folder.json(&bad).1, &mut used);
        for field in used {
            let known =
                page.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == field);
            assert!(known, "{field} is not in the page of {name}");
        }
        assert!(
            page.contains(".SH \"EXIT STATUS\"") && page.contains("--json") | page.contains("\\-\\-json"),
            "{page}"
        );
        assert!(folder.run(&[name, "--help"]).1.contains("Exit status:\n  0  "), "{name}");
    }
}

#[test]
fn the_example_in_the_files_man_page_is_good() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man/selinux-map.5")).unwrap();
    let example = page.split(".nf\n").nth(1).unwrap().split(".fi\n").next().unwrap().replace("\\(dq", "\"");
    let folder = Folder::new().with("map", &example);
    let (code, value) = folder.json(&["check", "map"]);
    let rules = example.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!((code, &value["files"][0]["rules"]), (0, &json!(rules)), "{value}");
    assert_eq!(folder.json(&["explain", "map", "--user", "foo bar"]).1["decides"]["who"], "\"foo bar\"");
}

#[test]
fn bash_completes_subcommands_and_options() {
    let folder = Folder::new();
    assert_eq!(folder.run(&["generate", "completion", "."]).0, 0);
    let complete = |words: &str, count: usize| {
        let script = format!(
            ". ./selinux-map; COMP_WORDS=({words}); COMP_CWORD={count}; \
             $(complete -p selinux-map | sed 's/.*-F \\([^ ]*\\).*/\\1/') selinux-map '' ''; echo ${{COMPREPLY[@]}}"
        );
        let output = Command::new("bash").args(["-c", &script]).current_dir(&folder.0).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let subcommands = complete("selinux-map ''", 1);
    for name in ["check", "explain", "build", "diff", "assign"] {
        assert!(subcommands.split_whitespace().any(|word| word == name), "{subcommands}");
    }
    assert!(!subcommands.contains("generate"), "{subcommands}");
    assert!(complete("selinux-map explain --", 2).contains("--server-context"));
}
