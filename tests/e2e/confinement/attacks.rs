//! What a page tries that wants out of its context, and what the kernel says to it.
//!
//! The same attempts are made where no rules stand, and succeed there: what refuses them is the policy.

mod afterwards;
mod calls;
mod categories;
mod cores;
mod labels;
mod php;
mod planting;

use crate::support::distribution::load_php;
use crate::support::httpd::ONE_PROCESS;
use crate::support::raw::{self, Connection};
use crate::support::{Httpd, Mpm, Site, distribution, httpd, outcome, run, wait_for};
use std::fs;
use std::thread;
use std::time::Duration;

const PLACES: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
<FilesMatch \\.php$>
    SetHandler application/x-httpd-php
</FilesMatch>
Alias /keep @ROOT@
Alias /confined @ROOT@
Alias /other @ROOT@
<Location /confined>
    SELinuxDomainVal user_webapp_t:s0:c0
</Location>
<Location /other>
    SELinuxDomainVal user_webapp_t:s0:c1
</Location>
";

/// One process, so that the attempts are about the one that makes them.
const ONE_CHILD: &str = "StartServers 1\nServerLimit 1\nThreadsPerChild 25\nMaxRequestWorkers 25\n";

const CONTEXT: &str = "system_u:system_r:user_webapp_t:s0:c0";

/// Waits for the list of attempts, so that the driver can look at the thread meanwhile, then makes them: `r PATH`
/// opens for reading, `w PATH` for writing, `c PATH` makes a file. Says what opened.
const ATTEMPTS_LUA: &str = r#"
function handle(r)
  r.content_type = "text/plain"
  local limit, list = os.time() + 60, nil
  repeat list = io.open("@ROOT@/" .. r.args) until list or os.time() > limit
  if not list then return 504 end
  for line in list:lines() do
    local mode, path = line:match("^(.) (.*)$")
    local file = io.open(path, ({r = "r", w = "r+", c = "w"})[mode])
    if file then
      -- A folder opens, and does not read.
      if mode ~= "r" or file:read(1) then r:puts(line .. "\n") end
      file:close()
    end
  end
  list:close()
  r:puts("end\n")
  return apache2.OK
end
"#;

const ATTEMPTS_CGI: &str = r#"#!/bin/sh
printf 'Content-Type: text/plain\n\n'
tries=0
while [ ! -r "@ROOT@/$QUERY_STRING" ] && [ $tries -lt 60 ]; do sleep 1; tries=$((tries + 1)); done
while read -r mode path; do
  case $mode in
    r) ( head -c 1 <"$path" | grep -q . ) 2>&- && echo "r $path" ;;
    w) ( : <>"$path" ) 2>&- && echo "w $path" ;;
    c) ( : >"$path" ) 2>&- && echo "c $path" ;;
  esac
done <"@ROOT@/$QUERY_STRING"
echo end
"#;

const ATTEMPTS_PHP: &str = r#"<?php
$limit = time() + 60;
while (!is_readable("@ROOT@/{$_SERVER['QUERY_STRING']}") && time() < $limit) { clearstatcache(); usleep(100000); }
foreach (file("@ROOT@/{$_SERVER['QUERY_STRING']}", FILE_IGNORE_NEW_LINES) as $line) {
    [$mode, $path] = explode(' ', $line);
    $file = @fopen($path, ['r' => 'r', 'w' => 'r+', 'c' => 'w'][$mode]);
    if ($file && ($mode != 'r' || @fread($file, 1) != '')) echo "$line\n";
}
echo "end\n";
"#;

const ATTRIBUTES: [&str; 5] = ["current", "exec", "fscreate", "sockcreate", "keycreate"];

fn site(name: &str) -> Site {
    let site = Site::new(name);
    let root = site.root().to_str().unwrap().to_owned();
    site.file("attempts.lua", &ATTEMPTS_LUA.replace("@ROOT@", &root))
        .file("attempts.php", &ATTEMPTS_PHP.replace("@ROOT@", &root))
        .script("attempts.cgi", &ATTEMPTS_CGI.replace("@ROOT@", &root))
        .file("content.txt", "content")
        .writable("open", "s0:c0")
        .relabel("open", "httpd_sys_content_t", "s0:c0")
        .writable("writable", "s0:c0")
        .file("own.txt", "mine");
    // By unix modes, the web server's user may write all of it.
    for (path, type_) in [("content.txt", "httpd_sys_content_t"), ("own.txt", "httpd_sys_rw_content_t")] {
        run("chmod", &["666", site.root().join(path).to_str().unwrap()]);
        site.relabel(path, type_, "s0:c0");
    }
    for file in ["users", "secret.pem"] {
        let path = site.config_file(file, "secret");
        run("chmod", &["666", &path]);
    }
    site
}

