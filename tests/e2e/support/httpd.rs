//! A real httpd, started by systemd as the distribution's own is, so that it is in `httpd_t`.

use super::audit::Mark;
use super::distribution::{layout, log_folder, unix_user};
use super::{Client, Reply, Site, library, outcome, run, wait_for};
use std::cell::Cell;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// The port that every test's httpd listens at.
pub const PORT: u16 = 80;

/// The multi-processing modules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mpm {
    /// One process a connection.
    Prefork,
    /// One thread a connection.
    Worker,
    /// One thread a request at work.
    Event,
}

impl Mpm {
    /// All three.
    pub const ALL: [Mpm; 3] = [Mpm::Event, Mpm::Worker, Mpm::Prefork];

    fn module(self) -> &'static str {
        match self {
            Mpm::Prefork => "mpm_prefork",
            Mpm::Worker => "mpm_worker",
            Mpm::Event => "mpm_event",
        }
    }
}

/// Where tests' httpds have their process ids.
const RUN: &str = "/run/httpd-test";

/// Where httpd may make files while it runs, with the label of such.
pub fn run_folder() -> &'static str {
    fs::create_dir_all(RUN).unwrap();
    run("chcon", &["-t", "httpd_var_run_t", RUN]);
    RUN
}

/// Modules that every test has. Those that the program has built in are left out.
const BASE: &[&str] = &[
    "unixd",
    "log_config",
    "authz_core",
    "authn_core",
    "authn_file",
    "auth_basic",
    "authz_user",
    "authz_host",
    "mime",
    "alias",
    "dir",
    "env",
    "setenvif",
];

/// Under prefork, one process serves everything, so that what one request leaves behind meets the next.
pub const ONE_PROCESS: &str = "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nServerLimit 1\nMaxRequestWorkers 1\nKeepAlive Off\n";

/// Among a test's modules: httpd as it is without the module.
pub const WITHOUT_MODULE: &str = "-selinux";

/// An httpd under way; stopped when the value is gone. One at a time runs: others wait.
pub struct Httpd {
    unit: String,
    log: PathBuf,
    /// What the kernel logs from the httpd's start on.
    pub audit: Mark,
    client: Client,
    _turn: Turn,
}

/// The right to run an httpd, or to change what all of them depend on. One thread at a time has it; others wait.
pub struct Turn(Option<MutexGuard<'static, ()>>);

static TURN: Mutex<()> = Mutex::new(());
thread_local!(static HAS_TURN: Cell<bool> = const { Cell::new(false) });

/// Waits for this thread's turn, unless it has it already.
pub fn turn() -> Turn {
    if HAS_TURN.replace(true) {
        return Turn(None);
    }
    // A test that failed with an httpd under way has stopped it, in its drop.
    Turn(Some(TURN.lock().unwrap_or_else(PoisonError::into_inner)))
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.0.is_some() {
            HAS_TURN.set(false);
        }
    }
}

/// The project's folder.
pub fn project() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// Puts the module and the policy module into their places, once a run.
pub fn install() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        let project = project();
        let module =
            std::env::var("MOD_SELINUX_SO").map_or_else(|_| project.join("libmod_selinux.so"), PathBuf::from);
        let faults = library("libmod_selinux_faults.so");
        for (module, name) in [(module, "mod_selinux.so"), (faults, "mod_selinux_faults.so")] {
            let place = Path::new(layout().1).join(name);
            let _ = fs::remove_file(&place);
            fs::copy(&module, &place).unwrap_or_else(|error| panic!("{}: {error}", module.display()));
            run("restorecon", &["-F", place.to_str().unwrap()]);
        }
        let source = project.join("conf/policy/mod_selinux.cil");
        let wanted = fs::read(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        // Rebuilding the policy takes long under emulation: only where it is another one.
        let folder = std::env::temp_dir().join("mod_selinux-installed");
        fs::create_dir_all(&folder).unwrap();
        // semodule's own type may not write to what a login makes in /tmp.
        run("chcon", &["-t", "semanage_tmp_t", folder.to_str().unwrap()]);
        let extracted = folder.join("mod_selinux.cil");
        let _ = fs::remove_file(&extracted);
        let _ = std::process::Command::new("semodule")
            .args(["-c", "-E", "mod_selinux"])
            .current_dir(&folder)
            .output();
        if fs::read(&extracted).ok().as_ref() != Some(&wanted) {
            run("semodule", &["-i", source.to_str().unwrap()]);
        }
        for boolean in ["httpd_enable_cgi", "httpd_builtin_scripting"] {
            run("setsebool", &[boolean, "on"]);
        }
        run_folder();
    });
}

