//! README.md says what the code does.

use messages::{ALL, table};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// All message codes (`SEL0001`) in a text.
fn codes(text: &str) -> BTreeSet<String> {
    let starts = text.match_indices("SEL").map(|(start, _)| start);
    let codes = starts.filter_map(|start| text.get(start..start + 7));
    codes.filter(|code| code[3..].bytes().all(|byte| byte.is_ascii_digit())).map(str::to_owned).collect()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn project(file: &str) -> String {
    fs::read_to_string(path(file)).expect("the project has the file")
}

/// All texts in a folder and the folders below it, each with its name.
fn texts(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).expect("the folder can be listed").map(|entry| entry.unwrap().path());
    let texts = entries.flat_map(|path| match path.is_dir() {
        true => texts(&path),
        // Pictures are no texts.
        false => fs::read_to_string(&path).map(|text| (path, text)).into_iter().collect(),
    });
    texts.collect()
}

/// README.md with the table of all messages as it is to be.
fn with_table(readme: &str) -> String {
    let start = readme.find("| code | ").expect("the table has a head");
    let end = start + readme[start..].find("\n\n").expect("an empty line ends the table") + 1;
    format!("{}{}{}", &readme[..start], table(), &readme[end..])
}

#[test]
fn the_table_of_messages_is_that_of_the_enum() {
    let readme = project("README.md");
    let wanted = with_table(&readme);
    if std::env::var_os("BLESS").is_some() {
        fs::write(path("README.md"), wanted).unwrap();
    } else {
        assert!(readme == wanted, "make it anew: BLESS=1 cargo test --release --test readme");
    }
}

#[test]
fn each_code_in_the_documents_is_that_of_a_message() {
    let known: BTreeSet<_> = ALL.iter().map(ToString::to_string).collect();
    let documents = texts(&path("docs")).into_iter();
    let documents = documents.chain(["README.md", "SAFETY.md"].map(|name| (path(name), project(name))));
    for (path, text) in documents {
        let unknown: Vec<_> = codes(&text).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
    }
}

/// The sources of the module and of its crates, but for those of the messages.
fn sources() -> Vec<(PathBuf, String)> {
    let all = ["src", "crates"].into_iter().flat_map(|folder| texts(&path(folder)));
    all.filter(|(file, _)| !file.starts_with(path("crates/messages"))).collect()
}

#[test]
fn no_source_but_that_of_the_enum_has_a_code_as_text() {
    for (path, text) in sources() {
        assert!(!text.contains("SEL0"), "{}: use messages::Code", path.display());
    }
}

#[test]
fn each_message_is_said_somewhere() {
    let sources: String = sources().into_iter().map(|(_, text)| text).collect();
    for code in ALL {
        assert!(sources.contains(&format!("Code::{code:?}")), "nobody says {code}");
    }
}

#[test]
fn every_directive_is_in_the_table_and_in_the_reference() {
    let source = project("src/config/directives.rs") + &project("src/config/server_directives.rs");
    let (table, reference) = (project("README.md"), project("docs/directives.md"));
    let names: Vec<_> =
        source.split("c\"SELinux").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(names.len(), 15, "{names:?}");
    for name in names {
        assert!(table.contains(&format!("\n| `SELinux{name}`")), "SELinux{name} has no row");
        let section = reference.split("\n## ").find(|text| text.starts_with(&format!("SELinux{name}\n")));
        let section = section.unwrap_or_else(|| panic!("SELinux{name} has no section"));
        for part in ["description", "syntax", "default", "context", "compatibility"] {
            assert!(section.contains(&format!("\n| {part} | ")), "SELinux{name} lacks its {part}");
        }
    }
}
