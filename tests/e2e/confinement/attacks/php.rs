//! What PHP keeps for all in a process: compiled scripts, and the process' own settings.

use crate::support::distribution::run_php;
use crate::support::httpd::ONE_PROCESS;
use crate::support::{Httpd, Mpm, Site, run};

const PLACES: &str = "
Alias /foo @ROOT@
Alias /bar @ROOT@
Alias /keep @ROOT@
<Location /foo>
    SELinuxDomainVal user_webapp_t:s0:c0
</Location>
<Location /bar>
    SELinuxDomainVal user_webapp_t:s0:c1
</Location>
";

/// opcache leaves scripts alone that were changed in the last two seconds.
const AT_ONCE: &str = "opcache.file_update_protection=0\n";

fn start(site: &Site, ini: &str) -> Httpd {
    site.config_file("php.ini", &format!("{AT_ONCE}{ini}"));
    let configuration = format!("{}PHPIniDir @ETC@\n{ONE_PROCESS}{PLACES}", run_php());
    Httpd::start(site, Mpm::Prefork, &[], &configuration)
}

#[test]
fn a_script_compiled_for_one_context_is_not_run_in_another_that_may_not_read_it() {
    let site = Site::new("attack-opcache");
    site.file_at("s0:c0", "secret.php", "<?php return 'the password';")
        .file("page.php", "<?php echo @include 'secret.php';");
    let httpd = start(&site, "");
    let told = |place: &str| httpd.get(&format!("{place}/page.php"), None).body;
    // The server compiles it, and so does whom it is for.
    for (place, text) in [("/bar", ""), ("/foo", "the password"), ("/keep", "the password"), ("/bar", "")] {
        assert_eq!(told(place), text, "{place}");
    }
    httpd.audit.denial(&["scontext=system_u:system_r:user_webapp_t:s0:c1 ", "secret.php"]);
}

/// Has a source of its own compiled in the name of another script, by a stream wrapper for files.
const POISON_PHP: &str = r#"<?php
class W {
    public $context; private $at = 0; private $text = "<?php echo 'poisoned';"; static $time;
    function stream_open($path, $mode, $options, &$opened) { $opened = $path; return true; }
    function stream_read($n) { $part = substr($this->text, $this->at, $n); $this->at += strlen($part); return $part; }
    function stream_eof() { return $this->at >= strlen($this->text); }
    function stream_stat() { return ['mtime' => self::$time, 'size' => strlen($this->text), 'mode' => 0100644]; }
    function url_stat($path, $flags) { return ['mtime' => self::$time, 'size' => 1, 'mode' => 0100644]; }
    function stream_set_option($option, $one, $two) { return false; }
    function stream_close() {}
}
$victim = $_GET['victim'];
W::$time = filemtime($victim);
@opcache_invalidate($victim, true);
stream_wrapper_unregister('file');
stream_wrapper_register('file', 'W');
@opcache_compile_file($victim);
stream_wrapper_restore('file');
echo 'tried';
"#;

#[test]
fn a_page_compiles_nothing_in_the_name_of_anothers_script() {
    let site = Site::new("attack-poison");
    site.file("poison.php", POISON_PHP);
    for victim in ["foo", "bar", "keep", "control"] {
        site.file(&format!("{victim}.php"), "<?php echo 'its own';");
    }
    run("touch", &["-d", "1 hour ago", site.root().join("control.php").to_str().unwrap()]);
    let httpd = start(&site, "");
    let poison = |place: &str, victim: &str| {
        let victim = site.root().join(victim);
        httpd.get(&format!("/{place}/poison.php?victim={}.php", victim.display()), None).body
    };
    for victim in ["foo", "bar", "keep"] {
        let get = || httpd.get(&format!("/{victim}/{victim}.php"), None).body;
        assert_eq!(get(), "its own");
        assert_eq!(poison("foo", victim), "tried", "{victim}");
        assert_eq!(get(), "its own", "{victim}");
        assert_eq!(get(), "its own", "{victim}");
    }
    // The attack itself, by a page of the server's.
    assert_eq!(poison("keep", "control"), "tried");
    assert_eq!(httpd.get("/keep/control.php", None).body, "poisoned");
    // What a mapped request runs does not come from there.
    assert_eq!(httpd.get("/bar/control.php", None).body, "its own");
}

/// Asks opcache what others run.
const ASK_PHP: &str = "<?php echo json_encode([@opcache_get_status(), @opcache_is_script_cached($_GET['of']), \
    @opcache_reset(), @ini_set('opcache.enable', '1'), ini_get('opcache.enable')]);";

#[test]
fn a_page_learns_nothing_of_opcache_and_cannot_switch_it_on() {
    let site = Site::new("attack-opcache-ask");
    site.file("ask.php", ASK_PHP).file("other.php", "<?php echo 'other';");
    let httpd = start(&site, "");
    let ask = |place: &str| {
        let other = site.root().join("other.php");
        httpd.get(&format!("/{place}/ask.php?of={}", other.display()), None).body
    };
    assert_eq!(httpd.get("/keep/other.php", None).body, "other");
    assert!(ask("keep").contains("other.php"), "{}", ask("keep"));
    assert_eq!(ask("foo"), "[false,false,false,false,\"0\"]");
}

/// Changes what all threads of the process share. (No file grows then: no log line of anybody's is written.)
const CHANGE_PHP: &str = "<?php
posix_setrlimit(POSIX_RLIMIT_FSIZE, 0, POSIX_RLIMIT_INFINITY);
umask(0777);
setlocale(LC_ALL, 'C.UTF-8');
echo 'changed';";

const STATE_PHP: &str = "<?php
$limits = posix_getrlimit();
printf('%s %o %s', $limits['soft filesize'], umask(), setlocale(LC_ALL, 0));";

#[test]
fn what_a_page_changes_of_the_process_is_put_back() {
    let site = Site::new("attack-process");
    site.file("change.php", CHANGE_PHP).file("state.php", STATE_PHP);
    let httpd = start(&site, "");
    let before = httpd.get("/keep/state.php", None).body;
    assert!(before.starts_with("unlimited "), "{before}");
    assert_eq!(httpd.get("/foo/change.php", None).body, "changed");
    for place in ["keep", "bar", "foo"] {
        assert_eq!(httpd.get(&format!("/{place}/state.php"), None).body, before, "{place}");
    }
    // The log goes on.
    assert_eq!(httpd.get("/bar/nothing-there.txt", None).status, 404);
    httpd.logged(&["nothing-there.txt"]);
}
