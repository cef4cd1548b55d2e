//! An application in PHP with a front controller and uploads.

use super::Recipe;
use crate::support::client::authorization;
use crate::support::distribution::load_php;
use crate::support::pages::PRINT_CONTEXT;
use crate::support::{Httpd, Mpm, Site, label, raw, run};
use std::fs;

/// A plugin with a hole: it writes what it is sent to where it is told.
const HOLE: &str = "<?php echo @file_put_contents(__DIR__ . '/../../' . $_SERVER['QUERY_STRING'], \
                    file_get_contents('php://input')) === false ? 'refused' : 'written';";

/// Answers of the virtual host: status and body.
fn send(method: &str, path: &str, user: Option<&str>, body: &str) -> (u16, String) {
    let user = user.map(|user| format!("Authorization: {}\r\n", authorization(user))).unwrap_or_default();
    let text = format!(
        "{method} {path} HTTP/1.0\r\nHost: blog.example.org\r\n{user}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let reply = raw::exchange(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let (head, body) = reply.split_once("\r\n\r\n").expect("a whole answer");
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), body.to_owned())
}

fn get(path: &str, user: Option<&str>) -> (u16, String) {
    send("GET", path, user, "")
}

/// An application of that shape, and another site's secret.
fn prepare(recipe: &Recipe) {
    let context = format!("passthru(<<<'END'\n{PRINT_CONTEXT}\nEND);");
    recipe
        .site
        .file("index.php", &format!("<?php echo $_SERVER['REQUEST_URI'], ' ';\n{context}"))
        .file("wp-config.php", "<?php return 'the password';")
        .file("password.php", "<?php echo @include $_GET['of'];")
        .file("wp-login.php", &format!("<?php\n{context}"))
        .file("wp-admin/admin-ajax.php", &format!("<?php\n{context}"))
        .file("wp-admin/upload.php", &HOLE.replace("/../../", "/../wp-content/uploads/"))
        .file("wp-content/hole/hole.php", HOLE)
        .file("wp-content/uploads/.keep", "")
        .file(".htaccess", &recipe.told("htaccess"));
}

fn start(recipe: &Recipe) -> Httpd {
    Httpd::start(
        &recipe.site,
        Mpm::Prefork,
        &["rewrite"],
        &format!("{}{}", load_php(), recipe.told("apache")),
    )
}

#[test]
fn visitors_of_an_application_change_nothing_and_administrators_upload() {
    let recipe = Recipe::new("php", "/var/www/blog");
    prepare(&recipe);
    recipe.do_commands();
    let others = Site::new("recipe-php-other");
    others.file_at("s0:c21", "other.php", "<?php return 'the other password';");
    let other = others.root().join("other.php").to_str().unwrap().to_owned();
    let httpd = start(&recipe);
    let visitor = "system_u:system_r:anon_webapp_t:s0:c20";
    let administrator = "system_u:system_r:user_webapp_t:s0:c20";
    assert_eq!(get("/2026/hello-world", None), (200, format!("/2026/hello-world {visitor}")));
    assert_eq!(get("/", None), (200, format!("/ {visitor}")));
    assert_eq!(get("/wp-login.php", None).0, 401);
    assert_eq!(get("/wp-login.php", Some("foo")), (200, administrator.to_owned()));
    assert_eq!(get("/wp-admin/admin-ajax.php", None), (200, visitor.to_owned()));

    // Uploads: an administrator's, for all to see. A visitor's hole writes nothing, an administrator's no code.
    let root = recipe.site.root();
    assert_eq!(send("POST", "/wp-admin/upload.php?photo.txt", None, "a photo").0, 401);
    let written = (200, "written".to_owned());
    let refused = (200, "refused".to_owned());
    assert_eq!(send("POST", "/wp-admin/upload.php?photo.txt", Some("foo"), "a photo"), written);
    let photo = root.join("wp-content/uploads/photo.txt");
    assert_eq!(label(&photo), "system_u:object_r:httpd_sys_rw_content_t:s0:c20");
    assert_eq!(get("/wp-content/uploads/photo.txt", None), (200, "a photo".to_owned()));
    for path in ["wp-content/uploads/photo.txt", "wp-content/uploads/new.txt", "index.php", ".htaccess"] {
        let sent = send("POST", &format!("/wp-content/hole/hole.php?{path}"), None, "planted");
        assert_eq!(sent, refused, "{path}");
    }
    httpd.audit.denial(&[&format!("scontext={visitor} "), "name=\"photo.txt\"", "{ write }"]);
    // Unix would let an administrator's request write code, too, if somebody had been careless.
    run("chmod", &["666", root.join("index.php").to_str().unwrap()]);
    assert_eq!(send("POST", "/wp-admin/upload.php?../../index.php", Some("foo"), "planted"), refused);
    httpd.audit.denial(&[&format!("scontext={administrator} "), "name=\"index.php\"", "{ write }"]);
    assert_eq!(send("POST", "/wp-admin/upload.php?back.php", Some("foo"), "<?php echo 'run';"), written);
    assert_eq!(get("/wp-content/uploads/back.php", None).0, 403);

    // The site's password, and another site's.
    let password = |of: &str| get(&format!("/password.php?of={of}"), None);
    assert_eq!(password("wp-config.php"), (200, "the password".to_owned()));
    assert_eq!(password(&other), (200, String::new()));
    httpd.audit.denial(&[&format!("scontext={visitor} "), "name=\"other.php\""]);
    run("chcon", &["-l", "s0", &other]);
    assert_eq!(password(&other), (200, "the other password".to_owned()));
    assert_eq!(fs::read_to_string(&photo).unwrap(), "a photo");
}
