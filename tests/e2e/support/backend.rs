//! Servers that httpd sends requests on to, each as a unit of systemd's.

use super::distribution::unix_user;
use super::httpd::{Turn, run_folder, turn};
use super::{outcome, run, wait_for};
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Where `Backend` listens, by a port that the policy knows (`http_cache_port_t`).
pub const PORT: u16 = 8080;

/// Answers each request with the kernel's word on who connected (`SO_PEERSEC`; TCP has none), and with the number of
/// the connection; keeps connections. One that asks for an upgrade gets the same as the first words of the other
/// protocol, and then its own words back.
const SERVER: &str = r#"
import os, socket, socketserver, sys, threading

numbers = iter(range(1, 1 << 30))

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        number = next(numbers)
        try:
            peer = self.request.getsockopt(socket.SOL_SOCKET, 31, 256).rstrip(b"\0").decode()
        except OSError:
            peer = "tcp"
        word = f"{peer} {number}".encode()
        while self.rfile.readline():
            headers = {}
            while (line := self.rfile.readline().strip()):
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            self.rfile.read(int(headers.get("content-length", 0)))
            if "upgrade" in headers:
                self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" + word + b"\n")
                self.wfile.write(self.rfile.readline())
                return
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(word) + word)

class Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

class Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

path, port = sys.argv[1], int(sys.argv[2])
if os.path.exists(path):
    os.unlink(path)
unix = Unix(path, Handler)
os.chmod(path, 0o777)
threading.Thread(target=Tcp(("127.0.0.1", port), Handler).serve_forever, daemon=True).start()
unix.serve_forever()
"#;

/// A unit; stopped when the value is gone.
struct Unit {
    name: String,
    _turn: Turn,
}

impl Unit {
    fn start(name: &str, properties: &[&str], command: &[&str]) -> Unit {
        let turn = turn();
        let name = format!("test-{name}");
        let _ = outcome("systemctl", &["stop", &name]);
        let _ = outcome("systemctl", &["reset-failed", &name]);
        let mut arguments = vec!["--quiet", "--collect", "--unit", &name, "-p", "Type=exec"];
        arguments.extend(properties.iter().flat_map(|property| ["-p", property]));
        arguments.extend(command);
        run("systemd-run", &arguments);
        Unit { name, _turn: turn }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = outcome("systemctl", &["stop", &self.name]);
    }
}

/// An HTTP server, on a Unix socket and at `PORT`, which says who connects to it.
pub struct Backend {
    /// The socket's path.
    pub socket: String,
    _unit: Unit,
}

impl Backend {
    /// Starts it, with a socket that workers may reach as far as its label goes.
    pub fn start() -> Backend {
        let socket = format!("{}/backend.sock", run_folder());
        let script = std::env::temp_dir().join("test-backend.py");
        fs::write(&script, SERVER).unwrap();
        let port = PORT.to_string();
        let command = ["/usr/bin/python3", script.to_str().unwrap(), &socket, &port];
        let unit = Unit::start("backend", &[], &command);
        wait_for("the back end to listen", Duration::from_secs(30), || {
            let listens =
                UnixStream::connect(&socket).is_ok() && TcpStream::connect(("127.0.0.1", PORT)).is_ok();
            listens.then_some(())
        });
        Backend { socket, _unit: unit }
    }
}

/// A php-fpm with one pool, which runs as httpd's type with a range of its own.
pub struct Fpm {
    /// The socket's path.
    pub socket: String,
    _unit: Unit,
}

impl Fpm {
    /// Starts it.
    pub fn start(name: &str, range: &str) -> Fpm {
        let folder = run_folder();
        let socket = format!("{folder}/{name}.sock");
        let _ = fs::remove_file(&socket);
        let file = format!("{folder}/{name}.conf");
        let user = unix_user();
        let text = format!(
            "[global]\nerror_log = /dev/null\n[{name}]\nuser = {user}\ngroup = {user}\nlisten = {socket}\n\
             listen.mode = 0666\npm = static\npm.max_children = 1\n"
        );
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let context = format!("SELinuxContext=system_u:system_r:httpd_t:{range}");
        let unit = Unit::start(name, &[&context], &[program().to_str().unwrap(), "-F", "-y", &file]);
        wait_for("php-fpm to listen", Duration::from_secs(30), || UnixStream::connect(&socket).ok());
        // Where new files get their folder's range, it has that.
        run("chcon", &["-l", range, &socket]);
        Fpm { socket, _unit: unit }
    }
}

/// php-fpm, whatever its version.
fn program() -> PathBuf {
    let mut files = fs::read_dir("/usr/sbin").unwrap().map(|entry| entry.unwrap().path());
    let fpm =
        files.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("php-fpm")));
    fpm.expect("php-fpm is there")
}