/// The processes that an httpd serves with.
fn children(httpd: &Httpd) -> Vec<String> {
    // There may be none yet, which is a failure to ps.
    let output = outcome("ps", &["-o", "pid=", "--ppid", &httpd.main_pid().to_string()]).stdout;
    String::from_utf8_lossy(&output).split_whitespace().map(str::to_owned).collect()
}

/// The tasks of an httpd's processes that are in a context, as the kernel tells: `(process, task)`.
fn tasks_in(httpd: &Httpd, context: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for pid in children(httpd) {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for task in tasks.flatten() {
            let label = fs::read_to_string(task.path().join("attr/current")).unwrap_or_default();
            if label.trim_end_matches('\0') == context {
                found.push((pid.clone(), task.file_name().to_string_lossy().into_owned()));
            }
        }
    }
    found
}

/// What only the server may do: `r PATH` and `w PATH`. `process` and `task` are those of the thread that tries.
/// `new` is the name of a file that is nowhere yet.
fn attempts(site: &Site, httpd: &Httpd, process: &str, task: &str, new: &str) -> Vec<String> {
    let etc = site.etc().display();
    let root = site.root().display();
    let parent = httpd.main_pid();
    let mut list = vec![
        "r /etc/passwd".to_owned(),
        format!("r {etc}/users"),
        format!("w {etc}/users"),
        format!("r {etc}/secret.pem"),
        "r /etc/shadow".to_owned(),
        "r /etc/ssl/private".to_owned(),
        format!("w {root}/content.txt"),
        // Folders that everybody may write, by unix modes.
        format!("c /dev/shm/{new}"),
        format!("c /run/lock/{new}"),
        format!("c {root}/open/made"),
    ];
    let mut folders = vec!["/proc/self".to_owned(), "/proc/thread-self".to_owned()];
    for number in [process, task] {
        folders.push(format!("/proc/{number}"));
        folders.push(format!("/proc/{process}/task/{number}"));
        folders.push(format!("/proc/self/task/{number}"));
    }
    let others = fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    let others = others.map(|other| other.file_name().to_string_lossy().into_owned());
    folders.extend(
        others
            .filter(|other| other != task && other != process)
            .take(3)
            .map(|other| format!("/proc/{other}")),
    );
    // Files that the process has open, for itself and for other requests. (To open a pipe or socket would be to wait.)
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
    for descriptor in descriptors.filter(|descriptor| descriptor.path().is_file()) {
        let number = descriptor.file_name().to_string_lossy().into_owned();
        list.push(format!("r /dev/fd/{number}"));
        list.push(format!("r /proc/{process}/fd/{number}"));
        list.push(format!("w /proc/{task}/fd/{number}"));
    }
    for folder in &folders {
        list.push(format!("w {folder}/mem"));
        list.push(format!("r {folder}/maps"));
        list.extend(ATTRIBUTES.map(|attribute| format!("w {folder}/attr/{attribute}")));
    }
    list.push(format!("w /proc/{parent}/mem"));
    list
}

/// Has a page make the attempts that suit the thread it runs on; gives what was tried, and what opened.
fn try_all(site: &Site, httpd: &Httpd, page: &str, context: &str) -> (Vec<String>, Vec<String>) {
    let list = format!("list-{}", page.replace(['/', '.'], "-"));
    let file = site.root().join(&list);
    let _ = fs::remove_file(&file);
    let before = tasks_in(httpd, context);
    // In the server's context all threads are alike: any will do. A resident worker was there before.
    let stays = std::env::var("MOD_SELINUX_WORKER").is_ok_and(|kind| kind.starts_with("resident"));
    let any_will_do = context != CONTEXT || stays;
    let mut tried = Vec::new();
    let reply = thread::scope(|scope| {
        let reply = scope.spawn(|| httpd.get(&format!("{page}?{list}"), None));
        let own = wait_for("the page's thread", Duration::from_secs(30), || {
            let now = tasks_in(httpd, context);
            now.iter()
                .find(|task| !before.contains(task))
                .or_else(|| now.first().filter(|_| any_will_do))
                .cloned()
        });
        tried = attempts(site, httpd, &own.0, &own.1, &format!("{}{list}", site.name()));
        // One thing that the page may do, so that 'nothing opened' is not because nothing works.
        tried.push(format!("r {}/content.txt", site.root().display()));
        tried.push(format!("w {}/own.txt", site.root().display()));
        tried.push(format!("c {}/writable/made", site.root().display()));
        site.file("list", &(tried.join("\n") + "\n"));
        fs::rename(site.root().join("list"), &file).unwrap();
        reply.join().unwrap()
    });
    assert_eq!(reply.status, 200, "{page}");
    let mut opened: Vec<_> = reply.body.lines().map(str::to_owned).collect();
    assert_eq!(opened.pop().as_deref(), Some("end"), "{page}");
    (tried, opened)
}

