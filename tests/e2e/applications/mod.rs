//! Applications with processes of their own for each context.

mod failures;
mod native;
mod php;

use crate::support::broker::Broker;
use crate::support::document::boxes;
use crate::support::{Httpd, Mpm, Reply, Site, library, run};

const MAP: &str = "\
foo            user_webapp_t:s0:c0
bar            user_webapp_t:s0:c1
staff          staff_webapp_t:s0:c3
__anonymous__  anon_webapp_t:s0:c2
";

/// What `Scene` has under `/app`, and under `/private/app` for those who log in.
const CONFIGURATION: &str = "
SELinuxDomainMap @ETC@/map
<LocationMatch ^(/private)?/app/>
    SetHandler selinux-app:web
</LocationMatch>
";

/// httpd, the broker, and the application `web`: `program.py`, for users and anybody, not for staff.
struct Scene {
    broker: Broker,
    httpd: Httpd,
    site: Site,
}

/// The file of `web`. `more`: further keys.
fn file(site: &Site, more: &str) -> String {
    format!(
        "command = [\"/usr/bin/python3\", \"{}/program.py\"]\nsocket = \"systemd\"\nprotocol = \"http\"\nstate = true\n{more}\n\
         [[callers]]\nworker = \"user_webapp_t\"\napp = \"user_app_t\"\n\
         [[callers]]\nworker = \"anon_webapp_t\"\napp = \"anon_app_t\"\n",
        site.root().display()
    )
}

impl Scene {
    fn start(name: &str, more: &str) -> Scene {
        let site = Site::new(name);
        site.config_file("map", MAP);
        site.file("program.py", include_str!("program.py"));
        site.file("plain.txt", "plain");
        let broker = Broker::start(&[("web.toml", &file(&site, more))]);
        let httpd = Httpd::start(&site, Mpm::Event, &["proxy", "proxy_http"], CONFIGURATION);
        Scene { broker, httpd, site }
    }

    /// Asks the application.
    fn get(&self, path: &str, user: Option<&str>) -> Reply {
        let folder = if user.is_some() { "/private/app/" } else { "/app/" };
        self.httpd.get(&format!("{folder}{path}"), user)
    }

    /// The same; it must be served.
    fn body(&self, path: &str, user: Option<&str>) -> String {
        let reply = self.get(path, user);
        assert_eq!(reply.status, 200, "{path} as {user:?}: {}", reply.body);
        reply.body
    }

    /// The process that serves a user, which says that it is in this context, as does the kernel.
    fn process(&self, user: Option<&str>, context: &str) -> u32 {
        let body = self.body("who", user);
        let (shown, process) = body.split_once(' ').unwrap();
        assert_eq!((shown, context_of(process).as_str()), (context, context));
        process.parse().unwrap()
    }

    /// Waits for an answer with 503, of which httpd's log gives these reasons.
    fn assert_refused(&self, user: Option<&str>, reasons: &[&str]) {
        let reply = self.get("who", user);
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")), "{}", reply.body);
        self.httpd.logged(&[&["SEL0121"], reasons].concat());
    }
}

/// The kernel's word on a process.
fn context_of(process: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{process}/attr/current"));
    text.unwrap_or_else(|error| panic!("process {process}: {error}")).trim_end_matches('\0').to_owned()
}

const FOO: &str = "system_u:system_r:user_app_t:s0:c0";
const BAR: &str = "system_u:system_r:user_app_t:s0:c1";
const ANON: &str = "system_u:system_r:anon_app_t:s0:c2";

#[test]
fn each_context_has_a_process_and_what_it_keeps_for_itself() {
    let scene = Scene::start("app-web", "[environment]\nLANG = \"C.UTF-8\"");
    let everybody = [(Some("foo"), FOO), (Some("bar"), BAR), (None, ANON)];
    let processes = everybody.map(|(user, context)| scene.process(user, context));
    assert_eq!(everybody.map(|(user, context)| scene.process(user, context)), processes, "they stay");
    for (user, _) in everybody {
        assert_eq!(scene.body(&format!("keep?{}&text", user.unwrap_or("anybody")), user), "kept");
        assert_eq!(scene.body("kept", user), user.unwrap_or("anybody"));
    }
    // The kernel's side: folders and sockets have each context's range.
    for found in [scene.broker.states("web"), scene.broker.sockets("web")] {
        let mut ranges: Vec<_> =
            found.iter().map(|(_, label)| label.split(':').skip(3).collect::<Vec<_>>().join(":")).collect();
        ranges.sort();
        assert_eq!(ranges, ["s0:c0", "s0:c1", "s0:c2"]);
    }
    // What the tool says of them.
    let told = run(library("selinux-map").to_str().unwrap(), &["apps", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    for ((_, context), process) in everybody.iter().zip(processes) {
        let pools = told["pools"].as_array().unwrap();
        let pool = pools.iter().find(|pool| pool["context"] == *context).unwrap_or_else(|| panic!("{told}"));
        assert_eq!((&pool["app"], &pool["processes"]), (&"web".into(), &vec![process].into()), "{told}");
        assert!(pool["memory"].as_u64().unwrap() > 1 << 20, "{told}");
    }
    // Nothing of the broker's, httpd's or systemd's.
    let held: serde_json::Value = serde_json::from_str(&scene.body("held", Some("foo"))).unwrap();
    let mut names: Vec<_> = held["environment"].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["LANG", "LISTEN_FDS", "LISTEN_PID", "PATH", "STATE", "TMPDIR"]);
    let descriptors = held["descriptors"].as_object().unwrap();
    let beyond: Vec<_> =
        descriptors.iter().filter(|(number, _)| number.parse::<u32>().unwrap() > 3).collect();
    assert!(
        beyond.iter().all(|(_, target)| target.as_str().unwrap().starts_with("socket:")
            || target.as_str().unwrap().starts_with("/proc/")
            || target.as_str().unwrap().starts_with("anon_inode:")),
        "{beyond:?}"
    );
    // A body of some size, and an answer whose beginning comes before its end is made.
    assert_eq!(
        scene
            .httpd
            .client()
            .post("/private/app/count", Some("foo"), "application/octet-stream", &vec![b'x'; 20_000_000])
            .body,
        "20000000"
    );
    let mut connection = crate::support::raw::Connection::open().unwrap();
    connection.send(&crate::support::raw::request("/private/app/stream", Some("foo"), "")).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"first\r\n") {
        head.extend(connection.take(1).unwrap());
    }
    assert_eq!(scene.body("keep?seen&yes", Some("foo")), "kept");
    assert!(connection.take("4\r\nlast\r\n0\r\n\r\n".len()).unwrap().starts_with(b"4\r\nlast"));
}

#[test]
fn the_documents_python_program_serves_each_context() {
    let document = |language| boxes("docs/applications.md", language);
    let site = Site::new("app-document");
    site.config_file("map", MAP);
    let [program] = document("python").try_into().expect("one box");
    site.file("serve.py", &program);
    let [file] = document("toml").try_into().expect("one box");
    let file = file.replace("/srv/app", site.root().to_str().unwrap());
    let _broker = Broker::start(&[("web.toml", &file)]);
    let configuration = document("apache").pop().expect("the last box").replace("/app/", "/private/app/");
    let configuration = format!("SELinuxDomainMap @ETC@/map\n{configuration}");
    let httpd = Httpd::start(&site, Mpm::Event, &["proxy", "proxy_http"], &configuration);
    for (user, context) in [("foo", FOO), ("bar", BAR)] {
        let reply = httpd.get("/private/app/", Some(user));
        assert_eq!((reply.status, reply.body.trim_end_matches('\0')), (200, context));
    }
}
