//! A site: a folder under `/var/www`, with files and labels, and one for configuration.

use super::{distribution, run};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The passwords are the names.
const USERS: &str = "foo:{SHA}C+7Hteo/D9vJXQ3UfzxbwnXaijM=\n\
                     bar:{SHA}Ys23Ag/5IOWqZCw9QGaVDdHwH00=\n\
                     staff:{SHA}bMtLfDmm53927PqTWoVcbEatVhE=\n";

/// A site of its own for each test, made anew.
pub struct Site {
    name: String,
    root: PathBuf,
    etc: PathBuf,
    dumps_core: bool,
}

impl Site {
    /// A site without files, and with a password file `users` for foo, bar and staff (the passwords
    /// are the names). `name` is the test's.
    pub fn new(name: &str) -> Site {
        let root = Path::new("/var/www").join(format!("test-{name}"));
        let etc = distribution::configuration_folder().join(format!("test-{name}"));
        for folder in [&root, &etc] {
            let _ = fs::remove_dir_all(folder);
            fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        }
        let site = Site { name: name.to_owned(), root, etc, dumps_core: true };
        site.config_file("users", USERS);
        run("restorecon", &["-RF", site.root.to_str().unwrap(), site.etc.to_str().unwrap()]);
        site
    }

    /// Its httpd is without `CoreDumpDirectory`, which others have.
    pub fn without_core_dumps(mut self) -> Site {
        self.dumps_core = false;
        self
    }

    /// Whether its httpd has `CoreDumpDirectory`.
    pub fn dumps_core(&self) -> bool {
        self.dumps_core
    }

    /// The name it was made with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that is served.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder with the configuration.
    pub fn etc(&self) -> &Path {
        &self.etc
    }

    /// A file under the root, labelled as its place is by default (`httpd_sys_content_t:s0`).
    pub fn file(&self, path: &str, content: &str) -> &Site {
        let file = self.root.join(path);
        write(&file, content, 0o644);
        run("restorecon", &["-F", file.to_str().unwrap()]);
        self
    }

    /// A file under the root with another range, such as `s0:c0`.
    pub fn file_at(&self, range: &str, path: &str, content: &str) -> &Site {
        self.file(path, content).relabel(path, "httpd_sys_content_t", range)
    }

    /// A CGI script.
    pub fn script(&self, path: &str, content: &str) -> &Site {
        let file = self.root.join(path);
        write(&file, content, 0o755);
        self.relabel(path, "httpd_sys_script_exec_t", "s0")
    }

    /// A folder that confined types which write may write to, as the web server's unix user.
    pub fn writable(&self, path: &str, range: &str) -> &Site {
        let folder = self.root.join(path);
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        self.relabel(path, "httpd_sys_rw_content_t", range)
    }

    /// Gives a file or folder under the root another type and range.
    pub fn relabel(&self, path: &str, type_: &str, range: &str) -> &Site {
        let file = self.root.join(path);
        let label = format!("system_u:object_r:{type_}:{range}");
        run("chcon", &[&label, file.to_str().unwrap()]);
        self
    }

    /// A file in the configuration's folder; gives its path.
    pub fn config_file(&self, name: &str, content: &str) -> String {
        let file = self.etc.join(name);
        write(&file, content, 0o644);
        run("restorecon", &["-F", file.to_str().unwrap()]);
        file.to_str().unwrap().to_owned()
    }
}

fn write(file: &Path, content: &str, mode: u32) {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).unwrap();
        run("restorecon", &[folder.to_str().unwrap()]);
    }
    fs::write(file, content).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}
