//! What a page tries by system calls, and what it tries to leave behind: from a CGI script, and from the processes that
//! Lua and PHP start.

use super::{CONTEXT, PLACES, children};
use crate::support::backend::Fpm;
use crate::support::distribution::{labels_by_folder, load_php};
use crate::support::httpd::PORT;
use crate::support::{Client, Httpd, Mpm, Site, run, wait_for};
use std::fs;
use std::time::Duration;

/// Makes the calls and prints the names of those that worked. The numbers are those of x86-64.
const CALLS: &str = r#"#!/usr/bin/perl
use Socket;
$| = 1;
my ($parent, $child, $other, $pool, $folder) = split /,/, $ENV{QUERY_STRING} || $ARGV[0];
print "Content-Type: text/plain\n\n" if $ENV{GATEWAY_INTERFACE};
sub tried { my ($name, $worked) = @_; print "$name\n" if $worked }
sub called { my ($name, $number, @call) = @_; my $result = syscall($number, @call); tried($name, $result != -1); $result }
my $zero = "\0" x 256;
# Other processes.
for (['parent', $parent], ['child', $child], ['other', $other]) {
    my ($name, $process) = ($_->[0], $_->[1] + 0);
    tried("signal $name", kill(0, $process));
    called("ptrace $name", 101, 0x4206, $process, 0, 0);
    my ($here, $there) = (pack('PQ', $zero, 8), pack('QQ', 0x400000, 8));
    called("memory of $name", 310, $process, $here, 1, $there, 1, 0);
    called("limits of $name", 302, $process, 7, 0, $zero);
    called("priority of $name", 141, 0, $process, 19);
    called("processors of $name", 203, $process, 8, pack('Q', 1));
    my $descriptor = syscall(434, $process, 0);
    called("descriptor of $name", 438, $descriptor, 3, 0);
    called("namespace of $name", 308, $descriptor, 0x00020000);
}
# Contexts: of itself, of what it executes, and of what it makes.
for ([current => 100], [exec => 101], [fscreate => 102], [keycreate => 103], [sockcreate => 105]) {
    my ($name, $attribute) = @$_;
    my $context = "system_u:system_r:httpd_t:s0\0";
    my $record = pack('QQQQa*', 101, 0, 32 + length $context, length $context, $context);
    called("attribute $name", 460, $attribute, $record, length $record, 0);
}
# The server may say what its files are labelled as; those below are to be labelled as ever.
if (open my $label, '>', '/proc/thread-self/attr/fscreate') { syswrite $label, "\n" }
# The machine.
called('unshare mounts', 272, 0x00020000);
called('unshare user', 272, 0x10000000);
called('mount', 165, 'none', "$folder", 'tmpfs', 0, 0);
called('chroot', 161, "$folder");
called('bpf', 321, 0, $zero, 64);
called('perf', 298, pack('LLQ', 1, 120, 0) . $zero, 0, -1, -1, 0);
called('userfaultfd', 323, 0);
called('shared memory', 29, 0x5e1, 4096, 01600);
called('semaphore', 64, 0x5e1, 1, 01600);
called('queue', 68, 0x5e1, 01600);
called('key', 248, 'user', 'attack', 'x', 1, -3);
# Executable memory: its own, and a file's.
called('writable code', 9, 0, 4096, 7, 0x22, -1, 0);
my $name = 'attack';
my $memory = syscall(319, $name, 0);
syscall(77, $memory, 4096);
called('code in memory', 9, 0, 4096, 5, 1, $memory, 0);
# Connections.
for (['internet', AF_INET, SOCK_STREAM], ['datagrams', AF_INET, SOCK_DGRAM], ['netlink', 16, 3], ['packets', 17, 3],
     ['virtual', 40, 1], ['crypto', 38, 5]) {
    my ($name, $family, $type) = @$_;
    tried("socket $name", socket(my $made, $family, $type, 0));
}
my $socket;
tried('pool', socket($socket, AF_UNIX, SOCK_STREAM, 0) && connect($socket, sockaddr_un($pool)));
# Files that lead others astray.
mkdir "$folder/made";
tried('file', open(my $file, '>', "$folder/made/file"));
tried('symbolic link', symlink('/etc/passwd', "$folder/made/symbolic"));
tried('hard link', link("$folder/made/file", "$folder/made/hard"));
tried('device', !system("mknod $folder/made/device c 1 3 2>&-"));
tried('pipe', !system("mkfifo $folder/made/pipe 2>&-"));
tried('socket', socket($socket, AF_UNIX, SOCK_STREAM, 0) && bind($socket, sockaddr_un("$folder/made/socket")));
for my $label ('system_u:object_r:httpd_sys_script_exec_t:s0', 'system_u:object_r:httpd_sys_rw_content_t:s0') {
    called("label $label", 188, "$folder/made/file", 'security.selinux', $label, length $label, 0);
}
print "end\n";
"#;

const CALLS_LUA: &str = r#"
function handle(r)
  r.content_type = "text/plain"
  local pipe = assert(io.popen("exec perl @ROOT@/calls.cgi " .. r.args))
  r:puts(pipe:read("*a"))
  pipe:close()
  return apache2.OK
end
"#;

const CALLS_PHP: &str = "<?php passthru('exec perl @ROOT@/calls.cgi ' . $_SERVER['QUERY_STRING']);";

/// A script that runs until the driver ends it.
const STAY_CGI: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec sleep 600\n";

const OTHER: &str = "system_u:system_r:user_webapp_t:s0:c1";

