//! README.md says what the code does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// All message codes (`SEL0001`) in a text.
fn codes(text: &str) -> BTreeSet<String> {
    let starts = text.match_indices("SEL").map(|(start, _)| start);
    let codes = starts.filter_map(|start| text.get(start..start + 7));
    codes.filter(|code| code[3..].bytes().all(|byte| byte.is_ascii_digit())).map(str::to_owned).collect()
}

/// All sources of the module, as one text.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("the sources can be listed").map(|entry| entry.unwrap().path());
    let texts =
        entries.map(|path| if path.is_dir() { sources(&path) } else { fs::read_to_string(path).unwrap() });
    texts.collect()
}

fn project(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("the project has the file")
}

#[test]
fn every_message_code_is_explained() {
    let used = codes(&sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")));
    assert!(used.contains("SEL0104"), "codes are found: {used:?}");
    assert_eq!(used, codes(&project("README.md")));
}

#[test]
fn every_directive_is_in_the_table_and_in_the_reference() {
    let (source, table, reference) =
        (project("src/config/directives.rs"), project("README.md"), project("docs/directives.md"));
    let names: Vec<_> =
        source.split("c\"SELinux").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(names.len(), 13, "{names:?}");
    for name in names {
        assert!(table.contains(&format!("\n| `SELinux{name}`")), "SELinux{name} has no row");
        let section = reference.split("\n## ").find(|text| text.starts_with(&format!("SELinux{name}\n")));
        let section = section.unwrap_or_else(|| panic!("SELinux{name} has no section"));
        for part in ["description", "syntax", "default", "context", "compatibility"] {
            assert!(section.contains(&format!("\n| {part} | ")), "SELinux{name} lacks its {part}");
        }
    }
}