impl Httpd {
    /// Starts httpd for a site, with further modules (`"lua"`) and configuration. In the configuration,
    /// `@ROOT@` is the site's folder, `@ETC@` that of its configuration files; `/private` is the site's folder
    /// too, for users who log in. Panics, with what httpd
    /// printed and logged, where it does not start.
    pub fn start(site: &Site, mpm: Mpm, modules: &[&str], configuration: &str) -> Httpd {
        Httpd::start_as(site, mpm, modules, configuration, &[])
    }

    /// As `start`, with further properties for systemd (`"User=www-data"`).
    pub fn start_as(
        site: &Site,
        mpm: Mpm,
        modules: &[&str],
        configuration: &str,
        properties: &[&str],
    ) -> Httpd {
        match Httpd::try_start(site, mpm, modules, configuration, properties) {
            Ok(httpd) => httpd,
            Err(text) => panic!("httpd did not start:\n{text}"),
        }
    }

    /// As `start`; gives what httpd printed and logged where it does not start.
    pub fn try_start(
        site: &Site,
        mpm: Mpm,
        modules: &[&str],
        configuration: &str,
        properties: &[&str],
    ) -> Result<Httpd, String> {
        let turn = turn();
        install();
        let (file, log) = configure(site, mpm, modules, configuration);
        let unit = format!("test-{}", site.name());
        let printed = PathBuf::from(format!("{}.out", log.display()));
        // Written when all that may refuse the start is over; httpd listens before that.
        let running = Path::new(RUN).join(format!("{}.pid", site.name()));
        for old in [&log, &printed, &running] {
            let _ = fs::remove_file(old);
        }
        let audit = Mark::now();
        let _ = outcome("systemctl", &["reset-failed", &unit]);
        let out = format!("StandardOutput=append:{}", printed.display());
        let err = format!("StandardError=append:{}", printed.display());
        let mut arguments = vec![
            "--quiet",
            "--collect",
            "--unit",
            &unit,
            "-p",
            "Type=exec",
            "-p",
            "KillMode=mixed",
            "-p",
            "TimeoutStopSec=60",
            // As the distributions' units have it.
            "-p",
            "PrivateTmp=yes",
        ];
        for property in [out.as_str(), err.as_str()].iter().chain(properties) {
            arguments.extend(["-p", property]);
        }
        arguments.extend([layout().0, "-f", &file, "-DFOREGROUND"]);
        run("systemd-run", &arguments);
        let httpd = Httpd { unit, log, audit, client: Client::new(PORT), _turn: turn };
        let up = wait_for("httpd to listen or to give up", Duration::from_secs(60), || {
            if running.exists() && TcpStream::connect(("127.0.0.1", PORT)).is_ok() {
                return Some(true);
            }
            (!httpd.is_active()).then_some(false)
        });
        if up {
            Ok(httpd)
        } else {
            let printed = fs::read(&printed).unwrap_or_default();
            Err(format!("{}{}", String::from_utf8_lossy(&printed), httpd.log()))
        }
    }

    /// What httpd's own check (`httpd -t`) says, run as the service would be (in `httpd_t`); the error is
    /// for a configuration that it refuses.
    pub fn check(site: &Site, mpm: Mpm, modules: &[&str], configuration: &str) -> Result<String, String> {
        let _turn = turn();
        install();
        let (file, log) = configure(site, mpm, modules, configuration);
        let printed = format!("{}.out", log.display());
        let out = format!("StandardOutput=append:{printed}");
        let err = format!("StandardError=append:{printed}");
        let output = outcome(
            "systemd-run",
            &["--quiet", "--collect", "--wait", "-p", &out, "-p", &err, layout().0, "-f", &file, "-t"],
        );
        let text = String::from_utf8_lossy(&fs::read(printed).unwrap_or_default()).into_owned();
        if output.status.success() { Ok(text) } else { Err(text) }
    }

