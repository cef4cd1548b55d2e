//! A real PostgreSQL server, with the databases that its package made.

use super::certificate::Certificate;
use super::httpd::{Turn, turn};
use super::{outcome, run, wait_for};
use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

const UNIT: &str = "test-postgresql";

/// PostgreSQL at its port of `localhost`, with a database of the test's; stopped when the value is gone.
pub struct Database {
    name: &'static str,
    command: Vec<String>,
    _turn: Turn,
}

impl Database {
    /// Starts the server, and makes the database `name` anew. `clients` are lines of `pg_hba.conf`.
    pub fn start(name: &'static str, certificate: &Certificate, clients: &str) -> Database {
        let turn = turn();
        // The distribution's unit for it does the same, through scripts that take seconds.
        let version = version();
        let data = format!("/var/lib/postgresql/{version}/main");
        let (certificate, key) = certificate.install(&data, "postgres");
        let hba = format!("{data}/test-hba.conf");
        fs::write(&hba, format!("local all postgres peer\n{clients}\n")).unwrap();
        run("restorecon", &["-F", &hba]);
        let command = vec![
            format!("/usr/lib/postgresql/{version}/bin/postgres"),
            format!("--config_file=/etc/postgresql/{version}/main/postgresql.conf"),
            "--fsync=off".to_owned(),
            format!("--hba_file={hba}"),
            format!("--ssl_cert_file={certificate}"),
            format!("--ssl_key_file={key}"),
        ];
        let database = Database { name, command, _turn: turn };
        database.resume();
        psql("postgres", &[&format!("DROP DATABASE IF EXISTS {name}"), &format!("CREATE DATABASE {name}")]);
        database
    }

    /// Runs statements in the test's database, as its owner.
    pub fn sql(&self, statements: &str) -> String {
        psql(self.name, &[statements])
    }

    /// Ends the server.
    pub fn stop(&self) {
        run("systemctl", &["stop", UNIT]);
    }

    /// Starts it again, as it was; it answers when this is over.
    pub fn resume(&self) {
        let mut arguments = vec!["--quiet", "--collect", "--unit", UNIT];
        // SIGINT: without waiting for clients to leave.
        for property in ["Type=exec", "User=postgres", "KillSignal=SIGINT", "KillMode=mixed"] {
            arguments.extend(["-p", property]);
        }
        arguments.extend(self.command.iter().map(String::as_str));
        run("systemd-run", &arguments);
        wait_for("PostgreSQL to answer", Duration::from_secs(60), || {
            let runs = outcome("systemctl", &["is-active", UNIT]).status.success();
            assert!(runs, "PostgreSQL does not start: journalctl -u {UNIT}");
            try_psql("postgres", &["SELECT 1"]).status.success().then_some(())
        });
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = outcome("systemctl", &["stop", UNIT]);
    }
}

fn psql(database: &str, statements: &[&str]) -> String {
    let output = try_psql(database, statements);
    assert!(output.status.success(), "{statements:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// psql as the owner of all databases. (The one on the path is a script that takes a second.)
fn try_psql(database: &str, statements: &[&str]) -> Output {
    let psql = format!("/usr/lib/postgresql/{}/bin/psql", version());
    let user = ["--reuid=postgres", "--regid=postgres", "--clear-groups", &psql];
    let options = ["-qAt", "-v", "ON_ERROR_STOP=1", "-h", "/var/run/postgresql", "-d", database];
    let statements = statements.iter().flat_map(|statement| ["-c", statement]);
    outcome("setpriv", &user.into_iter().chain(options).chain(statements).collect::<Vec<_>>())
}

fn version() -> String {
    let folder = Path::new("/etc/postgresql");
    let mut entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let version = entries.next().expect("a version of PostgreSQL is there").unwrap().file_name();
    version.into_string().unwrap()
}
