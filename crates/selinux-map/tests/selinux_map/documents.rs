//! Man pages and bash completion.

use crate::denials::AUDIT;
use crate::{Folder, MAP};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

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
    let folder = folder.with("audit", AUDIT);
    fs::create_dir(folder.path("man")).unwrap();
    assert_eq!(folder.run(&["generate", "man", "man"]).0, 0);
    assert!(folder.text("man/selinux-map.1").contains("selinux\\-map\\-check(1)"));
    for arguments in [
        &["check", "map", "warned"][..],
        &["explain", "map", "--user", "foo", "--addr", "192.0.2.7"],
        &["build", "map", "-o", "out"],
        &["diff", "map", "warned"],
        &["assign", "map", "new"],
        &["domain", "map"],
        &["denials", "--audit", "audit"],
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
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../man/selinux-map.5")).unwrap();
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
    for name in ["check", "explain", "build", "diff", "assign", "domain", "denials", "apps"] {
        assert!(subcommands.split_whitespace().any(|word| word == name), "{subcommands}");
    }
    assert!(!subcommands.contains("generate"), "{subcommands}");
    assert!(complete("selinux-map explain --", 2).contains("--server-context"));
}
