//! What a confined request is sent on to: the connection is the worker's, so the kernel says to whom it may go, and
//! tells the back end who is there.

use crate::lifecycle::policies::with_module;
use crate::support::backend::{Backend, Fpm, PORT};
use crate::support::httpd::ONE_PROCESS;
use crate::support::raw::Connection;
use crate::support::{Httpd, Mpm, Site};

const SERVER: &str = "system_u:system_r:httpd_t:s0";
const DENIED: &str = "system_u:system_r:user_webapp_t:s0:c0";
const ONE: &str = "system_u:system_r:proxy_webapp_t:s0:c1";
const TWO: &str = "system_u:system_r:proxy_webapp_t:s0:c2";

const MODULES: &[&str] = &[
    "proxy",
    "proxy_http",
    "proxy_fcgi",
    "proxy_wstunnel",
    "proxy_balancer",
    "lbmethod_byrequests",
    "slotmem_shm",
];

const PLACES: &[(&str, Option<&str>)] = &[
    ("open", None),
    ("denied", Some("user_webapp_t:s0:c0")),
    ("one", Some("proxy_webapp_t:s0:c1")),
    ("two", Some("proxy_webapp_t:s0:c2")),
];

/// One process, so that all requests have the same pools of connections.
const ONE_CHILD: &str = "
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
";

fn configuration(mpm: Mpm, backend: &Backend, pools: &[&Fpm; 2]) -> String {
    let mut text = if mpm == Mpm::Prefork { ONE_PROCESS } else { ONE_CHILD }.to_owned();
    let socket = &backend.socket;
    text += &format!(
        "<Proxy balancer://unix>\nBalancerMember unix:{socket}|http://member/\n</Proxy>\n\
         <Proxy balancer://tcp>\nBalancerMember http://127.0.0.1:{PORT}/member enablereuse=on\n</Proxy>\n"
    );
    for (place, spec) in PLACES {
        text += &format!(
            "ProxyPass /{place}/tcp http://127.0.0.1:{PORT}/\n\
             ProxyPass /{place}/unix unix:{socket}|http://localhost/\n\
             ProxyPass /{place}/upgrade unix:{socket}|http://upgrade/ upgrade=websocket\n\
             ProxyPass /{place}/ws ws://127.0.0.1:{PORT}/ws\n\
             ProxyPass /{place}/balancer/unix balancer://unix\n\
             ProxyPass /{place}/balancer/tcp balancer://tcp\n"
        );
        for (name, pool) in ["fpm1", "fpm2"].iter().zip(pools) {
            text += &format!(
                "ProxyPass /{place}/{name} unix:{}|fcgi://{name}@ROOT@ enablereuse=on\n",
                pool.socket
            );
        }
        if let Some(spec) = spec {
            text += &format!("<Location /{place}>\nSELinuxDomainVal {spec}\n</Location>\n");
        }
    }
    text
}

/// Asks for another protocol; gives the first line that the back end says in it.
fn upgrade(path: &str) -> String {
    let mut connection = Connection::open().unwrap();
    let headers = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    connection.send(&crate::support::raw::request(path, None, headers)).unwrap();
    // The back end closes after this line.
    connection.send("echo\n").unwrap();
    let text = connection.rest().unwrap();
    let Some((head, words)) = text.split_once("\r\n\r\n") else { return text };
    if !head.starts_with("HTTP/1.1 101 ") {
        return head.lines().next().unwrap_or_default().to_owned();
    }
    assert!(words.ends_with("\necho\n"), "{path}: {text}");
    words.lines().next().unwrap_or_default().to_owned()
}

