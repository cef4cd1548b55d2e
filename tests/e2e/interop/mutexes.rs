//! `Mutex`: the locks that httpd's children share work on a worker, whatever they are made of.

use crate::support::httpd::run_folder;
use crate::support::raw::Connection;
use crate::support::{Httpd, Mpm, Site, distribution};

/// Takes mod_lua's lock (`lua-ivm-shm`) twice, and mod_cache_socache's (`cache-socache`) when the answer is stored. mod_lua
/// does not look at what becomes of its lock: the kernel's log does.
const PAGE: &str = r#"
function handle(r)
  r.content_type = "text/plain"
  r.headers_out["Cache-Control"] = "public, max-age=1000"
  r:ivm_set("name", r.args)
  local text = tostring(r:ivm_get("name"))
  r.headers_out["Content-Length"] = tostring(#text)
  r:puts(text)
  return apache2.OK
end
"#;

const CONFIGURATION: &str = "
AddHandler lua-script .lua
CacheSocache shmcb:/run/httpd-test/cache(512000)
CacheQuickHandler Off
CacheHeader On
CacheEnable socache /
<Location />
    SELinuxAllowCaches On
    SELinuxDomainVal user_webapp_t:s0:c0
</Location>
";

/// What mod_cache says of its part in the answer, and the body.
fn get(path: &str) -> (String, String) {
    let mut connection = Connection::open().unwrap();
    // To the end of the connection: what is cached is so once the response is through.
    connection.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).unwrap();
    let reply = connection.rest().unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {reply}");
    let cache = head.lines().find_map(|line| line.strip_prefix("X-Cache: "));
    let cache = cache.and_then(|text| text.split(' ').next()).unwrap_or_default();
    (cache.to_owned(), body.to_owned())
}

fn each_kind_works(mpm: Mpm) {
    let site = Site::new("mutexes");
    site.file("page.lua", PAGE);
    // Where the distributions have them: in httpd's runtime folder, or, Debian, among the locks.
    let folders = [run_folder(), distribution::dav_lock_folder()];
    let files = ["file", "flock", "fcntl"].into_iter();
    let files = files.flat_map(|kind| folders.map(|folder| format!("{kind}:{folder}")));
    let others = ["default", "sysvsem", "posixsem", "pthread"].map(str::to_owned);
    let mut faults = Vec::new();
    for mutex in others.into_iter().chain(files) {
        let configuration = format!("Mutex {mutex} default\n{CONFIGURATION}");
        let modules = ["lua", "cache", "cache_socache", "socache_shmcb"];
        let httpd = Httpd::start(&site, mpm, &modules, &configuration);
        for cache in ["MISS", "HIT"] {
            let answer = get(&format!("/page.lua?{mutex}"));
            if answer != (cache.to_owned(), mutex.clone()) {
                faults.push(format!("{mpm:?} {mutex}: {answer:?} and not {cache}"));
            }
        }
        let refused = httpd.audit.lines().into_iter().filter(|line| line.contains("denied"));
        faults.extend(refused.map(|line| format!("{mpm:?} {mutex}: {line}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_kind_of_mutex_works_on_a_worker_of_event() {
    each_kind_works(Mpm::Event);
}

#[test]
fn each_kind_of_mutex_works_on_a_worker_of_prefork() {
    each_kind_works(Mpm::Prefork);
}
