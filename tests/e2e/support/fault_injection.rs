//! Faults planted in the module itself, where httpd has loaded its other build (`selinux_faults` among the modules;
//! `tests/faults/planted`).

use super::httpd::run_folder;
use super::{library, run};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The file by which the module of an httpd that is started later knows what is planted; nothing is, once the value
/// is gone.
pub struct Planted(File);

impl Planted {
    /// With nothing planted.
    pub fn begin() -> Planted {
        let path = Path::new(run_folder()).join("faults");
        fs::write(&path, [0; 256]).unwrap();
        // What httpd may map.
        run("chcon", &["-t", "httpd_tmpfs_t", path.to_str().unwrap()]);
        Planted(File::options().read(true).write(true).open(path).unwrap())
    }

    /// From now on, what has all of these words in its name panics where httpd enters it; `""`: nothing does.
    pub fn panic_in(&self, words: &str) {
        let mut bytes = [0; 252];
        bytes[..words.len()].copy_from_slice(words.as_bytes());
        self.0.write_all_at(&bytes, 4).unwrap();
    }

    /// From now on, the module's n-th allocation fails; 0: none does.
    pub fn fail_allocation(&self, n: u32) {
        self.0.write_all_at(&n.to_ne_bytes(), 0).unwrap();
    }

    /// How many allocations are yet to come until one fails; 0: none will, or it has failed.
    pub fn allocations_left(&self) -> u32 {
        let mut bytes = [0; 4];
        self.0.read_exact_at(&mut bytes, 0).unwrap();
        u32::from_ne_bytes(bytes)
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        // No other test's httpd has the file, but one that ends may still ask.
        self.panic_in("");
        self.fail_allocation(0);
    }
}

/// The names of all that httpd enters the module by.
pub fn entries() -> Vec<String> {
    let file = library("libmod_selinux_faults.guards");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().map(str::to_owned).collect()
}
