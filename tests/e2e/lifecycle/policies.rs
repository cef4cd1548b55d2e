//! Policies that lack something: found when the server starts, or when the policy changes under it.

use crate::documents::{domains, recipes};
use crate::support::pages::{CONTEXT_CGI, CONTEXT_LUA};
use crate::support::selinux::{OtherPolicy, policy_with};
use crate::support::{Httpd, Mpm, Site, run};
use std::sync::OnceLock;

/// Domains each of which lacks one rule, and two constraints that cannot be seen from a list of rules.
const MODULE: &str = "
; Complete, and gone with this module.
(type passing_webapp_t)
(call webapp_domain (passing_webapp_t))
(call webapp_cgi (passing_webapp_t))
(call webapp_write (passing_webapp_t))

(type unbounded_webapp_t)
(roletype system_r unbounded_webapp_t)
(allow httpd_t unbounded_webapp_t (process (dyntransition)))

(type unreachable_webapp_t)
(roletype system_r unreachable_webapp_t)
(typebounds httpd_t unreachable_webapp_t)

(type unproven_webapp_t)
(roletype system_r unproven_webapp_t)
(typebounds httpd_t unproven_webapp_t)
(allow httpd_t unproven_webapp_t (process (dyntransition)))

; One from which a way leads on.
(type free_webapp_t)
(call webapp_domain (free_webapp_t))
(allow free_webapp_t self (process (setcurrent)))

; One that may connect: to back ends at one port, and to local ones of httpd's own type or started by systemd.
(type proxy_webapp_t)
(call webapp_domain (proxy_webapp_t))
(allow httpd_t http_cache_port_t (tcp_socket (name_connect)))
(allow httpd_t initrc_t (unix_stream_socket (connectto)))
(allow proxy_webapp_t self (tcp_socket (connect create getattr getopt read setopt shutdown write)))
(allow proxy_webapp_t http_cache_port_t (tcp_socket (name_connect)))
(allow proxy_webapp_t self (unix_stream_socket (connect getattr read setopt shutdown write)))
(allow proxy_webapp_t initrc_t (unix_stream_socket (connectto)))
(allow proxy_webapp_t httpd_t (unix_stream_socket (connectto)))
(allow proxy_webapp_t httpd_var_run_t (dir (getattr search)))
(allow proxy_webapp_t httpd_var_run_t (sock_file (getattr write)))

; One that makes files of every kind, and connects to whatever init starts.
(type making_webapp_t)
(call webapp_domain (making_webapp_t))
(call webapp_cgi (making_webapp_t))
(call webapp_write (making_webapp_t))
(typeattribute making)
(typeattributeset making (making_webapp_t httpd_t))
(allow making httpd_sys_rw_content_t (file (append create getattr ioctl open read rename setattr unlink write)))
(allow making httpd_sys_rw_content_t (dir (add_name create getattr open read remove_name rename reparent rmdir search setattr write)))
(allow making httpd_sys_rw_content_t (lnk_file (create getattr read rename unlink)))
(allow making httpd_sys_rw_content_t (fifo_file (create getattr open read rename unlink write)))
(allow making httpd_sys_rw_content_t (sock_file (create getattr rename setattr unlink write)))
(allow httpd_t initrc_t (unix_dgram_socket (sendto)))
(allow making_webapp_t self (unix_stream_socket (bind connect create getattr read write)))
(allow making_webapp_t self (unix_dgram_socket (bind connect create getattr read write)))
(allow making_webapp_t initrc_t (unix_stream_socket (connectto)))
(allow making_webapp_t initrc_t (unix_dgram_socket (sendto)))

; One with a right that httpd has not.
(type beyond_webapp_t)
(call webapp_domain (beyond_webapp_t))
(type beyond_content_t)
(roletype object_r beyond_content_t)
(typeattributeset file_type (beyond_content_t))
(allow beyond_webapp_t beyond_content_t (file (getattr open read)))

; The range of whoever enters must reach as far: httpd's does not.
(type ranged_webapp_t)
(call webapp_domain (ranged_webapp_t))
(mlsconstrain (process (dyntransition)) (or (dom h1 h2) (neq t2 ranged_webapp_t)))

; httpd may do these at one level only.
(mlsconstrain (process (setcurrent setsockcreate)) (or (eq l1 h1) (neq t1 httpd_t)))
";

/// The kernel with that module, those of `docs/recipes`, and what the tool writes for new domains: to build a policy takes
/// long.
pub fn with_module() -> OtherPolicy {
    static POLICY: OnceLock<Vec<u8>> = OnceLock::new();
    OtherPolicy::begin(
        POLICY.get_or_init(|| policy_with(&format!("{MODULE}{}{}", recipes::modules(), domains::policy()))),
    )
}

/// One line of the text has all of the parts.
fn assert_line(text: &str, parts: &[&str]) {
    assert!(
        text.lines().any(|line| parts.iter().all(|part| line.contains(part))),
        "{parts:?} is not in\n{text}"
    );
}

/// As on kernels before 6.8.
const WITHOUT_SYSTEM_CALLS: [&str; 2] =
    ["SystemCallFilter=~lsm_set_self_attr lsm_get_self_attr", "SystemCallErrorNumber=ENOSYS"];

