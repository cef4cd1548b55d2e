//! Clients that stall, and that vanish: the thread that waits for them is confined, and ends.

use super::ask;
use crate::support::raw::Connection;
use crate::support::{Site, wait_for};
use std::fs;
use std::time::Duration;

/// Own's context, as the kernel tells it of a thread.
const CONTEXT: &str = "system_u:system_r:user_webapp_t:s0:c0";

pub const CONFIGURATION: &str = "
Timeout 10
";

pub fn prepare(site: &Site) {
    site.file(
        "endless.lua",
        "function handle(r)\n  while r:write(('x'):rep(8000)) > 0 do end\n  return 0\nend\n",
    )
    .script("endless.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec yes\n");
}

/// The threads of the system, scripts among them, that are in own's context.
fn confined() -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let tasks = processes.filter_map(|process| fs::read_dir(process.path().join("task")).ok());
    let is_own = |task: &fs::DirEntry| {
        let label = fs::read_to_string(task.path().join("attr/current")).unwrap_or_default();
        label.trim_end_matches(['\0', '\n']) == CONTEXT
    };
    tasks.flat_map(Iterator::flatten).filter(is_own).count()
}

fn wait_until(what: &str, condition: impl Fn(usize) -> bool) {
    wait_for(what, Duration::from_secs(20), || condition(confined()).then_some(()));
}

pub fn that_stall_or_vanish_leave_nothing_confined_behind() {
    wait_until("the rows' threads to end", |count| count == 0);
    for page in ["body.lua", "who.cgi"] {
        let begun = |place: &str| {
            let mut connection = Connection::open().unwrap();
            let head = format!("POST /{place}/{page} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
            connection.send(&format!("{head}Content-Length: 100\r\n\r\nhalf")).unwrap();
            connection
        };
        // Stalls: httpd gives up after its Timeout, and says so as without the module.
        let (mut own, mut off) = (begun("own"), begun("off"));
        wait_until("the page to wait for its body", |count| count > 0);
        let [own, off] = [own.rest(), off.rest()].map(|reply| reply.unwrap());
        assert_eq!(own.lines().next(), off.lines().next(), "{page}");
        wait_until("the stalled request's end", |count| count == 0);
        // Vanishes mid-body.
        let connection = begun("own");
        wait_until("the page to wait for its body", |count| count > 0);
        drop(connection);
        wait_until("the end of the request of a client that is gone", |count| count == 0);
    }
    // Vanishes mid-response: of a page that would never end, and of a file of two gigabytes.
    for page in ["endless.lua", "endless.cgi", "send-big.bin", "read-big.bin"] {
        let mut connection = Connection::open().unwrap();
        connection.send(&format!("GET /own/{page} HTTP/1.1\r\nHost: localhost\r\n\r\n")).unwrap();
        connection.take(100_000).unwrap();
        if page.starts_with("endless") {
            wait_until("the page to run", |count| count > 0);
        }
        drop(connection);
        wait_until("the end of the request of a client that is gone", |count| count == 0);
    }
    assert_eq!(ask("GET /@/own.txt", "own").status, 200);
}
