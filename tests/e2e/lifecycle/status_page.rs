//! mod_status' page: what it says of the module is what was done, whatever becomes of children and of httpd's
//! configuration meanwhile.

use crate::lifecycle::runtime_changes::Enforcing;
use crate::support::distribution::unix_user;
use crate::support::raw::{Connection, request};
use crate::support::{Httpd, Mpm, Site, outcome, run, wait_for};
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// The module's values of the page for programs, by their names.
fn values(httpd: &Httpd) -> BTreeMap<String, String> {
    let page = httpd.get("/status?auto", None);
    assert_eq!(page.status, 200, "{page:?}");
    let lines = page.body.lines().filter_map(|line| line.strip_prefix("SELinux")?.split_once(": "));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn number(values: &BTreeMap<String, String>, name: &str) -> u64 {
    values.get(name).and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} in {values:?}"))
}

/// The module's part of the page for people.
fn part(httpd: &Httpd, page: &str) -> String {
    let page = httpd.get(page, None);
    assert_eq!(page.status, 200, "{page:?}");
    let part = page.body.split("<hr />\n<h2 id=\"selinux\">SELinux</h2>").nth(1).expect("the part");
    part.split("<hr />").next().unwrap().to_owned()
}

/// The cells of a table of that page.
fn table(part: &str, title: &str) -> Vec<Vec<String>> {
    let Some(table) = part.split(&format!("<h3>{title}</h3>")).nth(1) else { return Vec::new() };
    let rows = table.split("</table>").next().unwrap().lines().filter(|line| line.starts_with("<tr><td>"));
    let cells = |row: &str| {
        let cells = row.trim_start_matches("<tr><td>").trim_end_matches("</td></tr>");
        cells.split("</td><td>").map(str::to_owned).collect()
    };
    rows.map(cells).collect()
}

const STATUS: &str = "
AddHandler lua-script .lua
<Location /status>
    SetHandler server-status
</Location>
";

const COUNTED: &str = "
StartServers 2
AddHandler cgi-script .cgi
SetEnvIf X-Domain (.+) DOMAIN=$1
LuaAuthzProvider fails @ETC@/provider.lua check
<Directory @ROOT@>
    AllowOverride AuthConfig
</Directory>
Alias /user @ROOT@
<Location /user>
    SELinuxDomainVal user_webapp_t:s0:c1
</Location>
Alias /map @ROOT@
<Location /map>
    SELinuxDomainMap @ETC@/map
</Location>
Alias /env @ROOT@
<Location /env>
    SELinuxDomainEnv DOMAIN
</Location>
Alias /provider @ROOT@
<Location /provider>
    SELinuxDomain user_webapp_t:s0:c2 fails GENERAL_ERROR
</Location>
Alias /peer @ROOT@
<Location /peer>
    SELinuxDomainPeer range
</Location>
";

/// What is refused: the code, how often, and the request with the value of its variable.
const REFUSALS: [(&str, u64, &str, &str); 8] = [
    ("SEL0101", 1, "/env/page.txt", "nosuch_t:s0"),
    ("SEL0103", 2, "/user/script.cgi", ""),
    ("SEL0104", 3, "/map/page.txt", ""),
    ("SEL0105", 4, "/env/page.txt", "user_webapp_t:c1"),
    ("SEL0108", 2, "/provider/page.txt", ""),
    ("SEL0109", 3, "/peer/page.txt", ""),
    ("SEL0112", 1, "/user/own/page.txt", ""),
    ("SEL0203", 2, "/user/suspend.lua", ""),
];
const ENTERED: u64 = 6;
const KEPT: u64 = 4;

/// Makes all of these requests; gives the longest time that a served one took, from the client's side.
fn ask(httpd: &Httpd) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..ENTERED {
        let start = Instant::now();
        assert_eq!(httpd.get("/user/page.txt", None).body, "a page");
        longest = longest.max(start.elapsed());
    }
    for _ in 0..KEPT {
        assert_eq!(httpd.get("/page.txt", None).body, "a page");
    }
    for (code, count, path, value) in REFUSALS {
        for _ in 0..count {
            let header = [("X-Domain", value)];
            let headers = if value.is_empty() { &[][..] } else { &header };
            let reply = httpd.client().try_get(path, None, headers).unwrap();
            assert!([403, 500].contains(&reply.status), "{code}: {reply:?}");
        }
    }
    longest
}

