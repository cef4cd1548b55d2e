//! A back end that reads its peer's context from the socket.

use super::{Recipe, Service};
use crate::lifecycle::policies::with_module;
use crate::support::{Mpm, run, wait_for};
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[test]
fn a_back_end_gives_each_user_what_the_policy_lets_them_have() {
    let recipe = Recipe::new("back-end", "/var/lib/documents");
    let _policy = with_module();
    recipe.do_commands();
    recipe.install("python", "/usr/local/libexec/documents.py");
    let _service = Service::start(&recipe, "documents", "documents");
    wait_for("the back end to listen", Duration::from_secs(30), || {
        UnixStream::connect("/run/documents/socket").ok()
    });
    recipe.site.config_file("documents.map", &recipe.told("map"));
    let httpd = recipe.start(Mpm::Event, &["proxy", "proxy_http"], "");
    let get = |user, name: &str| {
        let reply = httpd.get(&format!("/documents/{name}.txt"), Some(user));
        let peer = reply.header("x-peer").unwrap_or_default().to_owned();
        (reply.status, peer, if reply.status == 200 { reply.body } else { String::new() })
    };
    let of = |category| format!("system_u:system_r:portal_webapp_t:s0:{category}");
    let refused = (403, String::new(), String::new());
    assert_eq!(get("foo", "foo"), (200, of("c0"), "foo's invoices\n".to_owned()));
    assert_eq!(get("bar", "bar"), (200, of("c1"), "bar's invoices\n".to_owned()));
    for user in ["foo", "bar"] {
        assert_eq!(get(user, "prices").2, "the price list\n");
    }
    assert_eq!(get("foo", "bar"), refused);
    assert_eq!(get("bar", "foo"), refused);
    // Who is nobody to the portal may not even connect.
    assert_eq!(get("staff", "prices").0, 503);
    httpd.audit.denial(&["scontext=system_u:system_r:user_webapp_t:s0 ", "{ write }", "tclass=sock_file"]);

    // It is the label that decides.
    let file = recipe.site.root().join("bar.txt");
    run("chcon", &["-l", "s0", file.to_str().unwrap()]);
    assert_eq!(get("foo", "bar"), (200, of("c0"), "bar's invoices\n".to_owned()));
}
