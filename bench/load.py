"""What httpds are driven with: wrk and h2load, and connections that only stay."""

import json
import os
import re
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Work:
    """What is asked of all subjects in turn."""

    name: str
    path: str
    connections: int = 64
    mpm: str = "event"
    # For load.lua, as BENCH_USERS or BENCH_CONTEXTS.
    users: int = 0
    contexts: int = 0
    # Connections that do nothing meanwhile.
    idle: int = 0
    http2: bool = False
    # So many times as long as others: it takes a while until all connections are there.
    longer: int = 1

    @property
    def key(self):
        return f"{self.name} @{self.connections}"


def connect(address, path):
    """A connection on which one request was answered, and the answer's status."""
    connection = socket.create_connection((address, 8008), timeout=120)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    answer = connection.recv(65536)
    return connection, int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


def get(address, path):
    """A request's status."""
    connection, status = connect(address, path)
    connection.close()
    return status


def drive(work, address, seconds):
    """Drives one httpd for whole seconds: requests, seconds, latencies in microseconds, errors, and connections that httpd closed."""
    idle = [connect(address, "/1k.html")[0] for _ in range(work.idle)]
    try:
        while True:
            seen = h2load(work, address, seconds) if work.http2 else wrk(work, address, seconds)
            # On a machine under load, a moment may be too short for any.
            if seen["requests"] or seconds > 60:
                return seen
            seconds *= 2
    finally:
        for connection in idle:
            connection.close()


def wrk(work, address, seconds):
    """By wrk."""
    environment = dict(os.environ)
    if work.users:
        environment["BENCH_USERS"] = str(work.users)
    if work.contexts:
        environment["BENCH_CONTEXTS"] = str(work.contexts)
    command = ["wrk", "-t1", f"-c{work.connections}", f"-d{seconds}s", "--timeout", "30s", "-s", HERE / "load.lua"]
    url = f"http://{address}:8008{work.path}"
    output = subprocess.run([*command, url], env=environment, capture_output=True, text=True, check=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def h2load(work, address, seconds):
    """One connection with as many streams at a time."""
    with tempfile.NamedTemporaryFile(mode="r") as log:
        output = subprocess.run(
            ["h2load", "-c1", f"-m{work.connections}", "-D", str(seconds), f"--log-file={log.name}",
             f"http://{address}:8009{work.path}"],
            capture_output=True, text=True, check=True,
        ).stdout
        rows = [line.split("\t") for line in log]
    times = sorted(int(row[2]) for row in rows) or [0]
    errors = sum(row[1] != "200" for row in rows)
    took = re.search(r"finished in ([0-9.]+)(m?s)", output)

    def percentile(share):
        return times[min(len(times) - 1, int(len(times) * share))]

    return {
        "requests": len(rows), "seconds": float(took[1]) / (1000 if took[2] == "ms" else 1), "errors": errors, "closed": 0,
        "p50": percentile(0.5), "p99": percentile(0.99), "p999": percentile(0.999),
    }