/// Has httpd start anew, gracefully.
fn restart(httpd: &Httpd) {
    let restarts = || httpd.log().matches("resuming normal operations").count();
    let before = restarts();
    httpd.signal("USR1");
    wait_for("the restart", LIMIT, || (restarts() > before).then_some(()));
}

/// Kills all children, and waits for others.
fn kill_children(httpd: &Httpd) {
    let before = httpd.children();
    // One may have ended by itself, as those from before a restart do.
    outcome("kill", &[&["-9"], before.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat());
    wait_for("other children", LIMIT, || {
        let now = httpd.children();
        (!now.is_empty() && now.iter().all(|pid| !before.contains(pid))).then_some(())
    });
    wait_for("an answer", LIMIT, || httpd.client().try_get("/nothing-there", None, &[]).ok());
}

#[test]
fn requests_are_counted_exactly_whatever_becomes_of_children_and_configuration() {
    let site = Site::new("counted");
    site.config_file("map", "foo user_webapp_t:s0:c0\n");
    site.config_file(
        "provider.lua",
        "require 'apache2'\nfunction check(r, answer) return apache2['AUTHZ_' .. answer] end",
    );
    site.file("page.txt", "a page").file("suspend.lua", "function handle(r) return -3 end");
    site.script("script.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\na page'\n");
    site.file("own/page.txt", "a page").file("own/.htaccess", "AuthName none\n");
    site.relabel("own/.htaccess", "httpd_sys_rw_content_t", "s0");
    run("chown", &[unix_user(), site.root().join("own/.htaccess").to_str().unwrap()]);
    let httpd = Httpd::start(&site, Mpm::Event, &["status", "lua", "cgid"], &format!("{STATUS}{COUNTED}"));

    let mut rounds = 0;
    // Requests of no rule beside those of `ask`: of the page itself, and `/nothing-there`.
    let mut kept = 0;
    let mut check = |asked: u64, kept_beside: u64| {
        (rounds, kept) = (rounds + asked, kept + kept_beside + 1);
        let values = values(&httpd);
        let suspended = 2;
        assert_eq!(number(&values, "Entered"), rounds * (ENTERED + suspended), "{values:?}");
        assert_eq!(number(&values, "Kept"), rounds * KEPT + kept, "{values:?}");
        for (name, value) in &values {
            let Some(code) = name.strip_prefix("Refused").filter(|code| !code.is_empty()) else { continue };
            let count = REFUSALS.iter().find(|row| row.0 == code).map_or(0, |row| row.1);
            assert_eq!(value, &(rounds * count).to_string(), "{name}: {values:?}");
        }
        let refused: u64 = REFUSALS.iter().map(|row| row.1).sum();
        assert_eq!(number(&values, "Refused"), rounds * refused, "{values:?}");
        assert_eq!(number(&values, "WorkersActive"), 0, "{values:?}");
        values
    };
    check(0, 0);
    let longest = ask(&httpd);
    let values = check(1, 0);
    // What a client waits for has the hand-over in it; what is told is at most a sixteenth off.
    let time = |name: &str| values[name].parse::<f64>().unwrap();
    let (half, most) = (time("HandOverMicrosecondsP50"), time("HandOverMicrosecondsP99"));
    let longest = longest.as_secs_f64() * 1e6 * 17.0 / 16.0;
    assert!(1.0 < half && half <= most && half < longest, "{half} {most} {longest}");

    restart(&httpd);
    check(0, 0);
    ask(&httpd);
    check(1, 0);
    kill_children(&httpd);
    check(0, 1);
    ask(&httpd);
    let values = check(1, 0);

    // The page for people says the same.
    let part = part(&httpd, "/status");
    for (title, name) in [
        ("Requests served in contexts of their own", "Entered"),
        ("Requests refused", "Refused"),
        ("Server context", "ServerContext"),
        ("Mode", "Mode"),
    ] {
        assert!(part.contains(&format!("<dt>{title}: {}</dt>", values[name])), "{name} in {part}");
    }
    let times = ["50", "99"].map(|percent| &values[&format!("HandOverMicrosecondsP{percent}")]);
    assert!(part.contains(&format!("p50 {} &micro;s, p99 {} &micro;s", times[0], times[1])), "{part}");
    let refused =
        table(&part, "Refused").into_iter().map(|row| (format!("Refused{}", row[0]), row[1].clone()));
    let refused: BTreeMap<_, _> = refused.collect();
    assert_eq!(refused.len(), REFUSALS.len(), "{part}");
    assert!(refused.iter().all(|(name, count)| values[name] == *count), "{part}");
    assert_eq!(values["Mode"], "enforcing");
    assert_eq!(values["ServerContext"], "system_u:system_r:httpd_t:s0");
}

/// Answers once there is a file.
const HOLD_LUA: &str = r#"
function handle(r)
  while not io.open("@ROOT@/go") do
    r.usleep(50000)
  end
  r:puts("held")
  return apache2.OK
end
"#;

const HELD: &str = "
StartServers 1
ServerLimit 2
MaxRequestWorkers 50
AddOutputFilter INCLUDES .shtml
<Directory @ROOT@>
    Options +Includes
</Directory>
Alias /one @ROOT@
<Location /one>
    SELinuxDomainVal user_webapp_t:s0:c1
</Location>
Alias /two @ROOT@
<Location /two>
    SELinuxDomainVal user_webapp_t:s0:c2
</Location>
";

/// Asks for these pages, without waiting for the answers.
fn hold(paths: &[&str]) -> Vec<Connection> {
    let ask = |path: &&str| {
        let mut connection = Connection::open().unwrap();
        connection.send(&request(path, None, "Connection: close\r\n")).unwrap();
        connection
    };
    paths.iter().map(ask).collect()
}

/// Waits until these are the workers by context, those with most first.
fn wait_for_workers(httpd: &Httpd, workers: &[(&str, usize)]) {
    let told = |index: usize, (category, count): &(&str, usize)| {
        let context = format!("system_u:system_r:user_webapp_t:s0:{category}");
        [
            (format!("Workers[{index}]Active"), count.to_string()),
            (format!("Workers[{index}]Context"), context),
        ]
    };
    let mut expected: BTreeMap<_, _> =
        workers.iter().enumerate().flat_map(|(index, worker)| told(index, worker)).collect();
    let active: usize = workers.iter().map(|worker| worker.1).sum();
    expected.insert("WorkersActive".to_owned(), active.to_string());
    expected.insert("WorkersContexts".to_owned(), workers.len().to_string());
    let mut last = BTreeMap::new();
    let start = Instant::now();
    while last != expected {
        assert!(start.elapsed() < LIMIT, "{last:?} and not {expected:?}");
        last = values(httpd);
        last.retain(|name, _| name.starts_with("Workers"));
    }
}

#[test]
fn workers_are_told_by_context_while_they_are_there() {
    let site = Site::new("active");
    site.file("hold.lua", &HOLD_LUA.replace("@ROOT@", site.root().to_str().unwrap()));
    site.file("page.shtml", "[<!--#include virtual=\"/two/hold.lua\" -->]");
    let go = site.root().join("go");
    let httpd = Httpd::start(&site, Mpm::Event, &["status", "lua", "include"], &format!("{STATUS}{HELD}"));
    wait_for_workers(&httpd, &[]);
    let held = hold(&["/one/hold.lua", "/two/hold.lua", "/one/hold.lua", "/one/hold.lua"]);
    wait_for_workers(&httpd, &[("c1", 3), ("c2", 1)]);
    // A page, and what it includes.
    let page = hold(&["/one/page.shtml"]);
    wait_for_workers(&httpd, &[("c1", 4), ("c2", 2)]);
    let rows = table(&part(&httpd, "/status"), "Workers");
    assert_eq!(rows[0], ["system_u:system_r:user_webapp_t:s0:c1", "4"]);
    assert_eq!(rows[1], ["system_u:system_r:user_webapp_t:s0:c2", "2"]);
    // A child of before the restart is at work still.
    restart(&httpd);
    wait_for_workers(&httpd, &[("c1", 4), ("c2", 2)]);
    site.file("go", "");
    for mut connection in held.into_iter().chain(page) {
        assert!(connection.rest().unwrap().contains("held"));
    }
    wait_for_workers(&httpd, &[]);
    // One that is killed takes its own with it, and no others.
    fs::remove_file(&go).unwrap();
    let killed = hold(&["/one/hold.lua", "/two/hold.lua"]);
    wait_for_workers(&httpd, &[("c1", 1), ("c2", 1)]);
    kill_children(&httpd);
    wait_for_workers(&httpd, &[]);
    let held = hold(&["/two/hold.lua"]);
    wait_for_workers(&httpd, &[("c2", 1)]);
    site.file("go", "");
    held.into_iter().for_each(|mut connection| assert!(connection.rest().unwrap().contains("held")));
    wait_for_workers(&httpd, &[]);
    drop(killed);
}

const WATCHED: &str = r#"
SELinuxServerHandler server-status
SELinuxDomainMap "@ETC@/<i>&amp;.map"
<Location /status>
    SELinuxUnmapped server
</Location>
<Directory @ROOT@>
    AuthGroupFile @ETC@/groups
</Directory>
"#;

#[test]
fn the_page_knows_of_maps_and_of_the_kernels_mode() {
    let site = Site::new("watched");
    let name = "<i>&amp;.map";
    site.config_file("groups", "staff: foo bar\n");
    let path = site.config_file(name, "foo user_webapp_t:s0:c0\n@staff user_webapp_t:s0:c1\n");
    let httpd =
        Httpd::start(&site, Mpm::Event, &["status", "lua", "authz_groupfile"], &format!("{STATUS}{WATCHED}"));
    // Version, lines and what is wrong, of the map.
    let told = |values: &BTreeMap<String, String>| {
        assert_eq!(values["Map[0]File"], path);
        (number(values, "Map[0]Version"), number(values, "Map[0]Lines"), values["Map[0]Error"].clone())
    };
    let wait_for_map = |version: u64, lines: u64, error: &str| {
        wait_for(&format!("version {version}, {error}"), LIMIT, || {
            let values = values(&httpd);
            let (now, count, fault) = told(&values);
            (now == version && count == lines && fault.contains(error)).then_some(values)
        })
    };
    let values_now = wait_for_map(1, 2, "none");
    assert_eq!(values_now["Map[0]Kind"], "txt");
    assert_eq!((values_now["Map[1]Kind"].as_str(), values_now["Map[1]Lines"].as_str()), ("groups", "2"));
    wait_for("an age", LIMIT, || (number(&values(&httpd), "Map[0]AgeSeconds") >= 2).then_some(()));

    let good = "foo user_webapp_t:s0:c0\nbar user_webapp_t:s0:c1\n* user_webapp_t:s0:c2\n";
    let changed = Instant::now();
    site.config_file(name, good);
    let values_now = wait_for_map(2, 3, "none");
    // Two seconds old before, it is no older now than the change.
    let age = number(&values_now, "Map[0]AgeSeconds");
    assert!(age <= changed.elapsed().as_secs() + 1, "{values_now:?}");
    site.config_file(name, "foo user_webapp_t:s0:c0\nbar user_webapp_t:s0:<b>&\n");
    let values_now = wait_for_map(2, 3, "SEL0041");
    assert!(values_now["Map[0]Error"].contains("line 2, column 5"), "{values_now:?}");
    // The page for people has the same, and no tags of theirs.
    {
        let page = "/status";
        let part = part(&httpd, page);
        let row = &table(&part, "Maps")[0];
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        assert_eq!(row[0], escaped(&path), "{page}");
        assert_eq!((row[2].as_str(), row[3].as_str()), ("2", "3"), "{page}");
        assert_eq!(row[5], escaped(&values_now["Map[0]Error"]).replace('"', "&quot;"), "{page}");
        assert!(part.contains("<dt>Mode: enforcing</dt>"), "{page}: {part}");
    }
    fs::remove_file(&path).unwrap();
    wait_for_map(2, 3, "SEL0042");
    site.config_file(name, good);
    wait_for_map(3, 3, "none");

    {
        let _enforcing = Enforcing;
        run("setenforce", &["0"]);
        assert_eq!(values(&httpd)["Mode"], "permissive");
        {
            let page = "/status";
            let part = part(&httpd, page);
            assert!(part.contains("<dt>Mode: <b>permissive</b>: the kernel logs"), "{page}: {part}");
        }
    }
    assert_eq!(values(&httpd)["Mode"], "enforcing");
}
