"""What the kernel says of an httpd."""

import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


# The kind of clock that clock_getcpuclockid gives: all that a process has run, in nanoseconds.
PROCESS_CLOCK = 2


def cpu(httpd):
    """The processor time of all that serves, in microseconds: threads that have ended and scripts included."""
    total = 0
    for child in httpd.children():
        fields = (child / "stat").read_text().rsplit(")", 1)[1].split()
        own = time.clock_gettime_ns(~int(child.name) << 3 | PROCESS_CLOCK) / 1000
        total += own + sum(map(int, fields[13:15])) * 1_000_000 / TICK
    return total


def memory(httpd):
    """Resident KiB (all, and without what is mapped from files) and threads of all that serves."""
    texts = [(child / "status").read_text() for child in httpd.children()]

    def total(field):
        return sum(int(re.search(rf"^{field}:\s+(\d+)", text, re.M)[1]) for text in texts)

    return {"rss_kib": total("VmRSS"), "anonymous_kib": total("RssAnon"), "threads": total("Threads")}


def settle(httpd):
    """Waits until no more spares are made: strace does not come to threads that begin while it looks for all."""
    before, now = None, memory(httpd)["threads"]
    while before != now:
        time.sleep(2)
        before, now = now, memory(httpd)["threads"]


def is_traced(child):
    """Whether strace has come to all threads of a process."""
    try:
        texts = [thread.read_text() for thread in child.glob("task/*/status")]
    except OSError:
        # One has ended meanwhile.
        return False
    return all(re.search(r"^TracerPid:\t[1-9]", text, re.M) for text in texts)


# A thread of httpd's that makes a spare does so in one run of these.
MAKING = {"clone", "clone3", "rt_sigprocmask", "mmap", "munmap", "mprotect", "madvise"}
# What libc does first in a new thread.
BEGINNING = {"rseq", "set_robust_list"}


def system_calls(httpd, ask):
    """How often which system call was made while `ask` ran: on the way of requests, and in making threads and in
    their ends."""
    settle(httpd)
    with tempfile.TemporaryDirectory() as folder:
        pids = [f"-p{child.name}" for child in httpd.children()]
        strace = subprocess.Popen(["strace", "-qqq", "-ff", "-o", f"{folder}/t", *pids], stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 120
        while not all(map(is_traced, httpd.children())):
            if strace.poll() is not None or time.monotonic() > end:
                strace.kill()
                raise SystemExit(f"strace does not come to all threads: {strace.stderr.read()}")
            time.sleep(0.1)
        ask()
        strace.terminate()
        strace.wait()
        threads = [file.read_text() for file in Path(folder).glob("t.*")]
    way, making = Counter(), Counter()
    for text in threads:
        calls = re.findall(r"^(\w+)\((.*)", text, re.M)
        marks = making_marks(calls)
        # Of a thread that was there, what it slept in when strace came is none of the requests'.
        old = 0 if calls and calls[0][0] in BEGINNING else 1
        for (name, _), is_making in list(zip(calls, marks))[old:]:
            (making if is_making else way)[name] += 1
    return way, making


def making_marks(calls):
    """For each call of a thread, whether it is part of making a thread, or of a thread's beginning or end."""
    names = [name for name, _ in calls]
    marks = [False] * len(names)
    for place, name in enumerate(names):
        if name in ("clone", "clone3"):
            for step in (-1, 1):
                at = place
                while 0 <= at < len(names) and names[at] in MAKING:
                    marks[at] = True
                    at += step
    # A thread that was made meanwhile begins with what libc does in it, and parks.
    if names and names[0] in BEGINNING:
        parked = next((at for at, (name, what) in enumerate(calls) if name == "futex" and "WAIT" in what), -1)
        marks[: parked + 1] = [True] * (parked + 1)
        last = max((at for at, name in enumerate(names) if name == "futex"), default=len(names))
        marks[last + 1 :] = [True] * (len(names) - last - 1)
    return marks
