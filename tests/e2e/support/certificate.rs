//! A certificate for the servers that httpd asks, which vouches for itself.

use super::{Site, run};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

/// A certificate of `localhost`. `ca.pem` in a site's configuration is what its clients believe.
pub struct Certificate {
    text: String,
    key: String,
}

impl Certificate {
    /// Makes one for a site's sources.
    pub fn new(site: &Site) -> Certificate {
        let folder = std::env::temp_dir().join("test-certificate");
        fs::create_dir_all(&folder).unwrap();
        let [file, key] = ["certificate", "key"].map(|name| folder.join(name));
        run(
            "openssl",
            &[
                &["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"][..],
                &["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                &["-out", file.to_str().unwrap(), "-keyout", key.to_str().unwrap()],
            ]
            .concat(),
        );
        let [text, key] = [file, key].map(|file| fs::read_to_string(file).unwrap());
        site.config_file("ca.pem", &text);
        Certificate { text, key }
    }

    /// Puts certificate and key where a server of the unix user `owner` reads them: `(certificate, key)`.
    pub fn install(&self, folder: &str, owner: &str) -> (String, String) {
        let files = [("certificate", &self.text), ("key", &self.key)].map(|(name, text)| {
            let file = format!("{folder}/test-{name}.pem");
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            run("chown", &[owner, &file]);
            run("restorecon", &["-F", &file]);
            file
        });
        files.into()
    }
}