    /// What `httpd -t` says to an administrator at a shell.
    pub fn check_from_shell(
        site: &Site,
        mpm: Mpm,
        modules: &[&str],
        configuration: &str,
    ) -> Result<String, String> {
        let _turn = turn();
        install();
        let (file, _) = configure(site, mpm, modules, configuration);
        let output = outcome(layout().0, &["-f", &file, "-t"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(text) } else { Err(text) }
    }

    /// What `httpd -t -D DUMP_SELINUX` prints for an administrator at a shell. Panics where the configuration is bad.
    pub fn dump(site: &Site, mpm: Mpm, modules: &[&str], configuration: &str) -> String {
        let _turn = turn();
        install();
        let (file, _) = configure(site, mpm, modules, configuration);
        run(layout().0, &["-f", &file, "-t", "-D", "DUMP_SELINUX"])
    }

    /// GET of a path, as anonymous or as a user of the site (`Some("foo")`).
    pub fn get(&self, path: &str, user: Option<&str>) -> Reply {
        self.client.get(path, user)
    }

    /// The client that `get` uses.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The error log so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits for a line of the error log with all of `parts` in it, and gives it.
    pub fn logged(&self, parts: &[&str]) -> String {
        wait_for(&format!("a log line with {parts:?}"), Duration::from_secs(10), || {
            self.log().lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
        })
    }

    /// Whether its unit runs.
    pub fn is_active(&self) -> bool {
        let output = outcome("systemctl", &["is-active", &self.unit]);
        matches!(String::from_utf8_lossy(&output.stdout).trim(), "active" | "activating" | "reloading")
    }

    /// The process id of the parent.
    pub fn main_pid(&self) -> u32 {
        run("systemctl", &["show", "-P", "MainPID", &self.unit]).trim().parse().expect("a process id")
    }

    /// The process ids of the children that serve requests.
    pub fn children(&self) -> Vec<String> {
        let output = outcome("pgrep", &["-P", &self.main_pid().to_string(), "-x", "apache2|httpd"]);
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// Sends the parent a signal: `"USR1"` restarts gracefully, `"HUP"` at once.
    pub fn signal(&self, name: &str) {
        run("kill", &["-s", name, &self.main_pid().to_string()]);
    }
}

impl Drop for Httpd {
    fn drop(&mut self) {
        let _ = outcome("systemctl", &["stop", &self.unit]);
        if std::thread::panicking() {
            eprintln!("---- error log of {}\n{}", self.unit, self.log());
            let denials: Vec<_> =
                self.audit.lines().into_iter().filter(|line| line.contains("denied")).collect();
            let last = &denials[denials.len().saturating_sub(15)..];
            eprintln!("---- the kernel's denials, the last of {}\n{}", denials.len(), last.join("\n"));
        } else {
            let bounds = self.audit.bounds_records();
            assert!(bounds.is_empty(), "grants beyond the bounds: {bounds:#?}");
        }
    }
}

/// Writes the configuration of a site; gives its path and that of the error log.
fn configure(site: &Site, mpm: Mpm, modules: &[&str], configuration: &str) -> (String, PathBuf) {
    let (_, folder, _) = layout();
    let etc = site.etc().to_str().unwrap();
    let root = site.root().to_str().unwrap();
    let log = log_folder().join(format!("test-{}.log", site.name()));
    let mut text = format!(
        "ServerRoot {etc}\nServerName localhost\nListen {PORT}\nPidFile {RUN}/{name}.pid\n\
         DefaultRuntimeDir {RUN}\nErrorLog {log}\nLogLevel info\n\
         TypesConfig /etc/mime.types\nDocumentRoot {root}\nKeepAliveTimeout 20\nMaxKeepAliveRequests 0\n",
        name = site.name(),
        log = log.display(),
    );
    if site.dumps_core() {
        text += "CoreDumpDirectory /tmp\n";
    }
    let tested: &[&str] = if modules.contains(&WITHOUT_MODULE) { &[] } else { &["selinux"] };
    let modules = modules.iter().filter(|module| **module != WITHOUT_MODULE);
    for module in [mpm.module()].iter().chain(BASE).chain(modules).chain(tested) {
        // The module with faults to plant takes the module's place.
        let symbol = module.strip_suffix("_faults").unwrap_or(module);
        if Path::new(&format!("{folder}/mod_{module}.so")).exists() {
            text += &format!(
                "<IfModule !{symbol}_module>\nLoadModule {symbol}_module {folder}/mod_{module}.so\n</IfModule>\n"
            );
        } else {
            assert!(["unixd", "log_config"].contains(module), "mod_{module}.so is not in {folder}");
        }
    }
    // The same tests, with the other kind of workers, but for those that choose it themselves.
    let kind = std::env::var("MOD_SELINUX_WORKER").ok().filter(|kind| !kind.is_empty());
    if let Some(kind) = kind.filter(|_| !configuration.contains("SELinuxWorker")) {
        text += &format!("<IfModule selinux_module>\nSELinuxWorker {kind}\n</IfModule>\n");
    }
    // Most tests' pages are Lua's, PHP's or Perl's.
    if !configuration.contains("SELinuxInterpreters") {
        text += "<IfModule selinux_module>\nSELinuxInterpreters shared\n</IfModule>\n";
    }
    let user = unix_user();
    text += &format!(
        "User {user}\nGroup {user}\n\
         <Directory {root}>\nOptions FollowSymLinks ExecCGI\nRequire all granted\n</Directory>\n\
         Alias /private {root}\n<Location /private>\nAuthType Basic\nAuthName test\n\
         AuthUserFile {etc}/users\nRequire valid-user\n</Location>\n"
    );
    text += &configuration.replace("@ROOT@", root).replace("@ETC@", etc);
    text.push('\n');
    (site.config_file("httpd.conf", &text), log)
}
