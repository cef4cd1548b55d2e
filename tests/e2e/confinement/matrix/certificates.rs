//! TLS with client certificates, asked for at once, by renegotiation (TLS 1.2), and after the handshake (TLS 1.3):
//! the certificate's user is mapped (`SSLUserName`), or the certificate itself (`SELinuxDomain … expr`).

use super::{HIS, OWN, STAFF};
use crate::support::{Site, outcome, run};

pub const CONFIGURATION: &str = "
Listen 443
<VirtualHost *:443>
    SSLEngine On
    SSLCertificateFile @ETC@/server.pem
    SSLCertificateKeyFile @ETC@/key.pem
    SSLCACertificateFile @ETC@/ca.pem
    SSLUserName SSL_CLIENT_S_DN_CN
    <Location /asked>
        SSLVerifyClient require
        SELinuxDomainMap @ETC@/map
    </Location>
    <Location /expr>
        SSLVerifyClient require
        SELinuxDomain user_webapp_t:s0:c0 expr %{SSL_CLIENT_S_DN_CN} == 'foo'
        SELinuxDomain user_webapp_t:s0:c1 expr %{SSL_CLIENT_S_DN_CN} == 'bar'
    </Location>
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
    let ways = ["asked", "expr"].into_iter().flat_map(|place| [(443, place, "1.2"), (443, place, "1.3")]);
    for (port, place, version) in ways.chain([(8443, "at-once", "1.3")]) {
        // Without a certificate, it is nobody's request or none.
        let nobody = if place == "at-once" { STAFF } else { "" };
        for (name, who) in [("foo", OWN), ("bar", HIS), ("", nobody)] {
            let url = format!("https://127.0.0.1:{port}/{place}");
            // The first request asks for the certificate, and has a body; the second, on the same connection, finds it.
            let mut arguments = format!("-sk --tls-max {version} -d body {url}/who.cgi {url}/who.lua");
            if !name.is_empty() {
                arguments += &format!(" --cert {etc}/{name}.pem --key {etc}/key.pem");
            }
            // It fails where the certificate is missing.
            let output = outcome("curl", &arguments.split(' ').collect::<Vec<_>>());
            let told = String::from_utf8_lossy(&output.stdout);
            let expected = if who.is_empty() { String::new() } else { format!("{who}body{who}") };
            if !expected.is_empty() || told.contains("<<") {
                assert_eq!(told, expected, "{place} TLS {version} {name}");
            }
        }
    }
}
