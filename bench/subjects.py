"""What is measured: httpds that differ in nothing but the module, each with an address of its own."""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

DEBIAN = Path("/usr/sbin/apache2").exists()
HTTPD = "/usr/sbin/apache2" if DEBIAN else "/usr/sbin/httpd"
MODULES = Path("/usr/lib/apache2/modules" if DEBIAN else "/usr/lib64/httpd/modules")
SPEC = "user_webapp_t:s0"
MAPS = (1, 10**4, 10**6)

SHARED = "authz_core authn_core authn_anon auth_basic authz_user alias setenvif mime lua cgi http2"

# Two children of 64 threads throughout (with no thread to spare, event closes connections that are kept alive), and room
# for connections that are idle.
THREADS = """StartServers 2
ServerLimit 2
ThreadsPerChild 64
MaxRequestWorkers 128
MinSpareThreads 1
MaxSpareThreads 128
"""
SIZES = {
    "event": THREADS + "AsyncRequestWorkerFactor 40\n",
    "worker": THREADS,
    "prefork": "StartServers 16\nMinSpareServers 1\nMaxSpareServers 64\nMaxRequestWorkers 64\n",
}


@dataclass(frozen=True)
class Subject:
    """One httpd: `load` and `rules` are lines of configuration; `covers` says whether rules cover its requests, `is_limit`
    that it has threads and nothing else of what it takes to confine."""

    name: str
    load: str = ""
    rules: str = ""
    covers: bool = False
    is_limit: bool = False


def subjects(place):
    """All of them, httpd without a module first. Another module is there where `make bench` was given one."""
    load = f"LoadModule selinux_module {place.module}\nSELinuxInterpreters shared"
    rule = f"SELinuxDomainVal {SPEC}:c1"
    found = [
        Subject("none"),
        Subject("no rules", load, f"<Location /elsewhere>\n{rule}\n</Location>"),
        Subject("one-time", load, rule, True),
        Subject("resident", load, f"{rule}\nSELinuxWorker resident", True),
    ]
    enters = f"BareContext system_u:system_r:{SPEC}:c1" if place.confined else ""
    for mode in ("one-time", "resident"):
        load = f"LoadModule bare_module {place.bare}\nBareThreads {mode}\n{enters}"
        found.append(Subject(f"bare {mode}", load, is_limit=True))
    if place.other.exists():
        symbol = (place.files / "other.symbol").read_text().strip()
        found.append(Subject("other", f"LoadModule {symbol} {place.other}", (place.files / "other.conf").read_text()))
    return found


