#!/usr/bin/env python3
"""Drives all subjects in turn and writes down what was seen, a line of JSON for each figure.

    bench.py PLACE SIZE FILES OUTPUT

PLACE names the figures (native, vm, icount); SIZE is full, short, quick or smoke; FILES is the folder with the module
(mod_selinux.so), mod_bare.so, limit and the compiled maps; OUTPUT is the file that figures are added to.
"""

import contextlib
import dataclasses
import itertools
import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import figures
from load import Work, connect, drive
from subjects import HTTPD, MAPS, MODULES, Httpd, Place, subjects

# How often httpds are started, and rounds and seconds of each load then: one httpd has its threads lie better than another,
# as long as it lives. Counts of instructions need not be repeated much.
SIZES = {"count": (1, 3, 1), "full": (3, 3, 1), "short": (1, 5, 2), "quick": (1, 3, 1), "smoke": (1, 1, 1)}


def plan(place, size):
    """What is asked, in order, and of which subjects: `None` is all."""
    static, lua = Work("static 1 KB", "/1k.html"), Work("Lua page", "/page.lua")
    httpds = {"none", "no rules", "one-time", "resident", "other"}
    if place == "icount":
        return [(dataclasses.replace(work, connections=8), None) for work in (static, lua)]
    # The smoke test is to be over soon.
    is_smoke = size == "smoke"
    few = {"none", "one-time"}
    rest = few if is_smoke else httpds
    works = [(dataclasses.replace(static, connections=n), None) for n in (1, 8, 64)]
    works += [(dataclasses.replace(static, connections=640, longer=1 if is_smoke else 3), httpds)]
    works += [(dataclasses.replace(lua, connections=n), None) for n in ((64,) if is_smoke else (1, 8, 64))]
    works += [(Work("static 100 KB", "/100k.html", n), rest) for n in ((64,) if is_smoke else (8, 64))]
    works += [(Work("CGI", "/script.cgi", 8), rest)]
    works += [(Work("HTTP/2, 1 KB", "/1k.html", 100, http2=True), rest)]
    works += [(Work("1,000 idle, 1 KB", "/1k.html", 8, idle=1000), rest)]
    works += [(Work(f"map of {n:,}", f"/map/{n}/1k.html", users=n), {"one-time"}) for n in MAPS]
    works += [(Work(f"contexts: {n:,}", "/contexts/1k.html", contexts=n), few | {"resident"}) for n in (1, 100, 10_000)]
    works += [(Work("worker MPM, 1 KB", "/1k.html", mpm="worker"), rest)]
    works += [(Work("prefork MPM, 1 KB", "/1k.html", 8, mpm="prefork"), rest)]
    if next(MODULES.glob("libphp*.so"), None):
        works += [(Work("PHP page", "/page.php", 8, mpm="prefork"), rest)]
    if size == "quick" and place == "vm":
        works = [(work, whose) for work, whose in works if work.key in ("static 1 KB @64", "Lua page @64", "PHP page @8")]
    return works


class Notes:
    """The file of figures."""

    def __init__(self, place, file):
        self.place, self.file = place, file

    def add(self, kind, **figures_of_it):
        self.file.write(json.dumps({"place": self.place, "kind": kind, **figures_of_it}) + "\n")
        self.file.flush()


def say(text):
    print(f"bench: [{time.monotonic() - BEGIN:4.0f} s] {text}", file=sys.stderr, flush=True)