/// A process in a context.
fn process_in(context: &str) -> Option<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut numbers = processes.map(|entry| entry.file_name().to_string_lossy().into_owned());
    numbers.find(|number| {
        fs::read_to_string(format!("/proc/{number}/attr/current"))
            .is_ok_and(|label| label.trim_end_matches('\0') == context)
    })
}

/// What works from the server's context, so that it is the policy that refuses it to pages. (What is missing, such as
/// tracing, user namespaces and other labels for files, the distribution's policy refuses to httpd itself, or unix does.)
const WORKS_UNCONFINED: &[&str] = &[
    "signal child",
    "limits of child",
    "priority of child",
    "processors of child",
    "signal other",
    "attribute current",
    "attribute sockcreate",
    "shared memory",
    "semaphore",
    "queue",
    "socket internet",
    "socket datagrams",
    "socket netlink",
    "pool",
    "symbolic link",
    "hard link",
    "pipe",
    "socket",
];

/// What the kernel must have said to the page's domain: permission, class, and whose it would have been.
const DENIALS: &[(&str, &str, &str)] = &[
    ("signull", "process", "httpd_t:s0"),
    ("signull", "process", "user_webapp_t:s0:c1"),
    ("ptrace", "process", "httpd_t:s0"),
    ("ptrace", "process", "user_webapp_t:s0:c1"),
    ("getrlimit", "process", "httpd_t:s0"),
    ("setsched", "process", "httpd_t:s0"),
    ("setcurrent", "process", "user_webapp_t:s0:c0"),
    ("setexec", "process", "user_webapp_t:s0:c0"),
    ("setfscreate", "process", "user_webapp_t:s0:c0"),
    ("setsockcreate", "process", "user_webapp_t:s0:c0"),
    ("setkeycreate", "process", "user_webapp_t:s0:c0"),
    ("execmem", "process", "user_webapp_t:s0:c0"),
    ("create", "tcp_socket", "user_webapp_t:s0:c0"),
    ("create", "lnk_file", "httpd_sys_rw_content_t:s0:c0"),
    ("link", "file", "httpd_sys_rw_content_t:s0:c0"),
    ("relabelfrom", "file", "httpd_sys_rw_content_t:s0:c0"),
];

fn a_page_may_only_make_its_own_files(
    site: &Site,
    pool: &Fpm,
    configuration: &str,
    properties: &[&str],
    works: &[&str],
) {
    let httpd = Httpd::start_as(site, Mpm::Prefork, &["lua", "cgi"], configuration, properties);
    let parent = httpd.main_pid();
    let child = wait_for("a child", Duration::from_secs(10), || children(&httpd).pop());
    std::thread::scope(|scope| {
        scope.spawn(|| Client::new(PORT).get("/other/stay.cgi", None));
        let other = wait_for("the other's script", Duration::from_secs(30), || process_in(OTHER));
        let tried = |page: &str, folder: &str| {
            let folder = site.root().join(folder);
            let _ = fs::remove_dir_all(folder.join("made"));
            let arguments = format!("{parent},{child},{other},{},{}", pool.socket, folder.display());
            let body = httpd.get(&format!("{page}?{arguments}"), None).body;
            let mut worked: Vec<_> = body.lines().map(str::to_owned).collect();
            assert_eq!(worked.pop().as_deref(), Some("end"), "{page}: {body}");
            worked
        };
        for page in ["/confined/calls.lua", "/confined/calls.cgi", "/confined/calls.php"] {
            assert_eq!(tried(page, "c0"), ["file"], "{page}");
        }
        let worked = tried("/keep/calls.lua", "s0");
        for call in WORKS_UNCONFINED.iter().chain(works) {
            assert!(
                worked.iter().any(|known| known == call),
                "{call} is refused to the server too: {worked:?}"
            );
        }
        run("kill", &[&other]);
    });
    let memory = if labels_by_folder() { "tmpfs_t:s0" } else { "tmpfs_t:s0:c0" };
    for (permission, class, whose) in DENIALS.iter().chain(&[("map", "file", memory)]) {
        let (permission, class) = (format!(" {permission} "), format!("tclass={class} "));
        httpd.audit.denial(&[&permission, &class, &format!(":{whose} "), &format!("scontext={CONTEXT} ")]);
    }
    run("ipcrm", &["-M", "0x5e1", "-S", "0x5e1", "-Q", "0x5e1"]);
}

#[test]
fn what_a_page_starts_may_make_its_own_files_and_nothing_else() {
    let site = Site::new("calls");
    let root = site.root().to_str().unwrap().to_owned();
    site.file("calls.lua", &CALLS_LUA.replace("@ROOT@", &root))
        .file("calls.php", &CALLS_PHP.replace("@ROOT@", &root))
        .script("calls.cgi", CALLS)
        .script("stay.cgi", STAY_CGI)
        .writable("c0", "s0:c0")
        .writable("s0", "s0");
    let pool = Fpm::start("fpm-other", "s0:c1");
    let configuration = format!("{}{PLACES}", load_php());
    a_page_may_only_make_its_own_files(&site, &pool, &configuration, &[], &[]);
    // Then unix lets a page do to httpd's parent what it may do to any other process of its user's.
    let (configuration, properties) = super::as_ordinary_user(&site, &configuration);
    let properties: Vec<_> = properties.iter().map(String::as_str).collect();
    a_page_may_only_make_its_own_files(
        &site,
        &pool,
        &configuration,
        &properties,
        &["signal parent", "priority of parent"],
    );
}
