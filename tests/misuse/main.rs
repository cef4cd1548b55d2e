//! What is in `tests/misuse` does not compile within the module: each line that says so has the error that it says, and no other
//! line has one.

#[path = "../../src/httpd/loan.rs"]
mod loan;

use loan::lend;
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

/// The root of the sources.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Has the compiler look at the module with one more file in it; gives the errors in that, each with its line.
fn errors(name: &str) -> (BTreeSet<String>, String) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    // The module's own files, but for its root.
    for entry in fs::read_dir(Path::new(ROOT).join("src")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "lib.rs" {
            symlink(entry.path(), folder.join(entry.file_name())).unwrap();
        }
    }
    let file = Path::new(ROOT).join("tests/misuse").join(name);
    symlink(&file, folder.join("misuse.rs")).unwrap();
    let root = fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap();
    fs::write(folder.join("lib.rs"), root + "\n#[allow(dead_code)]\nmod misuse;\n").unwrap();

    let output = Command::new(env!("CARGO"))
        .args(["check", "--release", "--locked", "--quiet", "-p", "mod_selinux", "--lib"])
        .arg("--message-format=short")
        .current_dir(ROOT)
        .env("RUSTC_WORKSPACE_WRAPPER", Path::new(ROOT).join("tests/misuse/wrapper"))
        .env("MISUSE_ROOT", folder.join("lib.rs"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{name} compiles");
    let found = text.lines().filter_map(|line| {
        let (place, message) = line.split_once(": error")?;
        // Some errors of lifetimes have no code.
        let code = message.strip_prefix('[').map_or("lifetime", |code| code.split(']').next().unwrap());
        let (file, line) = place.rsplit_once(':')?.0.rsplit_once(':')?;
        let file = Path::new(file).file_name()?.to_str()?;
        Some(format!("{file}:{line} {code}"))
    });
    (found.collect(), text)
}

fn assert_refused(name: &str) {
    let source = fs::read_to_string(Path::new(ROOT).join("tests/misuse").join(name)).unwrap();
    let expected = source.lines().zip(1..).filter_map(|(line, number)| {
        let code = line.split_once("//~ ")?.1;
        Some(format!("misuse.rs:{number} {code}"))
    });
    let (found, text) = errors(name);
    assert_eq!(found, expected.collect::<BTreeSet<_>>(), "{text}");
}

#[test]
fn types_keep_safe_code_from_misusing_httpds_memory() {
    assert_refused("types.rs");
}

#[test]
fn lifetimes_keep_safe_code_from_what_is_gone() {
    assert_refused("lifetimes.rs");
}

/// The files in a folder, and in those in it, whose names end in `.rs`.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The sources of what has unsafe code, or calls it: the module, and the broker.
fn module() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in ["src", "crates/broker/src", "crates/confinement/src"] {
        sources(&Path::new(ROOT).join(folder), &mut files);
    }
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn each_safety_comment_says_its_own_reason() {
    for (path, text) in module() {
        for (line, number) in text.lines().zip(1..) {
            let said = line.split_once("SAFETY:").map_or("", |(_, reason)| reason).to_lowercase();
            let points = ["as above", "see above", "same as", "ditto", "see `"]
                .iter()
                .find(|words| said.contains(**words));
            assert!(points.is_none(), "{}:{number}: {line}", path.display());
        }
    }
}

/// The heads of all functions, as they are written.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("fn ").filter_map(|(place, _)| {
        let line = text[..place].rfind('\n').map_or(0, |end| end + 1);
        let is_head = text[line..place].split_whitespace().all(|word| {
            ["pub", "pub(super)", "pub(crate)", "const", "unsafe", "extern", "\"C\"", "\"C-unwind\""]
                .contains(&word)
        });
        let end = text[place..].find([';', '{'])?;
        is_head.then(|| &text[line..place + end])
    })
}

#[test]
fn no_safe_function_takes_a_pointer() {
    let mut count = 0;
    for (path, text) in module() {
        for head in functions(&text).filter(|head| !head.contains("unsafe ")) {
            count += 1;
            let parameters = head.split("->").next().unwrap();
            let has_pointer = ["*const ", "*mut "].iter().any(|pointer| parameters.contains(pointer));
            assert!(!has_pointer, "{}: {head}", path.display());
        }
    }
    assert!(count > 500, "only {count} functions have been found");
}

#[test]
fn unsafe_code_is_in_its_rooms_alone() {
    for (path, text) in module() {
        let path = path.strip_prefix(ROOT).unwrap();
        let rooms = ["src/httpd", "src/ffi.rs", "crates/broker/src/sys.rs", "crates/confinement/src/sys.rs"];
        let is_room = rooms.iter().any(|room| path.starts_with(room));
        let count = text.matches("unsafe_code").count();
        // Roots deny it. The module's allows it for the record and for the types that go with that.
        let expected = match path.to_str().unwrap() {
            "src/lib.rs" => 3,
            "crates/broker/src/lib.rs" | "crates/broker/src/main.rs" | "crates/confinement/src/lib.rs" => 1,
            _ => 0,
        };
        assert!(is_room || count == expected, "{}: {count}", path.display());
    }
}

/// The places here that a row of `SAFETY.md` names: a file, and what is in it, if it says so.
fn places(row: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let relies = row.trim_end().trim_end_matches('|').rsplit_once(" | ").map_or("", |(_, relies)| relies);
    relies.split('`').skip(1).step_by(2).filter_map(|text| {
        let (file, name) = text.split_once(": ").map_or((text, None), |(file, name)| (file, Some(name)));
        file.ends_with(".rs").then_some((file, name))
    })
}

#[test]
fn what_safety_md_names_is_there() {
    let root = Path::new(ROOT);
    let mut files = module();
    files.push((root.join("build.rs"), fs::read_to_string(root.join("build.rs")).unwrap()));
    let text = fs::read_to_string(root.join("SAFETY.md")).unwrap();
    let mut count = 0;
    for row in text.lines().filter(|line| line.starts_with("| ")) {
        for (file, name) in places(row) {
            count += 1;
            let mut texts = files.iter().filter(|(path, _)| path.ends_with(file)).map(|(_, text)| text);
            let is_there = texts.any(|text| name.is_none_or(|name| text.contains(name)));
            assert!(is_there, "SAFETY.md names {file}: {name:?}");
        }
    }
    assert!(count > 70, "only {count} places are named");
    assert!(!text.contains("by convention"), "the compiler is to see to it");
}

#[test]
fn who_lends_something_goes_on_when_it_is_back() {
    let (sender, receiver) = mpsc::channel();
    let borrower = thread::spawn(move || {
        for (lent, done) in receiver {
            drop::<(_, mpsc::Sender<()>)>((lent, done));
        }
    });
    for _ in 0..1000 {
        let (done, is_done) = mpsc::channel();
        // The hand-over: it is given back, and then said so.
        lend(|lent| {
            sender.send((lent, done)).unwrap();
            is_done.recv().unwrap_err();
        });
    }
    drop(sender);
    borrower.join().unwrap();
}

#[test]
fn what_does_not_come_back_ends_the_process() {
    const NAME: &str = "what_does_not_come_back_ends_the_process";
    if env::var_os("MISUSE_LOST").is_some() {
        lend(std::mem::forget);
        return;
    }
    let test = env::current_exe().unwrap();
    let output = Command::new(test).args(["--exact", NAME]).env("MISUSE_LOST", "1").output().unwrap();
    assert_eq!(output.status.signal(), Some(6), "{output:?}");
}
