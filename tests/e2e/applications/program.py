"""An application over HTTP for tests. As a server it takes its socket as systemd passes it (descriptor 3). As a program
(`program.py attack NAME ARGUMENT`) it makes one attack, and prints its outcome."""

import ctypes, http.server, json, mmap, os, signal, socket, socketserver, sys, threading, time, urllib.parse

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "")
    return result


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def connect(path):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(path)


def read_memory(pid):
    buffer = ctypes.create_string_buffer(8)
    place = int(open(f"/proc/{pid}/maps").readline().split("-")[0], 16)
    local = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    remote = (ctypes.c_void_p * 2)(place, 8)
    check(libc.process_vm_readv(int(pid), local, 1, remote, 1, 0))


def run_written(folder):
    path = os.path.join(folder, "written")
    write(path, "#!/bin/sh\n")
    os.chmod(path, 0o700)
    try:
        check(libc.access(path.encode(), os.X_OK))
        if os.spawnv(os.P_WAIT, path, [path]) == 127:
            raise PermissionError(13, "")
    finally:
        os.unlink(path)


# Each raises OSError where it is refused.
ATTACKS = {
    "signal": lambda pid: os.kill(int(pid), 0),
    "read memory": read_memory,
    "open memory": lambda pid: open(f"/proc/{pid}/mem", "r+b").close(),
    # PTRACE_SEIZE, which stops nobody.
    "trace": lambda pid: check(libc.ptrace(0x4206, int(pid), None, None)),
    "take a descriptor": lambda pid: check(libc.syscall(438, os.pidfd_open(int(pid)), 0, 0)),
    "read the environment": lambda pid: open(f"/proc/{pid}/environ").read(),
    "connect": connect,
    "list": os.listdir,
    "write below": lambda folder: write(os.path.join(folder, "planted"), ""),
    "own label": lambda label: write("/proc/thread-self/attr/current", label),
    "next label": lambda label: write("/proc/thread-self/attr/exec", label),
    "files' label": lambda label: write("/proc/thread-self/attr/fscreate", label),
    "sockets' label": lambda label: write("/proc/thread-self/attr/sockcreate", label),
    "written and executed": lambda _: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
    "run what was written": run_written,
    "network": lambda _: socket.socket(socket.AF_INET).close(),
    "netlink": lambda _: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
}


def attack(name, argument):
    try:
        ATTACKS[name](argument)
        return "done"
    except OSError as error:
        return f"refused {error.errno}"


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    # Its end waits for them.
    daemon_threads = False
    address_family = socket.AF_UNIX


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        words = [urllib.parse.unquote(word) for word in query.split("&")]
        match path.rsplit("/", 1)[1]:
            case "who":
                context = open("/proc/self/attr/current").read().rstrip("\0")
                self.answer(f"{context} {os.getpid()}")
            case "held":
                descriptors = {n: os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{n}")}
                self.answer(json.dumps({"environment": dict(os.environ), "descriptors": descriptors}))
            case "sleep":
                time.sleep(float(words[0]))
                self.answer(f"slept {os.getpid()}")
            case "crash":
                os._exit(3)
            case "keep":
                write(os.path.join(os.environ["STATE"], words[0]), words[1])
                self.answer("kept")
            case "kept":
                self.answer(" ".join(sorted(os.listdir(os.environ["STATE"]))))
            case "attack":
                self.answer(attack(*words))
            case "stream":
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for word in ("first", "last"):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(word), word.encode()))
                    self.wfile.flush()
                    # The last is made when the test has seen the first.
                    while word == "first" and not os.path.exists(os.path.join(os.environ["STATE"], "seen")):
                        time.sleep(0.05)
                self.wfile.write(b"0\r\n\r\n")
            case _:
                self.send_error(404)

    def do_POST(self):
        left, total = int(self.headers["Content-Length"]), 0
        while left and (part := self.rfile.read(min(left, 1 << 20))):
            left -= len(part)
            total += len(part)
        self.answer(f"{total}")


if sys.argv[1:2] == ["attack"]:
    print(attack(*sys.argv[2:]))
else:
    server = Server("", Handler, bind_and_activate=False)
    server.socket = socket.socket(fileno=3)
    # What has begun is answered; what waits is the next process's.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)
    server.server_close()
