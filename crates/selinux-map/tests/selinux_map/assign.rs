//! `selinux-map assign`.

use crate::{Folder, MAP};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Stdio;

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
    assert!(errors.contains("foo has a line already: line 2"), "{errors}");
}

#[test]
fn assign_prints_what_makes_a_folder_for_scratch_files() {
    let folder = Folder::new().with("map", "* a_t\n");
    let arguments =
        ["assign", "map", "o'neil", "--scratch", "/var/lib/webapps/%u", "--unix-user", "www-data"];
    let (code, text, _) = folder.run(&arguments);
    let commands: Vec<_> = text.lines().filter(|line| line.contains("webapps")).collect();
    assert_eq!(code, 0);
    assert_eq!(
        commands,
        [
            r"install -d -m 700 -o www-data -- '/var/lib/webapps/o'\''neil'",
            r"semanage fcontext -a -t httpd_tmp_t -r s0:c0,c1 '/var/lib/webapps/o'\''neil(/.*)?'",
            r"restorecon -RF '/var/lib/webapps/o'\''neil'",
        ]
    );
    assert_eq!(folder.run(&["assign", "map", "new", "--scratch", "/var/lib/webapps"]).0, 2);
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