/// The attempts from confined pages, each of which the kernel refuses, and from an unconfined one, where it lets
/// `works` happen (how those begin).
fn all_are_refused(site: &Site, httpd: &Httpd, pages: &[&str], works: &[&str]) {
    let allowed = ["r ROOT/content.txt", "w ROOT/own.txt", "c ROOT/writable/made"]
        .map(|attempt| attempt.replace("ROOT", site.root().to_str().unwrap()));
    for page in pages {
        let (tried, opened) = try_all(site, httpd, &format!("/confined/{page}"), CONTEXT);
        assert!(tried.len() > 50, "{tried:?}");
        assert_eq!(opened, allowed, "{page}");
    }
    for parts in
        [["name=\"passwd\"", "tclass=file"], ["dev=\"proc\"", "{ search }"], ["httpd_config_t", "denied"]]
    {
        httpd.audit.denial(&[&format!("scontext={CONTEXT} "), parts[0], parts[1]]);
    }
    // The control: the same page, from the server's own context.
    let (tried, opened) = try_all(site, httpd, "/keep/attempts.lua", "system_u:system_r:httpd_t:s0");
    let refused: Vec<_> = tried.iter().filter(|attempt| !opened.contains(attempt)).collect();
    for must in ["r /etc/passwd", "c /dev/shm/attack-"].iter().chain(works) {
        assert!(
            opened.iter().any(|attempt| attempt.starts_with(must)),
            "{must} is refused to the server too: {refused:?}"
        );
    }
    let has_memory = opened.iter().any(|attempt| attempt.ends_with("/mem"));
    assert_eq!(has_memory, works.contains(&"w /proc/self/mem"), "{opened:?}");
}

/// What only the policy refuses where unix does not.
const DUMPABLE: &[&str] =
    &["w /proc/self/mem", "w /proc/thread-self/mem", "w /proc/thread-self/attr/current"];

/// Configuration and properties of systemd's for a server that is started as an ordinary user.
fn as_ordinary_user(site: &Site, configuration: &str) -> (String, Vec<String>) {
    // That user has to write what root writes elsewhere.
    let (folder, user) = (httpd::run_folder(), distribution::unix_user());
    run("chown", &[user, folder]);
    let configuration = format!("{configuration}\nErrorLog {folder}/{}.log", site.name());
    let properties = [
        format!("User={user}"),
        format!("Group={user}"),
        "AmbientCapabilities=CAP_NET_BIND_SERVICE".to_owned(),
    ];
    (configuration, properties.into())
}

fn with_php() -> String {
    format!("{}{PLACES}{ONE_PROCESS}", load_php())
}

const PAGES: &[&str] = &["attempts.lua", "attempts.cgi", "attempts.php"];

#[test]
fn a_page_gets_at_nothing_of_the_servers_with_core_dumps_on() {
    // The base configuration has `CoreDumpDirectory`: without it, plain file permissions would refuse.
    let site = site("attack-root");
    site.file("large", "").relabel("large", "httpd_sys_content_t", "s0:c1");
    run("truncate", &["-s", "64M", site.root().join("large").to_str().unwrap()]);
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "cgi"], &format!("{PLACES}{ONE_CHILD}"));
    // Another client is sent a file meanwhile, and takes its time.
    let mut other = Connection::open().unwrap();
    other.send(&raw::request("/other/large", None, "")).unwrap();
    let large = site.root().join("large");
    wait_for("the other's file to be open", Duration::from_secs(10), || {
        let children = children(&httpd).into_iter();
        let mut open =
            children.flat_map(|child| fs::read_dir(format!("/proc/{child}/fd")).unwrap().flatten());
        open.any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|path| path == large)).then_some(())
    });
    all_are_refused(&site, &httpd, &PAGES[..2], &[DUMPABLE, &["r /dev/fd/"]].concat());
}

#[test]
fn a_page_gets_at_nothing_of_the_servers_with_core_dumps_off() {
    let site = site("attack-off").without_core_dumps();
    let httpd = Httpd::start(&site, Mpm::Prefork, &["lua", "cgi"], &with_php());
    all_are_refused(&site, &httpd, PAGES, &[]);
}

#[test]
fn a_page_gets_at_nothing_of_a_server_started_as_an_ordinary_user() {
    let site = site("attack-user");
    let (configuration, properties) = as_ordinary_user(&site, &with_php());
    let properties: Vec<_> = properties.iter().map(String::as_str).collect();
    let httpd = Httpd::start_as(&site, Mpm::Prefork, &["lua", "cgi"], &configuration, &properties);
    let status = fs::read_to_string(format!("/proc/{}/status", httpd.main_pid())).unwrap();
    assert!(!status.contains("Uid:\t0"), "{status}");
    all_are_refused(&site, &httpd, PAGES, DUMPABLE);
}