def samples(notes, place, works, size):
    """Requests, latency and processor time: all works of an MPM, each asked of the subjects in turn, round by round."""
    starts, rounds, seconds = SIZES[size]
    for start, mpm in itertools.product(range(starts), dict.fromkeys(work.mpm for work, _ in works)):
        with contextlib.ExitStack() as stack:
            httpds = []
            for number, subject in enumerate(subjects(place), 1):
                httpds.append(stack.enter_context(Httpd(place, subject, mpm, number, MAPS)))
            for work, whose in works:
                if work.mpm != mpm:
                    continue
                say(f"{work.key}")
                for turn in range(start * rounds, (start + 1) * rounds):
                    for httpd in httpds:
                        if whose and httpd.subject.name not in whose:
                            continue
                        before = figures.cpu(httpd)
                        seen = drive(work, httpd.address, seconds * work.longer)
                        used = figures.cpu(httpd) - before
                        notes.add(
                            "sample", work=work.name, connections=work.connections, subject=httpd.subject.name, round=turn,
                            rps=seen["requests"] / seen["seconds"], cpu_us=used / max(1, seen["requests"]), **seen,
                        )


def ask(httpd, count):
    """So many requests on one connection, one after the other."""
    with contextlib.closing(connect(httpd.address, "/1k.html")[0]) as connection:
        for _ in range(count - 1):
            connection.sendall(b"GET /1k.html HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not connection.recv(65536).startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"{httpd.subject.name}: a request under strace fails")


def counts(notes, place, size):
    """Threads, memory, context switches and system calls: of an httpd each that has done nothing else."""
    work = Work("static 1 KB", "/1k.html")
    requests = {"smoke": 50, "quick": 100}.get(size, 300)
    for number, subject in enumerate(subjects(place), 1):
        if subject.is_limit:
            continue
        say(f"memory and context switches: {subject.name}")
        with Httpd(place, subject, "event", number) as httpd:
            seen = drive(work, httpd.address, SIZES[size][-1])
            memory = figures.memory(httpd)
        switches = (httpd.usage.ru_nvcsw + httpd.usage.ru_nivcsw) / seen["requests"]
        notes.add("memory", subject=subject.name, switches=switches, **memory)

        # One request at a time: those that serve have a spare each, made when there was nothing else to do.
        with Httpd(place, subject, "event", number) as httpd:
            drive(dataclasses.replace(work, connections=1), httpd.address, SIZES[size][-1])
            notes.add("rest", subject=subject.name, **figures.memory(httpd))

        say(f"system calls: {subject.name}")
        # With event, each request may come by another thread, and costs now more, now fewer.
        with Httpd(place, subject, "worker", number) as httpd:
            # Each of its threads has a spare by now.
            drive(work, httpd.address, 1)
            way, making = figures.system_calls(httpd, lambda: ask(httpd, requests))
        for kind, calls in (("way", way), ("making", making)):
            each = {name: round(count / requests, 3) for name, count in calls.items() if count > requests / 20}
            notes.add("calls", subject=subject.name, of=kind, total=round(sum(calls.values()) / requests, 3), calls=each)


def limits(notes, place, size):
    """What a hand-over costs that does nothing else."""
    program = place.etc / "limit"
    shutil.copy(place.files / "limit", program)
    program.chmod(0o755)
    context = []
    if place.confined:
        subprocess.run(["chcon", "-t", "httpd_exec_t", program], check=True)
        context = ["system_u:system_r:user_webapp_t:s0:c1"]
    starts, rounds, seconds = SIZES[size]
    for turn in range(starts * rounds):
        for mode in ("one-time", "resident"):
            for clients in (1, 8, 64):
                words = [program, mode, clients, min(1, seconds / 3), *context]
                # A file, since httpd_t may not write to the pipe of whoever starts it.
                with (place.run / "limit.out").open("w+") as file:
                    subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=True)
                    file.seek(0)
                    notes.add("limit", mode=mode, connections=clients, round=turn, cpu_us=float(file.read()))


def main():
    name, size, files, output = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    # Its httpds end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
    place = Place(files)
    with output.open("a") as file:
        notes = Notes(name, file)
        version = subprocess.run([HTTPD, "-v"], capture_output=True, text=True).stdout.split("\n")[0]
        notes.add("run", size=size, httpd=version)
        times = "count" if name == "icount" else size
        samples(notes, place, plan(name, size), times)
        if name != "icount":
            counts(notes, place, size)
        limits(notes, place, times)


BEGIN = time.monotonic()
if __name__ == "__main__":
    main()
