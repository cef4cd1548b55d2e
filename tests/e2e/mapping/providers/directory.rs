//! Providers that ask an LDAP directory.

use super::{ANON, BASE, NOT, USER, places, told_whom};
use crate::support::certificate::Certificate;
use crate::support::directory::Directory;
use crate::support::pages::CONTEXT_LUA;
use crate::support::selinux::Boolean;
use crate::support::{Httpd, Mpm, Site};

const ENTRIES: &str = "
dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit

dn: uid=foo,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: Foo
sn: Foo
employeeType: staff

dn: uid=bar,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
cn: Bar
sn: Bar
employeeType: guest

dn: cn=admins,dc=example,dc=org
objectClass: groupOfNames
member: uid=foo,ou=people,dc=example,dc=org
";

/// Rules, and what foo, bar (who are in the directory), staff (who is not) and nobody get by them.
const CASES: &[(&str, [&str; 4])] = &[
    (
        "SELinuxDomain user_webapp_t:s0:c1 ldap-group cn=admins,dc=example,dc=org\nSELinuxDomainVal anon_webapp_t:s0",
        [USER, ANON, ANON, ANON],
    ),
    ("SELinuxDomain user_webapp_t:s0:c1 not ldap-group cn=admins,dc=example,dc=org", [NOT, USER, USER, USER]),
    ("SELinuxDomain user_webapp_t:s0:c1 ldap-filter |(employeeType=guest)(cn=B*)", [NOT, USER, NOT, NOT]),
    ("SELinuxDomain user_webapp_t:s0:c1 ldap-attribute employeeType=staff", [USER, NOT, NOT, NOT]),
    ("SELinuxDomain user_webapp_t:s0:c1 ldap-user foo bar", [USER, USER, NOT, NOT]),
    ("SELinuxDomain user_webapp_t:s0:c1 ldap-dn uid=bar,ou=people,dc=example,dc=org", [NOT, USER, NOT, NOT]),
    ("SELinuxDomain user_webapp_t:s0:c1 admins", [USER, NOT, NOT, NOT]),
];

const DIRECTORY: &str = "
LDAPOpCacheEntries 0
LDAPCacheEntries 0
<AuthzProviderAlias ldap-group admins cn=admins,dc=example,dc=org>
    AuthLDAPURL ldap://localhost/ou=people,dc=example,dc=org?uid
</AuthzProviderAlias>
";

const URL: &str = "AuthLDAPURL ldap://localhost/ou=people,dc=example,dc=org?uid\n";

#[test]
fn an_entry_of_a_directory_chooses_the_context() {
    let site = Site::new("ldap-providers");
    site.file("context.lua", CONTEXT_LUA);
    let boolean = Boolean::off(&["httpd_can_connect_ldap", "httpd_can_network_connect_ldap"]);
    boolean.on();
    let directory = Directory::start(&Certificate::new(&site));
    directory.modify(ENTRIES);
    let rules: Vec<_> = CASES
        .iter()
        .map(|(rule, _)| format!("{}{rule}", if rule.ends_with(" admins") { "" } else { URL }))
        .collect();
    let configuration = format!("{BASE}{DIRECTORY}{}", places(rules.iter().map(String::as_str)));
    let httpd = Httpd::start(&site, Mpm::Event, &["lua", "ldap", "authnz_ldap"], &configuration);
    let told = |number: usize| ["foo", "bar", "staff", ""].map(|whom| told_whom(&format!("/{number}"), whom));
    for (number, (rule, expected)) in CASES.iter().enumerate() {
        assert_eq!(told(number), *expected, "{rule}");
    }
    // A changed entry counts once httpd asks again.
    directory.modify(
        "dn: cn=admins,dc=example,dc=org\nchangetype: modify\n\
         replace: member\nmember: uid=bar,ou=people,dc=example,dc=org\n",
    );
    assert_eq!(told(0), [ANON, USER, ANON, ANON]);
    // mod_authnz_ldap says of a directory that does not answer, that nobody is in it.
    directory.stop();
    assert_eq!(told(0), [ANON; 4]);
    assert!(!httpd.log().contains("SEL0108"));
}
