//! No memory: whoever cannot have any ends the process that it is in, as httpd's own pools do (`ap_abort_on_oom`);
//! nobody is served outside of their context, and another child serves.

use crate::support::fault_injection::Planted;
use crate::support::raw::Connection;
use crate::support::{Httpd, Mpm, Site, run, wait_for};
use std::fs;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// Fills the request's pool, as long as the query says. What Lua itself cannot have is not what ends this.
const GROW_LUA: &str = r#"
function handle(r)
  local text = string.rep("x", 1000000)
  for _ = 1, tonumber(r.args) do pcall(r.escape, r, text) end
  r:puts("grown")
  return apache2.OK
end
"#;

const CONFIGURATION: &str = "
StartServers 1
ServerLimit 1
ThreadsPerChild 1
MaxRequestWorkers 1
KeepAlive Off
AddHandler lua-script .lua
Alias /free @ROOT@
Alias /user @ROOT@
# Without a map: the process that takes up changed ones would have its share of what fails.
SetEnvIf Request_URI ^/variable DOMAIN=user_webapp_t:s0:c0
Alias /variable @ROOT@
<Location /variable>
    SELinuxDomainEnv DOMAIN
</Location>
<Location /user>
    SELinuxDomainVal user_webapp_t:s0:c1
</Location>
";

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.file("grow.lua", GROW_LUA).file_at("s0:c1", "own.txt", "own").file_at(
        "s0:c0",
        "other.txt",
        "another's",
    );
    site
}

fn assert_served(httpd: &Httpd) {
    assert_eq!(httpd.get("/user/own.txt", None).body, "own");
    assert_eq!(httpd.get("/variable/own.txt", None).status, 403);
}

/// Takes memory from the one child by `take` and asks for something, with nothing answered, or this status; waits until
/// the child has ended and another one is there.
fn assert_fatal(httpd: &Httpd, path: &str, status: Option<u16>, what: &str, take: impl FnOnce(&str)) {
    let children = httpd.children();
    assert_eq!(children.len(), 1, "{children:?}");
    // The child may end at once: a spare worker for the next request is made when the last response is on its way.
    take(&children[0]);
    // Or `Segmentation fault`: a worker may signal nobody, itself neither, and what `abort` does then is that.
    let end = format!("child pid {} exit signal", children[0]);
    let mut is_first = true;
    wait_for(&end, LIMIT, || {
        // A connection may be lost before its request comes to what fails: then once more.
        if httpd.children() == children {
            let answer = Connection::open().and_then(|mut connection| connection.get(path, None));
            let answered = answer.as_ref().ok().map(|(status, _)| *status);
            // The first goes to this child. A later one may come to the next.
            let is_anothers = !is_first && httpd.children() != children;
            assert!(answered.is_none() || answered == status || is_anothers, "{what}: {answer:?}");
            is_first = false;
        }
        httpd.log().contains(&end).then_some(())
    });
    wait_for("another child", LIMIT, || {
        (httpd.children().len() == 1 && httpd.children() != children).then_some(())
    });
}

#[test]
fn memory_that_the_module_does_not_get_ends_the_child_and_serves_nobody_elsewhere() {
    let site = site("memory");
    let planted = Planted::begin();
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "selinux_faults"], CONFIGURATION);
    assert_served(&httpd);
    planted.fail_allocation(1_000_000);
    assert_eq!(httpd.get("/variable/own.txt", None).status, 403);
    let count = 1_000_000 - planted.allocations_left();
    println!("a request takes {count} allocations");
    assert!(count > 3);
    // The first, and some of those that follow. The last are for the next worker, when the response is on its way, and some
    // of those that were counted were for the worker of this request.
    let count = count / 2;
    let steps = count.min(5);
    for n in (0..steps).map(|step| 1 + (count - 1) * step / (steps - 1)) {
        let what = format!("allocation {n} of {count}");
        assert_fatal(&httpd, "/variable/own.txt", Some(403), &what, |_| planted.fail_allocation(n));
        assert_eq!(planted.allocations_left(), 0);
        assert_served(&httpd);
    }
    httpd.logged(&["memory allocation of", "bytes failed"]);
}

#[test]
fn memory_that_httpd_does_not_get_ends_the_child_on_a_worker_as_elsewhere() {
    let site = site("pools");
    let httpd = Httpd::start(&site, Mpm::Event, &["lua"], CONFIGURATION);
    for path in ["/free/grow.lua", "/user/grow.lua"] {
        assert_eq!(httpd.get(&format!("{path}?1"), None).body, "grown");
        // 64 MB more. What fills ten times as much does not fill the machine, where another child gets to it.
        assert_fatal(&httpd, &format!("{path}?200"), None, path, |child| {
            let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap();
            let kilobytes =
                status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().split(' ').next());
            let bytes = (kilobytes.unwrap().parse::<usize>().unwrap() + 64_000) * 1024;
            run("prlimit", &["--pid", child, &format!("--as={bytes}")]);
        });
        assert_served(&httpd);
    }
}
