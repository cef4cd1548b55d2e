//! mod_php on prefork, as the distribution ships it and with its own php.ini: scripts, sessions and uploads.

use crate::support::distribution::{labels_by_folder, run_php};
use crate::support::httpd::ONE_PROCESS;
use crate::support::pages::{PRINT_CONTEXT, take_marks};
use crate::support::{Httpd, Mpm, Reply, Site, label, outcome, wait_for};
use std::fs;
use std::time::Duration;

const CONFIGURATION: &str = "
Alias /server @ROOT@
<Location /private>
    SELinuxDomainMap @ETC@/map
</Location>
";

const FOO: &str = "system_u:system_r:user_webapp_t:s0:c0";
const BAR: &str = "system_u:system_r:user_webapp_t:s0:c1";

fn site(name: &str) -> Site {
    let site = Site::new(name);
    site.config_file("map", "foo user_webapp_t:s0:c0\nbar user_webapp_t:s0:c1\n");
    site.file("context.php", &format!("<?php passthru(<<<'END'\n{PRINT_CONTEXT}\nEND);"));
    site
}

fn start(site: &Site) -> Httpd {
    let configuration = format!("{}{ONE_PROCESS}{CONFIGURATION}", run_php());
    Httpd::start(site, Mpm::Prefork, &[], &configuration)
}

/// The process id of the one child.
fn child(httpd: &Httpd) -> String {
    let parent = httpd.main_pid().to_string();
    wait_for("the child", Duration::from_secs(10), || {
        let output = outcome("ps", &["-o", "pid=", "--ppid", &parent]);
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (!text.is_empty()).then_some(text)
    })
}

fn assert_body(reply: &Reply, expected: &str) {
    assert_eq!((reply.status, reply.body.as_str()), (200, expected));
}

#[test]
fn scripts_run_in_their_users_context_and_beside_unconfined_ones() {
    let site = site("php-context");
    site.file("deep.php", "<?php function f($n) { return $n ? 1 + f($n - 1) : 0; } echo f(20000);");
    let httpd = start(&site);
    let child = child(&httpd);
    for _ in 0..3 {
        assert_body(&httpd.get("/private/context.php", Some("foo")), FOO);
        assert_body(&httpd.get("/private/deep.php", Some("bar")), "20000");
        // Served by the same child, on its own thread, in the server's context.
        assert_body(&httpd.get("/server/deep.php", None), "20000");
        assert_body(&httpd.get("/private/context.php", Some("bar")), BAR);
    }
    assert_eq!(self::child(&httpd), child, "one child served all");
}

#[test]
fn a_script_that_recurses_for_ever_gets_phps_own_error() {
    let site = site("php-recursion");
    site.file(
        "endless.php",
        "<?php class C { function __get($n) { return $this->{$n . 'x'}; } } echo (new C)->a;",
    );
    let httpd = start(&site);
    let child = child(&httpd);
    let reply = httpd.get("/private/endless.php", Some("foo"));
    assert_eq!(reply.status, 500, "{}", reply.body);
    httpd.logged(&["Maximum call stack size of"]);
    assert_body(&httpd.get("/private/context.php", Some("foo")), FOO);
    assert_eq!(self::child(&httpd), child, "the child lives");
}

