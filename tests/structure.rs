//! How the sources hang together: no circle of imports between files or rooms, no name for two public types of a crate, and
//! few modules at the root of the module's crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 7] = [
    "src",
    "crates/apps/src",
    "crates/broker/src",
    "crates/confinement/src",
    "crates/mapping/src",
    "crates/messages/src",
    "crates/selinux-map/src",
];

/// The files of one crate: the path of each as a module (`["worker", "handoff"]`; the root's is empty) and its text, without
/// comments and tests.
struct Sources(BTreeMap<Vec<String>, (String, String)>);

impl Sources {
    fn of(folder: &str) -> Sources {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut sources = Sources(BTreeMap::new());
        sources.read(&folder, &folder);
        sources
    }

    fn read(&mut self, root: &Path, folder: &Path) {
        for entry in fs::read_dir(folder).expect("the sources can be listed") {
            let path = entry.expect("the sources can be listed").path();
            if path.is_dir() {
                self.read(root, &path);
            } else if let Some(module) = module_of(root, &path) {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                let text = fs::read_to_string(&path).expect("a source is text");
                self.0.insert(module, (name, without_tests(&text)));
            }
        }
    }

    /// The file that a path of names leads to: that of the longest beginning that is a module.
    fn file_of(&self, path: &[String]) -> &str {
        let modules = (0..=path.len()).rev().map(|length| &path[..length]);
        let (file, _) = modules.filter_map(|module| self.0.get(module)).next().expect("the root is a file");
        file
    }

    /// Which files each file imports from.
    fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let edges = self.0.iter().map(|(module, (file, text))| {
            let paths = paths_in(text).into_iter().filter_map(|path| absolute(module, &path));
            let imported = paths.map(|path| self.file_of(&path)).filter(|other| other != file);
            (file.as_str(), imported.collect())
        });
        edges.collect()
    }
}

/// `None` for what is no source, and for files of tests alone.
fn module_of(root: &Path, path: &Path) -> Option<Vec<String>> {
    let mut names: Vec<String> = path
        .strip_prefix(root)
        .ok()?
        .with_extension("")
        .iter()
        .map(|name| name.to_str().unwrap().to_owned())
        .collect();
    let last = names.last()?.clone();
    if path.extension()? != "rs" || last.ends_with("tests") {
        return None;
    }
    if matches!(last.as_str(), "mod" | "lib" | "main") {
        names.pop();
    }
    Some(names)
}

fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_test = line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(feature");
        if is_test && lines.peek().is_some_and(|next| next.ends_with("mod tests {")) {
            break;
        }
        kept.push_str(line.split("//").next().unwrap_or_default());
        kept.push('\n');
    }
    kept
}

/// All paths in a text that begin with `crate`, `super` or a module of its own, and those of its `use` trees one by one.
fn paths_in(text: &str) -> Vec<Vec<String>> {
    let own =
        text.lines().filter_map(|line| line.strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name));
    let words: Vec<_> = ["crate", "super"].into_iter().chain(own).map(|name| format!("{name}::")).collect();
    let mut paths = Vec::new();
    for (start, word) in words.iter().flat_map(|word| text.match_indices(word.as_str())) {
        let before = text[..start].chars().next_back();
        // Within a path, or in the name of a macro's crate.
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, ':' | '_' | '$')) {
            continue;
        }
        let first = vec![word.trim_end_matches("::").to_owned()];
        tree(&mut text[start + word.len()..].chars().peekable(), &first, &mut paths);
    }
    paths
}

/// Reads a path, or a tree of them in braces, behind what has been read of it.
fn tree(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    before: &[String],
    paths: &mut Vec<Vec<String>>,
) {
    let mut path = before.to_vec();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if rest.next_if_eq(&'{').is_some() {
            loop {
                while rest.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
                if rest.next_if_eq(&'}').is_some() || rest.peek().is_none() {
                    return;
                }
                tree(rest, &path, paths);
                // The name that it gets here.
                while rest.next_if(|c| !matches!(c, ',' | '}')).is_some() {}
            }
        }
        let mut name = String::new();
        while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
            name.push(c);
        }
        if name.is_empty() {
            break;
        }
        path.push(name);
        if rest.next_if_eq(&':').is_none() || rest.next_if_eq(&':').is_none() {
            break;
        }
    }
    paths.push(path);
}

