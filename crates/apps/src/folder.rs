//! The applications that there are: a folder of files that only root may change, read again when one changes.

use crate::app::{App, is_name};
use mapping::first_untrusted;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// How long an application's file may be.
const MAX_FILE: u64 = 64 * 1024;

/// A folder of applications.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    read: BTreeMap<String, Read>,
}

#[derive(Debug)]
struct Read {
    version: Version,
    app: Arc<App>,
}

/// What tells a file from the one that had its name before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Version(u64, u64, Option<SystemTime>);

impl Folder {
    /// Nothing is read before it is asked for.
    #[must_use]
    pub fn new(folder: &Path) -> Folder {
        Folder { path: folder.to_owned(), read: BTreeMap::new() }
    }

    /// The names of all applications whose files are there.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(App::name_of(&entry?.path()).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// An application as its file is now.
    ///
    /// # Errors
    /// Why it cannot be used: with the file, the line and what would be right.
    pub fn get(&mut self, name: &str) -> Result<Arc<App>, String> {
        if !is_name(name) {
            return Err(format!("{name:?} is no application's name"));
        }
        let path = App::path(&self.path, name);
        let shown = path.display().to_string();
        let found = (|| {
            let metadata = fs::metadata(&path)?;
            Ok((Version(metadata.ino(), metadata.size(), metadata.modified().ok()), metadata.size()))
        })();
        let (version, size) = found.map_err(|error: io::Error| {
            self.read.remove(name);
            format!("{shown}: {error}")
        })?;
        if let Some(read) = self.read.get(name).filter(|read| read.version == version) {
            return Ok(Arc::clone(&read.app));
        }
        self.read.remove(name);
        if size > MAX_FILE {
            return Err(format!("{shown} has more than {MAX_FILE} bytes"));
        }
        is_trusted(&path)?;
        let text = fs::read_to_string(&path).map_err(|error| format!("{shown}: {error}"))?;
        let app = App::parse(name, &text).map_err(|error| format!("{shown}: {error}"))?;
        let app = Arc::new(app);
        self.read.insert(name.to_owned(), Read { version, app: Arc::clone(&app) });
        Ok(app)
    }
}

/// Whether only root could have written a file: what it says is what processes are started by.
fn is_trusted(path: &Path) -> Result<(), String> {
    let told = |error: io::Error| format!("{}: {error}", path.display());
    let whole = path.canonicalize().map_err(told)?;
    let ask = |place: &Path| fs::metadata(place).map(|metadata| (metadata.uid(), metadata.mode()));
    match first_untrusted((path, &whole), 0, ask).map_err(told)? {
        None => Ok(()),
        Some((place, _)) => Err(format!(
            "{}: {} could be changed by others than root: chown root: and chmod go-w it",
            path.display(),
            place.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::Folder;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    const APP: &str = "command = [\"/bin/true\"]\nsocket = \"fastcgi\"\nprotocol = \"fcgi\"\n\
        [[callers]]\nworker = \"a_t\"\napp = \"b_t\"\n";

    #[test]
    fn a_file_is_read_again_when_it_has_changed_and_believed_when_it_is_roots() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut apps) = (folder.path().join("x.toml"), Folder::new(folder.path()));
        assert!(apps.get("x").unwrap_err().contains("No such file"));
        assert!(apps.get("../x").unwrap_err().contains("no application's name"));
        fs::write(&path, APP).unwrap();
        assert_eq!(apps.get("x").unwrap().callers["a_t"], "b_t");
        fs::write(&path, APP.replace("b_t", "other_t")).unwrap();
        assert_eq!(apps.get("x").unwrap().callers["a_t"], "other_t");
        assert_eq!(apps.names().unwrap(), ["x"]);
        fs::write(&path, "command = 1\n").unwrap();
        assert!(apps.get("x").unwrap_err().contains("x.toml: line 1: "));
        fs::write(&path, APP).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        assert!(apps.get("x").unwrap_err().contains("chmod go-w"));
    }
}
