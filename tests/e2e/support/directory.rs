//! A real OpenLDAP server, with the database `dc=example,dc=org` that its package made.

use super::certificate::Certificate;
use super::httpd::{Turn, turn};
use super::{outcome, run, wait_for};
use std::fs;
use std::process::Output;
use std::time::Duration;

/// What everything in it is under.
pub const BASE: &str = "dc=example,dc=org";
/// As whom the tests write to it.
const ADMINISTRATOR: [&str; 7] = ["-x", "-H", "ldapi:///", "-D", "cn=admin,dc=example,dc=org", "-w", "admin"];
/// As whom its own configuration is changed: root.
const ROOT: [&str; 5] = ["-Q", "-H", "ldapi:///", "-Y", "EXTERNAL"];

const CONFIGURATION: &str = "dn: cn=config\nchangetype: modify\n";

/// slapd at its port of `localhost`; stopped when the value is gone.
pub struct Directory {
    _turn: Turn,
}

impl Directory {
    /// Starts the server, with no more than the base in it. It takes passwords over TLS only.
    pub fn start(certificate: &Certificate) -> Directory {
        let turn = turn();
        let (certificate, key) = certificate.install("/etc/ldap", "openldap");
        let directory = Directory { _turn: turn };
        directory.resume();
        directory.configure(&format!(
            "{CONFIGURATION}replace: olcTLSCertificateFile\nolcTLSCertificateFile: {certificate}\n-\n\
             replace: olcTLSCertificateKeyFile\nolcTLSCertificateKeyFile: {key}\n-\n\
             replace: olcSecurity\nolcSecurity: simple_bind=71\n"
        ));
        let listed =
            run("ldapsearch", &[&ADMINISTRATOR[..], &["-LLL", "-s", "one", "-b", BASE, "1.1"]].concat());
        for entry in listed.lines().filter_map(|line| line.strip_prefix("dn: ")) {
            run("ldapdelete", &[&ADMINISTRATOR[..], &["-r", entry]].concat());
        }
        directory
    }

    /// Changes the server's configuration. A schema may be there already, from an earlier test.
    pub fn configure(&self, ldif: &str) {
        let output = modify(&ROOT, ldif);
        let is_there_already = String::from_utf8_lossy(&output.stderr).contains("Duplicate attributeType");
        assert!(output.status.success() || is_there_already, "{ldif}{output:?}");
    }

    /// Changes entries (LDIF; what does not say `changetype` is added).
    pub fn modify(&self, ldif: &str) {
        let output = self.try_modify(ldif);
        assert!(output.status.success(), "{ldif}{output:?}");
    }

    /// As `modify`, where the server may refuse it.
    pub fn try_modify(&self, ldif: &str) -> Output {
        modify(&ADMINISTRATOR, ldif)
    }

    /// Ends the server.
    pub fn stop(&self) {
        run("systemctl", &["stop", "slapd"]);
    }

    /// Starts it again, as it was; it answers when this is over.
    pub fn resume(&self) {
        run("systemctl", &["start", "slapd"]);
        wait_for("slapd to answer", Duration::from_secs(30), || {
            outcome("ldapwhoami", &ADMINISTRATOR).status.success().then_some(())
        });
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Other tests may not have TLS.
        let _ = modify(&ROOT, &format!("{CONFIGURATION}delete: olcSecurity\n"));
        let _ = outcome("systemctl", &["stop", "slapd"]);
    }
}

fn modify(who: &[&str], ldif: &str) -> Output {
    let file = std::env::temp_dir().join("test.ldif");
    fs::write(&file, ldif).unwrap();
    outcome("ldapmodify", &[who, &["-a", "-f", file.to_str().unwrap()]].concat())
}
