//! Rules in each type of section that httpd has: seen where they apply, and told where they cannot.

use crate::support::backend::Backend;
use crate::support::pages::CONTEXT_LUA;
use crate::support::selinux::Boolean;
use crate::support::{Httpd, Mpm, Site};

/// One process, so that all requests have the same pool of connections. The rules are in `<Proxy>` alone.
const PROXIES: &str = "\
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
ProxyPass /kept http://127.0.0.1:8080/kept enablereuse=on
<Proxy http://127.0.0.1:8080/kept/mapped>
    SELinuxDomainVal user_webapp_t:s0:c0
    <If \"%{QUERY_STRING} == 'if'\">
        SELinuxDomainVal user_webapp_t:s0:c1
    </If>
</Proxy>
<Proxy http://127.0.0.1:8080/kept/mapped/further>
    SELinuxUnmapped server
</Proxy>
<Proxy http://127.0.0.1:8080/*/wild>
    SELinuxDomainVal user_webapp_t:s0:c2
</Proxy>
<ProxyMatch regex$>
    SELinuxDomainVal user_webapp_t:s0:c3
</ProxyMatch>
";

const DUMPED: &str = "\
  <Proxy \"http://127.0.0.1:8080/kept/mapped\">
    1. SELinuxDomainVal user_webapp_t:s0:c0 -> system_u:system_r:user_webapp_t:s0:c0 (@ETC@/rules.conf:7)
    SELinuxUnmapped refuse, SELinuxAllowCaches Off, SELinuxDomainPeer none
    <If \"%{QUERY_STRING} == 'if'\"> (@ETC@/rules.conf:8) +
      1. SELinuxDomainVal user_webapp_t:s0:c1 -> system_u:system_r:user_webapp_t:s0:c1 (@ETC@/rules.conf:9)
      2. SELinuxDomainVal user_webapp_t:s0:c0 -> system_u:system_r:user_webapp_t:s0:c0 (@ETC@/rules.conf:7, of <Proxy \"http://127.0.0.1:8080/kept/mapped\">)
      SELinuxUnmapped refuse, SELinuxAllowCaches Off, SELinuxDomainPeer none
  <Proxy \"http://127.0.0.1:8080/kept/mapped/further\">
    1. SELinuxDomainVal user_webapp_t:s0:c0 -> system_u:system_r:user_webapp_t:s0:c0 (@ETC@/rules.conf:7, of <Proxy \"http://127.0.0.1:8080/kept/mapped\">)
    SELinuxUnmapped server, SELinuxAllowCaches Off, SELinuxDomainPeer none
  <Proxy \"http://127.0.0.1:8080/*/wild\"> +
    1. SELinuxDomainVal user_webapp_t:s0:c2 -> system_u:system_r:user_webapp_t:s0:c2 (@ETC@/rules.conf:16)
    SELinuxUnmapped refuse, SELinuxAllowCaches Off, SELinuxDomainPeer none
  <ProxyMatch \"regex$\"> +
    1. SELinuxDomainVal user_webapp_t:s0:c3 -> system_u:system_r:user_webapp_t:s0:c3 (@ETC@/rules.conf:19)
    SELinuxUnmapped refuse, SELinuxAllowCaches Off, SELinuxDomainPeer none
";

const INCLUDE: &str = "AddHandler lua-script .lua\nInclude @ETC@/rules.conf\n";

#[test]
fn rules_in_proxy_sections_are_dumped_and_no_connection_is_kept() {
    let site = Site::new("sections-proxy");
    site.config_file("rules.conf", PROXIES);
    // httpd itself may connect.
    let may_connect = Boolean::off(&["httpd_can_network_relay"]);
    may_connect.on();
    let _backend = Backend::start();
    let modules = ["proxy", "proxy_http"];
    let httpd = Httpd::start(&site, Mpm::Event, &modules, INCLUDE);
    // These may not connect, and would be served by a connection that is kept.
    for (path, range) in [("mapped", "s0:c0"), ("mapped?if", "s0:c1"), ("wild", "s0:c2"), ("regex", "s0:c3")]
    {
        let open = httpd.get("/kept/open", None);
        assert!(open.status == 200 && open.body.starts_with("tcp "), "{open:?}");
        assert_eq!(httpd.get(&format!("/kept/{path}"), None).status, 503, "{path}");
        let scontext = format!("scontext=system_u:system_r:user_webapp_t:{range} ");
        httpd.audit.denial(&[&scontext, "{ create }", "tclass=tcp_socket"]);
    }
    httpd.logged(&["selinux:warn", "SEL0016", "/kept"]);
    drop(httpd);
    let dump = Httpd::dump(&site, Mpm::Event, &modules, INCLUDE);
    let text = dump.replace(site.etc().to_str().unwrap(), "@ETC@");
    assert!(text.contains(DUMPED), "{text}");
}

/// Where no request has a rule: sections that httpd comes to too late, and those that other modules have for themselves.
const NOWHERE: &str = "\
<If true>
    <Files context.lua>
        SELinuxDomainVal user_webapp_t:s0:c0
    </Files>
</If>
<Files *.lua>
    <Files context.lua>
        SELinuxDomainVal user_webapp_t:s0:c1
    </Files>
</Files>
<Proxy http://127.0.0.1:8080/>
    <Files context.lua>
        SELinuxDomainPeer range
    </Files>
</Proxy>
<AuthzProviderAlias ip local 127.0.0.1>
    SELinuxDomainVal user_webapp_t:s0:c2
    SELinuxDomainPeer range
</AuthzProviderAlias>
ProxyPass /kept http://127.0.0.1:8080/kept enablereuse=on
";

#[test]
fn rules_that_no_section_of_cores_has_are_told() {
    let site = Site::new("sections-nowhere");
    site.config_file("rules.conf", NOWHERE);
    site.file("context.lua", CONTEXT_LUA);
    let modules = ["lua", "proxy", "proxy_http"];
    let etc = site.etc().to_str().unwrap();
    let dump = Httpd::dump(&site, Mpm::Event, &modules, INCLUDE);
    let told = format!(
        "\nIn sections by which no request is decided, as far as mod_selinux can tell\n  \
           SELinuxDomainVal user_webapp_t:s0:c0 ({etc}/rules.conf:3)\n  \
           SELinuxDomainVal user_webapp_t:s0:c1 ({etc}/rules.conf:8)\n  \
           SELinuxDomainVal user_webapp_t:s0:c2 ({etc}/rules.conf:17)\n  \
           SELinuxDomainPeer range ({etc}/rules.conf:13)\n  \
           SELinuxDomainPeer range ({etc}/rules.conf:18)\n"
    );
    let told = told + &super::dump::warned(&["system_u:system_r:user_webapp_t:s0:c0"]);
    assert!(dump.ends_with(&told), "{told}\n{dump}");
    let httpd = Httpd::start(&site, Mpm::Event, &modules, INCLUDE);
    for line in [3, 8, 13, 17, 18] {
        httpd.logged(&["selinux:warn", "SEL0018", &format!("rules.conf:{line}:")]);
    }
    // A module that has such a section may yet apply it.
    httpd.logged(&["SEL0016", "/kept"]);
    assert_eq!(httpd.get("/context.lua", None).body, "system_u:system_r:httpd_t:s0");
}