/// A path from the crate's root on, of one in this module.
fn absolute(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let names = path.iter().filter(|name| *name != "self");
    let ups = path.iter().take_while(|name| *name == "super").count();
    let base = if path[0] == "crate" { &[][..] } else { module.get(..module.len().checked_sub(ups)?)? };
    let rest = names.skip(if path[0] == "crate" { 1 } else { ups });
    Some(base.iter().chain(rest).cloned().collect())
}

/// The sets of files each of which imports all others of its set, straight or through others.
fn circles<'a>(imports: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<BTreeSet<&'a str>> {
    let reached = |file: &'a str| {
        let mut reached = BTreeSet::new();
        let mut left = vec![file];
        while let Some(file) = left.pop() {
            left.extend(imports[file].iter().filter(|next| reached.insert(**next)));
        }
        reached
    };
    let reached: BTreeMap<_, _> = imports.keys().map(|file| (*file, reached(file))).collect();
    let circles = reached.iter().filter(|(file, others)| others.contains(*file)).map(|(file, others)| {
        others.iter().filter(|other| reached[*other].contains(file)).copied().collect()
    });
    circles.collect()
}

#[test]
fn files_import_each_other_in_no_circle() {
    for folder in CRATES {
        let sources = Sources::of(folder);
        let imports = sources.imports();
        assert!(imports.values().any(|imported| !imported.is_empty()), "{folder}: imports are found");
        let circles = circles(&imports);
        assert!(circles.is_empty(), "{folder}: {circles:#?}");
    }
}

#[test]
fn rooms_import_each_other_in_no_circle() {
    let sources = Sources::of("src");
    let room = |file: &str| file.split('/').next().expect("a path has a beginning").to_owned();
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, imported) in sources.imports() {
        let others = imported.into_iter().map(room).filter(|other| *other != room(file));
        rooms.entry(room(file)).or_default().extend(others);
    }
    let imports =
        rooms.iter().map(|(room, others)| (room.as_str(), others.iter().map(String::as_str).collect()));
    let circles = circles(&imports.collect());
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let file = |text: &str| text.to_owned();
    let modules = [
        (vec![], ("lib.rs", "mod a;\nmod b;")),
        (vec!["a"], ("a.rs", "use crate::{\n    b::{self, X as Y},\n};")),
        (vec!["b"], ("b/mod.rs", "mod c;")),
        (vec!["b", "c"], ("b/c.rs", "fn f() { super::super::a::g() }")),
    ];
    let modules = modules.map(|(module, (name, text))| {
        (module.into_iter().map(file).collect::<Vec<_>>(), (file(name), file(text)))
    });
    let mut sources = Sources(BTreeMap::from(modules));
    assert!(circles(&sources.imports()).is_empty());
    sources.0.get_mut(&vec![file("b")]).unwrap().1.push_str("pub use super::b::c::f;");
    assert_eq!(circles(&sources.imports()), BTreeSet::from([BTreeSet::from(["a.rs", "b/mod.rs", "b/c.rs"])]));
}

#[test]
fn no_two_public_types_of_a_crate_share_a_name() {
    for folder in CRATES {
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (file, text) in Sources::of(folder).0.into_values() {
            for line in text.lines() {
                let mut words =
                    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
                let is_type = line.starts_with("pub ")
                    && words
                        .by_ref()
                        .take(3)
                        .any(|word| matches!(word, "struct" | "enum" | "trait" | "union" | "type"));
                if is_type && let Some(name) = words.next() {
                    places.entry(name.to_owned()).or_default().push(file.clone());
                }
            }
        }
        places.retain(|_, files| files.len() > 1);
        assert!(places.is_empty(), "{folder}: {places:#?}");
    }
}

#[test]
fn the_root_names_ten_modules_at_most() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let text = fs::read_to_string(root).expect("it is there");
    let modules =
        text.lines().filter(|line| line.starts_with("mod ") || line.starts_with("pub mod ")).count();
    assert!((1..=10).contains(&modules), "{modules}");
}
