//! A share for each user, over WebDAV.

use super::Recipe;
use crate::support::{Httpd, Mpm, distribution, label, raw, run};
use std::fs;

/// A request with a body; its status.
fn send(method: &str, path: &str, user: &str, headers: &str, body: &str) -> u16 {
    let authorization = crate::support::client::authorization(user);
    let text = format!(
        "{method} /shares/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {authorization}\r\n\
         {headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let reply = raw::exchange(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    reply.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn read(httpd: &Httpd, path: &str, user: &str) -> (u16, String) {
    let reply = httpd.get(&format!("/shares/{path}"), Some(user));
    (reply.status, if reply.status == 200 { reply.body } else { String::new() })
}

#[test]
fn each_user_has_a_share_that_nobody_else_gets_at() {
    let recipe = Recipe::new("dav", "/var/www/shares");
    recipe.do_commands();
    recipe.site.config_file("shares.map", &recipe.told("map"));
    let locks = format!("DavLockDB {}/lockdb\nAddHandler lua-script .lua\n", distribution::dav_lock_folder());
    let httpd = recipe.start(Mpm::Event, &["dav", "dav_fs", "lua"], &locks);
    for (user, range) in [("foo", "s0:c0"), ("bar", "s0:c1")] {
        let letter = format!("{user}'s letter");
        assert_eq!(send("PUT", &format!("{user}/letter.txt"), user, "", &letter), 201);
        assert_eq!(send("MKCOL", &format!("{user}/folder"), user, "", ""), 201);
        assert_eq!(send("PUT", &format!("{user}/folder/page.lua"), user, "", "function handle"), 201);
        assert_eq!(send("PROPFIND", &format!("{user}/"), user, "Depth: 1\r\n", ""), 207);
        assert_eq!(read(&httpd, &format!("{user}/letter.txt"), user), (200, letter));
        assert_eq!(read(&httpd, &format!("{user}/folder/page.lua"), user).1, "function handle", "not run");
        for file in ["letter.txt", "folder", "folder/page.lua"] {
            let label = label(recipe.site.root().join(user).join(file));
            assert_eq!(label, format!("system_u:object_r:httpd_sys_rw_content_t:{range}"), "{file}");
        }
    }

    let bars = recipe.site.root().join("bar");
    assert_eq!(read(&httpd, "bar/letter.txt", "foo").0, 403);
    httpd.audit.denial(&[
        "scontext=system_u:system_r:user_webapp_t:s0:c0 ",
        "tcontext=system_u:object_r:httpd_sys_rw_content_t:s0:c1 ",
    ]);
    for (method, path, headers) in [
        ("PUT", "bar/letter.txt", ""),
        ("PUT", "bar/new.txt", ""),
        ("DELETE", "bar/letter.txt", ""),
        ("MKCOL", "bar/new", ""),
        ("MOVE", "bar/letter.txt", "Destination: http://localhost/shares/foo/stolen.txt\r\n"),
        ("COPY", "foo/letter.txt", "Destination: http://localhost/shares/bar/letter.txt\r\n"),
        ("PROPFIND", "bar/", "Depth: 1\r\n"),
    ] {
        let status = send(method, path, "foo", headers, "foo's");
        assert!(status == 0 || status >= 400, "{method} {path}: {status}");
    }
    // The auditor reads all, and changes nothing.
    assert_eq!(read(&httpd, "bar/letter.txt", "staff"), (200, "bar's letter".to_owned()));
    let status = send("PUT", "bar/letter.txt", "staff", "", "staff's");
    assert!(status >= 400, "{status}");
    assert_eq!(fs::read_to_string(bars.join("letter.txt")).unwrap(), "bar's letter");
    assert!(!bars.join("new.txt").exists() && !recipe.site.root().join("foo/stolen.txt").exists());

    // It is the label that keeps others out.
    run("chcon", &["-R", "-l", "s0", bars.to_str().unwrap()]);
    assert_eq!(read(&httpd, "bar/letter.txt", "foo"), (200, "bar's letter".to_owned()));
}