class Place:
    """Where sites lie: with SELinux in the kernel, where the policy has the right labels for them."""

    def __init__(self, files):
        self.confined = Path("/sys/fs/selinux/enforce").exists()
        self.files = self.maps = files
        if self.confined:
            self.root, self.etc = Path("/var/www/bench"), Path("/etc/apache2/bench")
            self.run, self.log = Path("/run/httpd-bench"), Path("/var/log/apache2")
        else:
            self.root, self.etc, self.run, self.log = (files / name for name in ("root", "etc", "run", "log"))
        for each in (self.root, self.etc, self.run, self.log):
            each.mkdir(parents=True, exist_ok=True)
        pages = {
            "1k.html": "x" * 1024,
            "100k.html": "x" * 102400,
            "page.lua": 'function handle(r)\nr.content_type = "text/plain"\nr:puts("hello")\nreturn apache2.OK\nend\n',
            "page.php": "<?php echo 'hello';\n",
            "script.cgi": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello\\n'\n",
        }
        for name, text in pages.items():
            (self.root / name).write_text(text)
            (self.root / name).chmod(0o755 if name.endswith(".cgi") else 0o644)
        if self.confined:
            # Where httpd_t may read them.
            for file in [*files.glob("*.so"), *files.glob("*.fst")]:
                shutil.copy(file, self.etc)
            self.maps = self.etc
            subprocess.run(["restorecon", "-RF", self.root, self.etc, self.log], check=True)
            for file in self.etc.glob("*.so"):
                subprocess.run(["chcon", "-t", "httpd_modules_t", file], check=True)
            subprocess.run(["chcon", "-t", "httpd_var_run_t", self.run], check=True)
            subprocess.run(["chcon", "-t", "httpd_sys_script_exec_t", self.root / "script.cgi"], check=True)
        self.module, self.bare, self.other = (self.maps / f"{name}.so" for name in ("mod_selinux", "mod_bare", "other"))

    def configuration(self, subject, mpm, address, maps):
        """All that an httpd is told; with these maps."""
        php = next(MODULES.glob("libphp*.so"), None) if mpm == "prefork" else None
        names = [f"mpm_{mpm}", *SHARED.split()]
        loads = [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in names]
        text = f"""ServerRoot {self.etc}
ServerName localhost
DefaultRuntimeDir {self.run}
PidFile {self.run}/{subject.name.replace(" ", "-")}-{mpm}.pid
ErrorLog {self.log}/bench.log
Listen {address}:8008
Listen {address}:8009
{SIZES[mpm]}
{chr(10).join(loads)}
TypesConfig /etc/mime.types
{subject.load}
User {"www-data" if DEBIAN else "apache"}
Group {"www-data" if DEBIAN else "apache"}
MaxKeepAliveRequests 0
KeepAliveTimeout 300
DocumentRoot {self.root}
<Directory />
    AllowOverride None
    Options ExecCGI
</Directory>
AddHandler lua-script .lua
AddHandler cgi-script .cgi
SetEnvIf X-Context "^(c[0-9]+,c[0-9]+)$" SPEC={SPEC}:$1
<VirtualHost *:8009>
    Protocols h2c
</VirtualHost>
{subject.rules}
Alias /contexts {self.root}
<Location /contexts>
    {"SELinuxDomainEnv SPEC" if subject.covers else ""}
</Location>
"""
        if php:
            text += f"LoadModule php_module {php}\n<FilesMatch [.]php$>\nSetHandler application/x-httpd-php\n</FilesMatch>\n"
        for size in maps:
            text += f"""Alias /map/{size} {self.root}
<Location /map/{size}>
    AuthType Basic
    AuthName bench
    AuthBasicProvider anon
    Anonymous *
    Anonymous_MustGiveEmail Off
    Anonymous_LogEmail Off
    Require valid-user
    {f"SELinuxDomainMap fst:{self.maps}/{size}.fst" if subject.covers else ""}
</Location>
"""
        return text


class Httpd:
    """An httpd under way."""

    def __init__(self, place, subject, mpm, number, maps=()):
        self.subject = subject
        self.address = f"127.0.1.{number}"
        file = place.etc / f"{self.address}.conf"
        file.write_text(place.configuration(subject, mpm, self.address, maps))
        log = (place.log / "bench.log").open("ab")
        self.process = subprocess.Popen(
            [HTTPD, "-f", file, "-D", "FOREGROUND"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            # At its end, prefork signals its whole process group.
            start_new_session=True,
        )
        self.usage = None
        end = time.monotonic() + 120
        # Another may have the address, and answer.
        while not self.answers() or self.process.poll() is not None:
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                raise SystemExit(f"httpd ({subject.name}, {mpm}) does not answer: see {log.name}")
            time.sleep(0.1)

    def answers(self):
        """Whether it serves the smallest page."""
        from load import get

        try:
            return get(self.address, "/1k.html") == 200
        except OSError:
            return False

    def children(self):
        """The processes that serve; not the module's that publishes maps, nor scripts."""
        found = []
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                text = status.read_text()
            except OSError:
                continue
            name = re.search(r"^Name:\t(.*)", text)[1]
            if re.search(rf"^PPid:\t{self.process.pid}$", text, re.M) and name == Path(HTTPD).name:
                found.append(status.parent)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Ends it. `usage` is what it and all its processes have used."""
        self.process.terminate()
        _, status, self.usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
