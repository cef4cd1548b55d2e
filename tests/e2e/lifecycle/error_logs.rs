//! `ErrorLog`: whatever it is, it gets what a worker logs.

use crate::support::distribution::log_folder;
use crate::support::{Httpd, Mpm, Site, outcome};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Logs, as httpd does for a handler, what it was asked with.
const PAGE: &str = r#"
function handle(r)
  r.content_type = "text/plain"
  r:err("from " .. r.args)
  r:puts("ran")
  return apache2.OK
end
"#;

/// mod_cgi logs what a script says, on the script's worker.
const SCRIPT: &str =
    "#!/bin/sh\necho \"from $QUERY_STRING\" >&2\nprintf 'Content-Type: text/plain\\n\\nran'\n";

const CONFIGURATION: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
<Location />
    SELinuxDomainVal user_webapp_t:s0:c0
</Location>
";

/// What syslog knows the test's httpd by.
const TAG: &str = "test-error-logs";

/// What the system's log has of the test.
fn journal() -> String {
    let output = outcome("journalctl", &["--boot", "--quiet", "--output=cat", "--identifier", TAG]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn each_kind_is_written(mpm: Mpm) {
    let site = Site::new("error-logs");
    site.file("page.lua", PAGE).script("page.cgi", SCRIPT);
    let file = log_folder().join("test-error-logs.other");
    let file = file.to_str().unwrap();
    let written = || fs::read_to_string(file).unwrap_or_default();
    let rotatelogs = format!("/usr/bin/rotatelogs -n 2 {file} 100M");
    let kinds: [(&str, String, &dyn Fn() -> String); 7] = [
        ("file", file.to_owned(), &written),
        ("pipe", format!("|/usr/bin/tee -a {file}"), &written),
        ("two-pipes", format!("||/usr/bin/tee -a {file}"), &written),
        ("shell", format!("|$exec /bin/cat >>{file}"), &written),
        ("rotated", format!("|{rotatelogs}"), &written),
        ("syslog", format!("syslog:local1:{TAG}"), &journal),
        ("nothing", "/dev/null".to_owned(), &String::new),
    ];
    let mut faults = Vec::new();
    for (kind, log, text) in kinds {
        let _ = fs::remove_file(file);
        let configuration = format!("ErrorLog \"{log}\"\n{CONFIGURATION}");
        let httpd = Httpd::start(&site, mpm, &["lua", "cgi"], &configuration);
        for page in ["page.lua", "page.cgi"] {
            let mark = format!("{mpm:?}-{kind}-{page}");
            assert_eq!(httpd.get(&format!("/{page}?{mark}"), None).body, "ran", "{mark}");
            // What a piped log's program or journald does with it takes its time.
            let end = Instant::now() + Duration::from_secs(60);
            let has_come = || text().lines().any(|line| line.contains(&format!("from {mark}")));
            while kind != "nothing" && !has_come() {
                if Instant::now() > end {
                    faults.push(format!("{mark} is not in the log"));
                    break;
                }
                sleep(Duration::from_millis(50));
            }
        }
        let refused = httpd.audit.lines().into_iter().filter(|line| line.contains("denied"));
        faults.extend(refused.map(|line| format!("{mpm:?} {kind}: {line}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_kind_of_error_log_gets_what_a_worker_of_event_logs() {
    each_kind_is_written(Mpm::Event);
}

#[test]
fn each_kind_of_error_log_gets_what_a_worker_of_prefork_logs() {
    each_kind_is_written(Mpm::Prefork);
}