/// All ways to back ends, from the server's context, from one that may not connect, and from two that may.
fn each_way_is_the_workers(mpm: Mpm) {
    let site = Site::new("backends");
    site.file("context.php", "<?php echo file_get_contents('/proc/self/attr/current');");
    let _policy = with_module();
    let backend = Backend::start();
    let pools = [Fpm::start("fpm1", "s0:c1"), Fpm::start("fpm2", "s0:c2")];
    let httpd = Httpd::start(&site, mpm, MODULES, &configuration(mpm, &backend, &[&pools[0], &pools[1]]));
    // Who may connect to nothing does not get there by a connection that the server may have left.
    for way in ["tcp", "unix"] {
        let [open, denied] =
            ["open", "denied"].map(|place| httpd.get(&format!("/{place}/{way}"), None).status);
        assert_eq!((open, denied), (200, 503), "{mpm:?} {way}");
    }
    let mut connections = Vec::new();
    // Twice: the first time leaves its connections behind, if any are left.
    for _ in 0..2 {
        for (way, place, peer) in [
            ("unix", "open", SERVER),
            ("unix", "one", ONE),
            ("unix", "two", TWO),
            ("balancer/unix", "open", SERVER),
            ("balancer/unix", "one", ONE),
            ("balancer/unix", "two", TWO),
            ("tcp", "open", "tcp"),
            ("tcp", "one", "tcp"),
            ("balancer/tcp", "open", "tcp"),
            ("balancer/tcp", "two", "tcp"),
        ] {
            let reply = httpd.get(&format!("/{place}/{way}"), None);
            assert_eq!(reply.status, 200, "{mpm:?} {place} {way}: {reply:?}");
            let (told, connection) = reply.body.split_once(' ').unwrap();
            assert_eq!(told, peer, "{mpm:?} {place} {way}");
            assert!(!connections.contains(&connection.to_owned()), "{mpm:?} {place} {way}: used before");
            connections.push(connection.to_owned());
        }
        for (way, place, peer) in [
            ("upgrade", "open", SERVER),
            ("upgrade", "one", ONE),
            ("upgrade", "two", TWO),
            ("ws", "open", "tcp"),
            ("ws", "one", "tcp"),
        ] {
            let told = upgrade(&format!("/{place}/{way}"));
            assert_eq!(told.split_once(' ').unwrap_or_default().0, peer, "{mpm:?} {place} {way}: {told}");
        }
        // What nobody may connect to is not reached by a connection that another has left, either.
        for way in ["tcp", "unix", "balancer/tcp", "balancer/unix", "fpm1", "fpm2"] {
            let file = if way.starts_with("fpm") { "/context.php" } else { "" };
            let status = httpd.get(&format!("/denied/{way}{file}"), None).status;
            assert_eq!(status, 503, "{mpm:?} {way}");
        }
        assert_eq!(upgrade("/denied/ws"), "HTTP/1.1 503 Service Unavailable", "{mpm:?}");
        for (place, pool, context) in [
            ("open", "fpm1", Some("httpd_t:s0:c1")),
            ("open", "fpm2", Some("httpd_t:s0:c2")),
            ("one", "fpm1", Some("httpd_t:s0:c1")),
            ("two", "fpm1", None),
            ("one", "fpm2", None),
            ("two", "fpm2", Some("httpd_t:s0:c2")),
        ] {
            let reply = httpd.get(&format!("/{place}/{pool}/context.php"), None);
            let told = format!("{mpm:?} {place} {pool}: {reply:?}");
            match context {
                Some(context) => {
                    assert_eq!(
                        reply.body.trim_end_matches('\0'),
                        format!("system_u:system_r:{context}"),
                        "{told}"
                    )
                }
                None => assert_eq!(reply.status, 503, "{told}"),
            }
        }
    }
    httpd.audit.denial(&[&format!("scontext={DENIED} "), "{ create }", "tclass=tcp_socket"]);
    httpd.audit.denial(&[&format!("scontext={ONE} "), "name=\"fpm2.sock\"", "{ write }"]);
    httpd.audit.denial(&[&format!("scontext={TWO} "), "name=\"fpm1.sock\"", "{ write }"]);
    httpd.logged(&["selinux:warn", "SEL0016", "/member"]);
}

#[test]
fn each_back_end_gets_connections_of_the_requests_own_context_on_event() {
    each_way_is_the_workers(Mpm::Event);
}

#[test]
fn each_back_end_gets_connections_of_the_requests_own_context_on_prefork() {
    each_way_is_the_workers(Mpm::Prefork);
}
