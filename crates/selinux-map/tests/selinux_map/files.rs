//! What is written takes the place of what was there.

use crate::{Folder, MAP};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

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
