//! What a category makes where others may write too, and what it reaches of theirs: files of every class, and sockets.
//! Distributions' policies differ in what they refuse there; the module's says the same on all.

use crate::lifecycle::policies::with_module;
use crate::support::distribution::labels_by_folder;
use crate::support::{Httpd, Mpm, Site, label, outcome, run, wait_for};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::time::Duration;

const PLACES: &str = "
AddHandler cgi-script .cgi
<Location />
    SELinuxDomainVal making_webapp_t:s0:c0
</Location>
";

/// Makes one of each in the folder that the query names; prints what was made.
const MAKE: &str = r#"#!/usr/bin/perl
use Socket;
use POSIX;
print "Content-Type: text/plain\n\n";
chdir "@ROOT@/$ENV{QUERY_STRING}" or exit;
sub made { my ($name, $worked) = @_; print "$name " if $worked }
made('dir', mkdir 'dir');
made('fifo', mkfifo('fifo', 0666));
made('file', open(my $file, '>', 'file'));
made('link', symlink('nowhere', 'link'));
socket(my $socket, AF_UNIX, SOCK_STREAM, 0);
made('socket', bind($socket, sockaddr_un('socket')));
"#;

/// What one may do with what it finds in the folder that the query names; prints what worked.
const USE: &str = r#"#!/usr/bin/perl
use Socket;
use Fcntl;
print "Content-Type: text/plain\n\n";
my ($folder, $kind) = split /,/, $ENV{QUERY_STRING};
chdir "@ROOT@/$folder" or exit;
sub tried { my ($name, $worked) = @_; print "$name " if $worked }
socket(my $stream, AF_UNIX, SOCK_STREAM, 0);
tried('connect', connect($stream, sockaddr_un("@SOCKETS@/$kind-stream")));
socket(my $datagram, AF_UNIX, SOCK_DGRAM, 0);
tried('send', send($datagram, 'x', 0, sockaddr_un("@SOCKETS@/$kind-datagram")));
tried('file', open(my $file, '<', "$kind-file"));
tried('fifo', sysopen(my $fifo, "$kind-fifo", O_RDWR));
tried('list', opendir(my $list, "$kind-dir"));
tried('move', rename("$kind-dir", "moved-dir"));
tried('rmdir', rmdir("$kind-empty"));
tried('rename', rename("$kind-link", "$kind-renamed"));
tried('unlink', unlink("$kind-gone"));
"#;

/// Sockets that take all that comes.
const SERVER: &str = "
import os, socket, sys
kept = []
for kind, name in (socket.SOCK_DGRAM, 'datagram'), (socket.SOCK_STREAM, 'stream'):
    one = socket.socket(socket.AF_UNIX, kind)
    path = sys.argv[1] + '-' + name
    if os.path.exists(path):
        os.unlink(path)
    one.bind(path)
    os.chmod(path, 0o777)
    kept.append(one)
kept[1].listen()
while True:
    kept[1].accept()
";

const OWN: &str = "making_webapp_t:s0:c0";

#[test]
fn nothing_is_made_without_its_makers_categories() {
    let site = Site::new("attack-making");
    let root = site.root().display().to_string();
    site.script("make.cgi", &MAKE.replace("@ROOT@", &root)).writable("shared", "s0").writable("own", "s0:c0");
    let _policy = with_module();
    let httpd = Httpd::start(&site, Mpm::Event, &["cgi"], PLACES);
    for folder in ["shared", "own"] {
        let made = httpd.get(&format!("/make.cgi?{folder}"), None).body;
        let expected =
            if folder == "shared" && labels_by_folder() { "" } else { "dir fifo file link socket " };
        let names = fs::read_dir(site.root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        for path in names {
            let label = label(&path);
            assert!(label.ends_with("_t:s0:c0"), "{}: {label}", path.display());
        }
        assert_eq!(made, expected, "{folder}");
    }
    if labels_by_folder() {
        for class in ["dir", "fifo_file", "file", "lnk_file", "sock_file"] {
            let parts = [format!("{OWN} "), format!("tclass={class} "), "{ create }".to_owned()];
            httpd.audit.denial(&parts.each_ref().map(String::as_str));
        }
    }
}

/// A unit with sockets, at a range; stopped when the value is gone.
struct Sockets(String);

impl Sockets {
    fn start(path: &str, name: &str, range: &str) -> Sockets {
        let unit = format!("test-sockets-{name}");
        let context = format!("SELinuxContext=system_u:system_r:initrc_t:{range}");
        let arguments =
            ["--quiet", "--collect", "--unit", &unit, "-p", &context, "/usr/bin/python3", "-c", SERVER, path];
        run("systemd-run", &arguments);
        let unit = Sockets(unit);
        let stream = format!("{path}-stream");
        wait_for("sockets", Duration::from_secs(30), || UnixStream::connect(&stream).ok());
        for kind in ["stream", "datagram"] {
            // As Fedora labels it, with its folder's range.
            run("chcon", &["system_u:object_r:httpd_sys_rw_content_t:s0", &format!("{path}-{kind}")]);
        }
        unit
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        let _ = outcome("systemctl", &["stop", &self.0]);
    }
}

#[test]
fn nothing_of_another_category_is_reached() {
    let site = Site::new("attack-reaching");
    let root = site.root().display().to_string();
    let sockets = "/run/test-reaching";
    fs::create_dir_all(sockets).unwrap();
    run("chcon", &["-t", "httpd_sys_rw_content_t", sockets]);
    site.script("use.cgi", &USE.replace("@ROOT@", &root).replace("@SOCKETS@", sockets))
        .writable("shared", "s0");
    let shared = site.root().join("shared");
    let _policy = with_module();
    let mut units = Vec::new();
    for (kind, range) in [("own", "s0:c0"), ("other", "s0:c1")] {
        units.push(Sockets::start(&format!("{sockets}/{kind}"), kind, range));
        let at = |name: &str| shared.join(format!("{kind}-{name}"));
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("dir")).unwrap();
        fs::create_dir(at("empty")).unwrap();
        symlink("nowhere", at("link")).unwrap();
        symlink("nowhere", at("gone")).unwrap();
        run("mkfifo", &["-m", "666", at("fifo").to_str().unwrap()]);
        let label = format!("system_u:object_r:httpd_sys_rw_content_t:{range}");
        for name in ["file", "dir", "empty", "link", "gone", "fifo"] {
            run(
                "chmod",
                &[
                    "-f",
                    "777",
                    at(if name == "gone" || name == "link" { "file" } else { name }).to_str().unwrap(),
                ],
            );
            run("chcon", &["-h", &label, at(name).to_str().unwrap()]);
        }
    }
    let httpd = Httpd::start(&site, Mpm::Event, &["cgi"], PLACES);
    assert_eq!(httpd.get("/use.cgi?shared,other", None).body, "");
    // What there is of the same category, all of it works with.
    let all = "connect send file fifo list move rmdir rename unlink ";
    assert_eq!(httpd.get("/use.cgi?shared,own", None).body, all);
    for parts in [
        ["tclass=unix_stream_socket", "{ connectto }"],
        ["tclass=unix_dgram_socket", "{ sendto }"],
        ["tclass=dir", "{ rmdir }"],
        ["tclass=lnk_file", "{ unlink }"],
        ["tclass=lnk_file", "{ rename }"],
    ] {
        httpd.audit.denial(&[&format!("scontext=system_u:system_r:{OWN} "), parts[0], parts[1]]);
    }
}
