//! What is installed with the broker: its man page and the samples.

use apps::App;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn the_samples_are_good() {
    let app = App::parse("php", &fs::read_to_string(project("conf/apps/php.toml")).unwrap()).unwrap();
    let configuration = Path::new(&app.command[3]).file_name().unwrap();
    let pool = fs::read_to_string(project("conf/apps").join(configuration)).unwrap();
    assert!(pool.contains("\nlisten = ${SOCKET}\n") && app.state, "{pool}");
}

#[test]
fn the_man_page_has_every_option_and_key_and_a_good_example() {
    let page = fs::read_to_string(project("man/selinux-broker.8")).unwrap();
    let example = page.split(".nf\n").nth(1).unwrap().split(".fi\n").next().unwrap().replace("\\-", "-");
    App::parse("php", &example).unwrap();

    // What is no key is refused with the names of all that are.
    let error = App::parse("php", "no-key = 1\n").unwrap_err().text;
    let (_, keys) = error.split_once("expected one of ").unwrap();
    let help = Command::new(env!("CARGO_BIN_EXE_selinux-broker")).arg("--help").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let options = help.split_whitespace().filter(|word| word.starts_with("--"));
    let page = page.replace("\\-", "-");
    let tags: Vec<_> = page.split(".TP\n").skip(1).filter_map(|paragraph| paragraph.lines().next()).collect();
    for word in keys.split(", ").map(|key| key.trim_matches('`')).chain(options) {
        let is_word = |found: &str| found.trim_matches(['[', ']']) == word;
        assert!(
            tags.iter().any(|tag| tag.split_whitespace().any(is_word)),
            "{word} has no paragraph: {tags:?}"
        );
    }
}

#[test]
fn groff_has_nothing_to_complain_of() {
    for page in fs::read_dir(project("man")).unwrap() {
        let page = page.unwrap().path();
        let output = Command::new("groff").args(["-ww", "-man", "-Tutf8"]).arg(&page).output();
        let output = output.expect("groff is installed");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", page.display());
    }
}
