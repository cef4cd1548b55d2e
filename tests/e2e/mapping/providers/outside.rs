//! Providers that ask somebody else: a client's certificate, a database, a directory.

use super::{BASE, FAILED, NOT, USER, places, told, told_whom};
use crate::support::pages::CONTEXT_LUA;
use crate::support::{Httpd, Mpm, Site, run};

const TLS: &str = "
Listen 443
<VirtualHost *:443>
    SSLEngine On
    SSLCertificateFile @ETC@/server.pem
    SSLCertificateKeyFile @ETC@/key.pem
    SSLCACertificateFile @ETC@/ca.pem
    SSLVerifyClient optional_no_ca
</VirtualHost>
";

/// A place's rule, and the contexts of a client with a certificate of the authority, of one with its own, of one
/// without, and of one without TLS.
const BY_CERTIFICATE: &[(&str, [&str; 4])] = &[
    ("SELinuxDomain user_webapp_t:s0:c1 ssl", [USER, USER, USER, NOT]),
    ("SELinuxDomain user_webapp_t:s0:c1 not ssl", [NOT, NOT, NOT, USER]),
    ("SELinuxDomain user_webapp_t:s0:c1 ssl-verify-client", [USER, NOT, NOT, NOT]),
    (
        "SELinuxDomain user_webapp_t:s0:c1 expr %{SSL_CLIENT_S_DN_CN} == 'foo' && %{SSL_CLIENT_VERIFY} == 'SUCCESS'",
        [USER, NOT, NOT, NOT],
    ),
    ("SELinuxDomain user_webapp_t:s0:c1 expr %{SSL_CLIENT_S_DN} == 'CN=bar'", [NOT, NOT, NOT, NOT]),
];

/// Keys and certificates: an authority's, the server's and foo's by it, and one that somebody else made in foo's name.
const CERTIFICATES: &str = "
set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ca -keyout key.pem -out ca.pem
for name in localhost foo; do
    openssl req -new -key key.pem -subj /CN=$name -out request.pem
    openssl x509 -req -in request.pem -CA ca.pem -CAkey key.pem -out $name.pem
done
mv localhost.pem server.pem
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=foo -keyout own-key.pem -out own.pem
";

#[test]
fn a_clients_certificate_chooses_the_context() {
    let site = Site::new("certificates");
    site.file("context.lua", CONTEXT_LUA);
    let etc = site.etc().to_str().unwrap();
    run("sh", &["-c", &format!("cd {etc}\n{CERTIFICATES}")]);
    run("restorecon", &["-RF", etc]);
    let places = places(BY_CERTIFICATE.iter().map(|(rule, _)| *rule));
    let configuration = format!("{BASE}{places}{TLS}");
    let _httpd = Httpd::start(&site, Mpm::Event, &["lua", "ssl", "socache_shmcb"], &configuration);
    let [foo, key, own, own_key] =
        ["foo.pem", "key.pem", "own.pem", "own-key.pem"].map(|name| format!("{etc}/{name}"));
    for (number, (rule, expected)) in BY_CERTIFICATE.iter().enumerate() {
        let page = format!("/{number}/context.lua");
        let secure = format!("https://127.0.0.1{page}");
        let got = [
            told(&secure, &["--cert", &foo, "--key", &key]),
            told(&secure, &["--cert", &own, "--key", &own_key]),
            told(&secure, &[]),
            told(&page, &[]),
        ];
        assert_eq!(got, *expected, "{rule}");
    }
}

const DATABASE: &str = "
DBDriver sqlite3
DBDParams @ETC@/groups.sqlite
";

const QUERY: &str = "AuthzDBDQuery \"SELECT team FROM teams WHERE member = %s\"";

const TEAMS: &str = "
CREATE TABLE teams (member TEXT, team TEXT);
INSERT INTO teams VALUES ('foo', 'staff'), ('foo', 'admins'), ('bar', 'others');
";

#[test]
fn a_group_in_a_database_chooses_the_context() {
    let site = Site::new("dbd-group");
    site.file("context.lua", CONTEXT_LUA);
    let database = site.etc().join("groups.sqlite");
    let sql = |statements: &str| run("sqlite3", &[database.to_str().unwrap(), statements]);
    sql(TEAMS);
    run("restorecon", &["-F", database.to_str().unwrap()]);
    let rules = [
        format!(
            "{QUERY}\nSELinuxDomain user_webapp_t:s0:c1 dbd-group admins\nSELinuxDomainVal anon_webapp_t:s0"
        ),
        format!("{QUERY}\nSELinuxDomain user_webapp_t:s0:c1 not dbd-group admins"),
        // Without a query it cannot tell.
        "SELinuxDomain user_webapp_t:s0:c1 not dbd-group admins\nSELinuxDomainVal anon_webapp_t:s0"
            .to_owned(),
    ];
    let configuration = format!("{BASE}{DATABASE}{}", places(rules.iter().map(String::as_str)));
    let modules = ["lua", "dbd", "authz_dbd"];
    let httpd = Httpd::start(&site, Mpm::Event, &modules, &configuration);
    let told = || {
        let asked =
            ["0", "1", "2"].map(|place| ["foo", "bar", ""].map(|whom| told_whom(&format!("/{place}"), whom)));
        asked.map(|contexts| contexts.join(" "))
    };
    let anon = "anon_webapp_t:s0";
    assert_eq!(
        told(),
        [
            format!("{USER} {anon} {anon}"),
            format!("{NOT} {USER} {USER}"),
            format!("{FAILED} {FAILED} {USER}")
        ]
    );
    // A changed row counts from the next request on.
    sql("UPDATE teams SET member = 'bar' WHERE team = 'admins'");
    assert_eq!(told()[0], format!("{anon} {USER} {anon}"));
    // A database that does not answer is not one that says no.
    sql("DROP TABLE teams");
    assert_eq!(told()[..2], [format!("{FAILED} {FAILED} {anon}"), format!("{FAILED} {FAILED} {USER}")]);
    httpd.logged(&["SEL0108", "`dbd-group admins`"]);
}
