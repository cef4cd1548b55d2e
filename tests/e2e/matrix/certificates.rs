//! TLS with client certificates, asked for at once, by renegotiation (TLS 1.2), and after the handshake (TLS 1.3).

use super::{HIS, OWN};
use crate::support::{Site, outcome, run};

pub const CONFIGURATION: &str = "
Listen 443
<VirtualHost *:443>
    SSLEngine On
    SSLCertificateFile @ETC@/server.pem
    SSLCertificateKeyFile @ETC@/key.pem
    SSLCACertificateFile @ETC@/ca.pem
    SSLUserName SSL_CLIENT_S_DN_CN
    <Location /at-once>
        SELinuxDomainMap @ETC@/map
    </Location>
    <Location /asked>
        SSLVerifyClient require
        SELinuxDomainMap @ETC@/map
    </Location>
    <Location /expr>
        SSLVerifyClient require
        SELinuxDomain user_webapp_t:s0:c0 expr %{SSL_CLIENT_S_DN_CN} == 'foo'
        SELinuxDomain user_webapp_t:s0:c1 expr %{SSL_CLIENT_S_DN_CN} == 'bar'
    </Location>
    Alias /at-once @ROOT@
    Alias /asked @ROOT@
    Alias /expr @ROOT@
</VirtualHost>
Listen 8443
<VirtualHost *:8443>
    SSLEngine On
    SSLCertificateFile @ETC@/server.pem
    SSLCertificateKeyFile @ETC@/key.pem
    SSLCACertificateFile @ETC@/ca.pem
    SSLVerifyClient optional
    SSLUserName SSL_CLIENT_S_DN_CN
    Alias /at-once @ROOT@
    <Location /at-once>
        SELinuxDomainMap @ETC@/map
    </Location>
</VirtualHost>
";

/// Keys and certificates: an authority's, the server's, and two users', by it.
const CERTIFICATES: &str = "
set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ca -keyout key.pem -out ca.pem
for name in server foo bar; do
    openssl req -new -key key.pem -subj /CN=$name -out request.pem
    openssl x509 -req -in request.pem -CA ca.pem -CAkey key.pem -out $name.pem
done
";

const MAP: &str = "foo user_webapp_t:s0:c0\nbar user_webapp_t:s0:c1\n__anonymous__ staff_webapp_t:s0:c12\n";

pub fn prepare(site: &Site) {
    let etc = site.etc().to_str().unwrap();
    run("sh", &["-c", &format!("cd {etc}\n{CERTIFICATES}")]);
    site.config_file("map", MAP);
    run("restorecon", &["-RF", etc]);
}

pub fn choose_the_context(site: &Site) {
    let etc = site.etc().display();
    for (place, version) in [
        ("8443/at-once", "1.3"),
        ("443/asked", "1.2"),
        ("443/asked", "1.3"),
        ("443/expr", "1.2"),
        ("443/expr", "1.3"),
    ] {
        for (name, context) in [("foo", OWN), ("bar", HIS), ("", "")] {
            // One connection; the second request finds the certificate there.
            let url = format!("https://127.0.0.1:{place}");
            let mut curl = format!(
                "curl -sk -w '%{{http_code}}\\n' --tls-max {version} {url}/who.lua -d body {url}/who.cgi"
            );
            if !name.is_empty() {
                curl += &format!(" --cert {etc}/{name}.pem --key {etc}/key.pem");
            }
            let output = outcome("sh", &["-c", &curl]);
            eprintln!("{place} {version} {name} {context} {:?}", String::from_utf8_lossy(&output.stdout));
        }
    }
}
