//! PHP by a php-fpm of each context's own: what threads of one process would share, these do not.

use super::{ANON, BAR, FOO, MAP, context_of};
use crate::support::broker::Broker;
use crate::support::httpd::project;
use crate::support::{Httpd, Mpm, Site};
use std::fs;

const CONFIGURATION: &str = "
SELinuxDomainMap @ETC@/map
<FilesMatch \"\\.php$\">
    SetHandler selinux-app:php
</FilesMatch>
";

/// Puts something of its own into the cached code of another page, as one interpreter's pages can (`opcache_invalidate`, and a
/// wrapper for `file` that gives another source).
const POISON: &str = r#"<?php
class Wrapper {
    public $context;
    private $text = '<?php echo "poisoned";';
    function stream_open() { return true; }
    function stream_read($count) { $part = substr($this->text, 0, $count); $this->text = substr($this->text, $count); return $part; }
    function stream_eof() { return $this->text === ''; }
    function stream_stat() { return $GLOBALS['stat']; }
    function url_stat() { return $GLOBALS['stat']; }
    function stream_set_option() { return false; }
    function stream_close() {}
}
$victim = __DIR__ . '/victim.php';
$stat = stat($victim);
opcache_invalidate($victim, true);
stream_wrapper_unregister('file');
stream_wrapper_register('file', 'Wrapper');
opcache_compile_file($victim);
stream_wrapper_restore('file');
include $victim;
"#;

const SESSION: &str = "<?php
if (isset($_GET['id'])) session_id($_GET['id']);
session_start();
$_SESSION['seen'] = ($_SESSION['seen'] ?? '') . 'x';
echo session_id(), ' ', $_SESSION['seen'];";

const UPLOAD: &str =
    "<?php echo dirname($_FILES['file']['tmp_name']), ' ', filesize($_FILES['file']['tmp_name']);";

/// php-fpm, whatever its version.
fn program() -> String {
    let files = fs::read_dir("/usr/sbin").unwrap().map(|entry| entry.unwrap().path().display().to_string());
    files.filter(|path| path.contains("/php-fpm")).max().expect("php-fpm is installed")
}

fn start(name: &str, mpm: Mpm) -> (Broker, Httpd) {
    let site = Site::new(name);
    site.config_file("map", MAP);
    site.file("who.php", "<?php echo file_get_contents('/proc/self/attr/current'), ' ', getmypid();");
    site.file("poison.php", POISON).file("victim.php", "<?php echo 'untouched';");
    site.file("session.php", SESSION).file("upload.php", UPLOAD);
    // What is shipped, as installed.
    let shipped = |name: &str| fs::read_to_string(project().join("conf/apps").join(name)).unwrap();
    let file = shipped("php.toml").replace("/usr/sbin/php-fpm\"", &format!("{}\"", program()));
    let broker = Broker::start(&[("php.toml", &file), ("php-fpm.conf", &shipped("php-fpm.conf"))]);
    let httpd = Httpd::start(&site, mpm, &["proxy", "proxy_fcgi"], CONFIGURATION);
    (broker, httpd)
}

/// The contexts that foo, bar and anybody are served in, from within and from the kernel.
fn assert_contexts(httpd: &Httpd, broker: &Broker) {
    for (user, path, context) in [
        (Some("foo"), "/private/who.php", FOO),
        (Some("bar"), "/private/who.php", BAR),
        (None, "/who.php", ANON),
    ] {
        let reply = httpd.get(path, user);
        assert_eq!(reply.status, 200, "{}\n{}", reply.body, broker.log());
        let (shown, process) = reply.body.split_once(' ').unwrap();
        assert_eq!((shown.trim_end_matches('\0'), context_of(process).as_str()), (context, context));
    }
}

#[test]
fn each_context_has_a_php_of_its_own() {
    let (broker, httpd) = start("app-php", Mpm::Event);
    assert_contexts(&httpd, &broker);
    let body = |path: &str, user| {
        let reply = httpd.get(path, user);
        assert_eq!(reply.status, 200, "{path}: {}\n{}", reply.body, broker.log());
        reply.body
    };
    // opcache: one's own page is poisoned, nobody else's is.
    assert_eq!(body("/private/victim.php", Some("bar")), "untouched");
    assert_eq!(body("/private/poison.php", Some("foo")), "poisoned");
    assert_eq!(body("/private/victim.php", Some("foo")), "poisoned");
    assert_eq!(body("/private/victim.php", Some("bar")), "untouched");
    assert_eq!(body("/victim.php", None), "untouched");
    // Sessions: bar with foo's number has another session.
    let session = body("/private/session.php", Some("foo"));
    let (id, seen) = session.split_once(' ').unwrap();
    assert_eq!(seen, "x");
    assert_eq!(body(&format!("/private/session.php?id={id}"), Some("foo")), format!("{id} xx"));
    assert_eq!(body(&format!("/private/session.php?id={id}"), Some("bar")), format!("{id} x"));
    // Uploads: in a folder of each context's own.
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{}\r\n--b--\r\n",
        "y".repeat(100_000)
    );
    let upload = |user| {
        let reply = httpd.client().post(
            "/private/upload.php",
            user,
            "multipart/form-data; boundary=b",
            form.as_bytes(),
        );
        let (folder, size) =
            reply.body.split_once(' ').map(|(folder, size)| (folder.to_owned(), size.to_owned())).unwrap();
        assert_eq!(size, "100000");
        folder
    };
    assert_ne!(upload(Some("foo")), upload(Some("bar")));
}

#[test]
fn each_context_has_a_php_of_its_own_on_prefork() {
    let (broker, httpd) = start("app-php-prefork", Mpm::Prefork);
    assert_contexts(&httpd, &broker);
}
