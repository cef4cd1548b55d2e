//! Core files: all that httpd has in memory, with the label of the thread that crashed.

use crate::support::distribution::run_php;
use crate::support::httpd::ONE_PROCESS;
use crate::support::{Httpd, Mpm, Site, run, wait_for};
use std::fs;
use std::time::Duration;

const PLACES: &str = "
php_admin_value ffi.enable true
CoreDumpDirectory @ROOT@/cores
<Location />
    SELinuxDomainVal user_webapp_t:s0:c0
</Location>
";

const CRASH: &str = "<?php FFI::cdef('size_t strlen(size_t address);', 'libc.so.6')->strlen(1);";

const READ: &str = "<?php foreach (scandir(__DIR__ . '/cores') as $name)
    if ($name[0] != '.') echo $name, ' ', strlen(@file_get_contents(__DIR__ . \"/cores/$name\")), \"\\n\";
    echo 'end';";

/// What the kernel does with cores, put back when the value is gone.
struct Pattern(String);

impl Pattern {
    fn set(pattern: &str) -> Pattern {
        let before = Pattern(fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap());
        fs::write("/proc/sys/kernel/core_pattern", pattern).unwrap();
        before
    }
}

impl Drop for Pattern {
    fn drop(&mut self) {
        fs::write("/proc/sys/kernel/core_pattern", &self.0).unwrap();
    }
}

#[test]
fn a_page_that_crashes_httpd_leaves_no_core_file() {
    let site = Site::new("attack-cores");
    site.file("crash.php", CRASH).file("read.php", READ).writable("cores", "s0:c0");
    let _pattern = Pattern::set("core");
    let configuration = format!("{}{ONE_PROCESS}{PLACES}", run_php());
    let httpd = Httpd::start_as(&site, Mpm::Prefork, &[], &configuration, &["LimitCORE=infinity"]);
    assert!(httpd.client().try_get("/crash.php", None, &[]).is_err());
    wait_for("the crash", Duration::from_secs(30), || (!httpd.audit.crashed().is_empty()).then_some(()));
    httpd.logged(&["exit signal Segmentation fault"]);
    assert_eq!(httpd.get("/read.php", None).body, "end");
    let cores = run("ls", &[site.root().join("cores").to_str().unwrap()]);
    assert_eq!(cores, "");
    // The limit is the child's, and a page cannot raise it.
    let limits = fs::read_to_string(format!("/proc/{}/limits", httpd.children()[0])).unwrap();
    let limit = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(limit.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{limit}");
}