#[test]
fn sessions_are_kept_each_with_its_owners_category() {
    let site = site("php-session");
    site.file(
        "session.php",
        "<?php session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo $_SESSION['n'];",
    );
    let httpd = start(&site);
    let first = httpd.get("/private/session.php", Some("foo"));
    assert!(first.status == 200 && first.body.ends_with('1'), "{first:?}");
    let cookie =
        first.header("set-cookie").expect("a session's cookie").split(';').next().unwrap().to_owned();
    let again =
        |user| httpd.client().try_get("/private/session.php", Some(user), &[("Cookie", &cookie)]).unwrap();
    if labels_by_folder() {
        // In a folder for all it would be everybody's: nothing is kept. (`docs/recipes/places.md` has folders for each.)
        assert!(again("foo").body.ends_with('1'), "{}", again("foo").body);
        httpd.audit.denial(&[&format!("scontext={FOO} "), "{ create }", "name=\"sess_"]);
        return;
    }
    assert_body(&again("foo"), "2");
    // bar has stolen the cookie; the kernel does not give bar the file.
    let stolen = again("bar");
    assert!(!stolen.body.ends_with('3'), "{}", stolen.body);
    httpd.audit.denial(&[
        &format!("scontext={BAR} "),
        &format!("name=\"sess_{}\"", cookie.split('=').nth(1).unwrap()),
    ]);
    assert_body(&again("foo"), "3");
}

#[test]
fn an_upload_lands_where_the_type_may_write_with_its_users_category() {
    let site = site("php-upload");
    site.writable("uploads", "s0").file(
        "upload.php",
        "<?php $to = __DIR__ . '/uploads/' . basename($_FILES['file']['name']);
         echo move_uploaded_file($_FILES['file']['tmp_name'], $to) ? 'stored' : 'refused';",
    );
    let httpd = start(&site);
    let content = "x".repeat(100_000);
    let body = format!(
        "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"photo.txt\"\r\n\
         Content-Type: text/plain\r\n\r\n{content}\r\n--limit--\r\n"
    );
    let post = |user| {
        httpd.client().post(
            "/private/upload.php",
            Some(user),
            "multipart/form-data; boundary=limit",
            body.as_bytes(),
        )
    };
    if labels_by_folder() {
        assert!(!post("foo").body.contains("stored"));
        httpd.audit.denial(&[&format!("scontext={FOO} "), "{ create }"]);
        return;
    }
    assert_body(&post("foo"), "stored");
    let file = site.root().join("uploads/photo.txt");
    assert_eq!(fs::read_to_string(&file).unwrap(), content);
    let label = label(&file);
    assert!(label.ends_with(":s0:c0"), "{label}");
    // bar may write into the folder, and not over foo's file.
    assert!(!post("bar").body.contains("stored"));
    httpd.audit.denial(&[&format!("scontext={BAR} "), "name=\"photo.txt\""]);
}

#[test]
fn what_a_script_leaves_for_its_end_runs_in_its_context() {
    let site = site("php-end");
    let page = r#"<?php
function mark($what) {
    file_put_contents("@MARKS@/$what", shell_exec(<<<'END'
@PRINT@
END));
}
class Kept {
    function __destruct() { mark('destructor'); }
}
$kept = new Kept;
register_shutdown_function(function () { mark('shutdown'); });
ob_start(function ($text) { mark('output'); return $text; });
session_set_save_handler(
    fn() => true, fn() => true, fn() => '', function () { mark('session'); return true; }, fn() => true, fn() => 0
);
session_start();
$_SESSION['kept'] = 1;
echo 'served';
if ($_SERVER['QUERY_STRING'] == 'broken') nobody_has_this();
if ($_SERVER['QUERY_STRING'] == 'exit') exit;
"#;
    let marks_at = site.root().join("marks").display().to_string();
    site.file("end.php", &page.replace("@MARKS@", &marks_at).replace("@PRINT@", PRINT_CONTEXT))
        .writable("marks", "s0:c0");
    let httpd = start(&site);
    for (path, status) in [("end.php", 200), ("end.php?exit", 200), ("end.php?broken", 500)] {
        assert_eq!(httpd.get(&format!("/private/{path}"), Some("foo")).status, status, "{path}");
        let marks: Vec<_> = take_marks(&site).into_iter().map(|mark| (mark.name, mark.text)).collect();
        let expected =
            ["destructor", "output", "session", "shutdown"].map(|name| (name.to_owned(), FOO.to_owned()));
        assert_eq!(marks, expected, "{path}");
    }
}