#[test]
fn the_start_names_the_rule_that_the_policy_lacks() {
    let site = Site::new("lacking");
    let _policy = with_module();
    let start = |configuration: &str, properties: &[&str]| {
        let told = Httpd::try_start(&site, Mpm::Event, &[], configuration, properties).err();
        told.unwrap_or_else(|| panic!("{configuration} is accepted"))
    };
    site.config_file(
        "map",
        "a passing_webapp_t:s0\nb unbounded_webapp_t:s0\nc unreachable_webapp_t\nd ranged_webapp_t:s0\n\
         e ranged_webapp_t:s0:c5\n",
    );
    let configuration = "SELinuxDomainMap @ETC@/map\n";
    let bounds =
        ["/map:2: ", "Operation not permitted", "the policy lacks `(typebounds httpd_t unbounded_webapp_t)`"];
    let transition = ["/map:3: ", "`(allow httpd_t unreachable_webapp_t (process (dyntransition)))`"];
    let range = ["/map:5: ", "ranged_webapp_t:s0:c5", "or its constraints keep a server at this range"];
    let started = start(configuration, &[]);
    let checked = Httpd::check(&site, Mpm::Event, &[], configuration).expect_err("httpd -t accepts it");
    for text in [started, checked] {
        for parts in [&bounds, &transition[..], &range] {
            assert_line(&text, parts);
        }
        assert!(!text.contains("/map:1:") && !text.contains("/map:4:"), "{text}");
    }
    // From a shell, what can be asked without trying; of bounds, the kernel tells nobody.
    let text = Httpd::check_from_shell(&site, Mpm::Event, &[], configuration).expect_err("it is accepted");
    assert_line(&text, &transition);
    assert_line(&text, &range);
    assert!(!text.contains("/map:1:") && !text.contains("/map:4:"), "{text}");

    let high = "SELinuxServerDomain *:s0-s0:c0.c1023\nSELinuxDomainVal passing_webapp_t:s0\n";
    assert_line(&start(high, &[]), &["SEL0024", "`(allow httpd_t self (process (setcurrent)))`"]);
    let from_above = ["SELinuxContext=system_u:system_r:httpd_t:s0-s0:c0.c1023"];
    let text = start("SELinuxDomainVal passing_webapp_t:s0\n", &from_above);
    assert_line(&text, &["SEL0025", "`(allow httpd_t self (process (setsockcreate)))`"]);
    let text = start("SELinuxDomainVal unproven_webapp_t\n", &WITHOUT_SYSTEM_CALLS);
    assert_line(&text, &["SEL0024", "`(allow unproven_webapp_t self (unix_stream_socket (create getopt)))`"]);
    // What has no rules has nothing to lack.
    drop(Httpd::start_as(&site, Mpm::Event, &[], "", &from_above));
}

const MAPPED: &str = "
AddHandler lua-script .lua
AddHandler cgi-script .cgi
SELinuxServerDomain *:s0-s0:c0.c1023
SELinuxDomainEnv DOMAIN
SELinuxDomainMap @ETC@/map
SetEnvIf X-Domain (.+) DOMAIN=$1
";

#[test]
fn contexts_are_right_without_the_system_calls_of_linux_6_8() {
    // It fails unless both of them are unknown to the kernel.
    let probe = "import ctypes, errno; c = ctypes.CDLL(None, use_errno=True)\n\
                 for n in 459, 460: assert c.syscall(n, 0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.ENOSYS";
    let mut arguments = vec!["--quiet", "--collect", "--wait"];
    for property in &WITHOUT_SYSTEM_CALLS {
        arguments.extend(["-p", property]);
    }
    arguments.extend(["python3", "-c", probe]);
    run("systemd-run", &arguments);

    let site = Site::new("old-kernel");
    site.config_file(
        "map",
        "foo user_webapp_t:s0:c0\nbar user_webapp_t:s0:c1\n__anonymous__ anon_webapp_t:s0\n",
    );
    site.file("context.lua", CONTEXT_LUA)
        .script("context.cgi", CONTEXT_CGI)
        .file_at("s0:c1", "bar.txt", "bar's");
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let httpd = Httpd::start_as(&site, mpm, &["lua", "cgi"], MAPPED, &WITHOUT_SYSTEM_CALLS);
        for (user, folder, context) in [
            (Some("foo"), "/private", "user_webapp_t:s0:c0"),
            (None, "", "anon_webapp_t:s0"),
            (Some("bar"), "/private", "user_webapp_t:s0:c1"),
        ] {
            for page in ["context.lua", "context.cgi"] {
                let body = httpd.get(&format!("{folder}/{page}"), user).body;
                assert_eq!(body, format!("system_u:system_r:{context}"), "{page}");
            }
        }
        assert_eq!(httpd.get("/private/bar.txt", Some("bar")).body, "bar's");
        assert_eq!(httpd.get("/private/bar.txt", Some("foo")).status, 403);
        httpd.audit.denial(&["scontext=system_u:system_r:user_webapp_t:s0:c0 ", "name=\"bar.txt\""]);
        for bad in ["nosuch_t:s0", "httpd_sys_script_t:s0"] {
            let reply = httpd.client().try_get("/context.lua", None, &[("X-Domain", bad)]).unwrap();
            assert_eq!(reply.status, 500, "{bad}");
        }
    }
}
