"""The command `attack`: sockets that write and never read."""

import argparse
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .build import build_server
from .errors import Failed
from .machine import raise_open_files
from .process import Process

FILES = 20_000
NEWCOMERS = 20
NEWCOMER_SECONDS = 5  # after the attack, for all newcomers
RELIEF_SECONDS = 60  # after the attack, for the memory
RELIEF = 1.25  # of the resident memory before the attack
RECEIVE_BUFFER = 4096
CHUNK = 64 * 1024

CONFIG = """\
listen = "127.0.0.1:0"
log = "error"
state_dir = "{state}"
workers = {workers}
{memory}

[apps.attack]
key = "attack-key"
secret = "attack-secret-of-the-bench"
"""

MASK = b"\0\0\0\0"  # a mask of zeros, so that the payload stands as it is


def frame(opcode, payload=b""):
    length = len(payload)
    head = bytes([0x80 | length]) if length < 126 else b"\xfe" + struct.pack(">H", length)
    return bytes([0x80 | opcode]) + head + MASK + payload


FLOODS = {
    "empty": frame(1),
    "ping": frame(1, b'{"event":"pusher:ping","data":{}}'),
    "control-ping": frame(9),
    "rubbish": frame(1, b'{"event":'),
    "fragment": bytes([0x00, 0x80]) + MASK,
}
PONG = frame(10)


@dataclass(frozen=True)
class Attacked:
    """A target for `process.Process`: the server with the options of the attack."""

    program: Path
    workers: int
    memory_mib: int
    label: str = "server"
    tls: bool = False

    def command(self, bench, directory):
        config = Path(directory) / "attack.toml"
        memory = f"memory_limit_bytes = {self.memory_mib << 20}" if self.memory_mib else ""
        state = Path(directory) / "state"
        config.write_text(CONFIG.format(state=state, workers=self.workers, memory=memory))
        return [self.program, "serve", "--config", config]

    def cpus(self, bench):
        return os.sched_getaffinity(0)


def upgraded(port, timeout=5.0, receive_buffer=None):
    """A WebSocket, and the bytes after the head of the response."""
    stream = socket.socket()
    if receive_buffer:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    stream.settimeout(timeout)
    stream.connect(("127.0.0.1", port))
    stream.sendall(
        b"GET /app/attack-key?protocol=7 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    said = b""
    while b"}" not in said.partition(b"\r\n\r\n")[2]:
        more = stream.recv(4096)
        if not more:
            break
        said += more
    return stream, said.partition(b"\r\n\r\n")[2]


def newcomer(port):
    """Tries a new client: accepted, or the reason of the refusal."""
    try:
        stream, said = upgraded(port)
    except OSError as error:
        return repr(error)
    with stream:
        if b"connection_established" in said:
            return True
        return said.decode(errors="replace")[:120]


class Flood:
    """One socket of the attack."""

    def __init__(self, port, kind, most):
        self.stream, said = upgraded(port, receive_buffer=RECEIVE_BUFFER)
        if b"connection_established" not in said:
            raise Failed(f"the attack is refused before it has begun: {said[:120]}")
        self.stream.setblocking(False)
        unit = FLOODS[kind]
        begin = bytes([0x01, 0x80]) + MASK if kind == "fragment" else b""
        self.unit = unit * (CHUNK // len(unit))
        self.rest = memoryview(begin + self.unit)
        self.left, self.sent, self.ended = most, 0, False

    def write(self):
        """Writes until the server takes no more; false if it has ended the connection."""
        try:
            count = self.stream.send(self.rest[: max(0, self.left)])
        except BlockingIOError:
            return True
        except OSError:
            self.ended = True
            return False
        self.sent += count
        self.left -= count
        self.rest = self.rest[count:] or memoryview(self.unit)
        return True


def resident(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) / 1024
    raise Failed("the server's memory cannot be read: run it as root")


def cpu(pid):
    times = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def attack(process, options, found):
    """Floods until the time is over; returns the peak and the results of newcomers meanwhile."""
    port, pid = process.port, process.process.pid
    kinds = list(FLOODS) if options.kind == "all" else [options.kind]
    floods = [Flood(port, kinds[n % len(kinds)], options.kib << 10) for n in range(options.sockets)]
    selector = selectors.DefaultSelector()
    for flood in floods:
        selector.register(flood.stream, selectors.EVENT_WRITE, flood)
    peak, refused, tried, look = 0.0, [], 0, time.monotonic()
    end = look + options.seconds
    while (now := time.monotonic()) < end:
        ready = selector.select(timeout=0.05)
        for key, _ in ready:
            flood = key.data
            if not flood.write() or flood.left <= 0:
                selector.unregister(flood.stream)
        if now >= look:
            peak, look, tried = max(peak, resident(pid)), now + 1, tried + 1
            answer = newcomer(port)
            if answer is not True:
                refused.append(answer)
        if not ready:
            time.sleep(0.01)
    found["peak_mib"] = round(max(peak, resident(pid)), 1)
    found["sent_mib"] = round(sum(flood.sent for flood in floods) / (1 << 20), 1)
    found["closed_by_server"] = sum(flood.ended for flood in floods)
    found["newcomers_during"] = f"{tried - len(refused)} of {tried}"
    found["refused_during"] = refused[:1]
    return floods


def relief(process, before, found):
    """The results of newcomers after the attack, and the time until memory is back."""
    port, pid, start = process.port, process.process.pid, time.monotonic()
    answers, left = [], NEWCOMERS
    while left and time.monotonic() < start + NEWCOMER_SECONDS:
        answers.append(newcomer(port))
        left -= 1
        time.sleep(0.1)
    found["newcomers_after"] = sum(answer is True for answer in answers)
    found["refused_after"] = [answer for answer in answers if answer is not True][:1]
    found["rss_back_after_s"] = None
    samples = {}
    while (passed := time.monotonic() - start) < RELIEF_SECONDS:
        samples[round(passed)] = round(resident(pid), 1)
        if resident(pid) <= before * RELIEF:
            found["rss_back_after_s"] = round(passed, 1)
            break
        time.sleep(0.5)
    found["after_mib"] = round(resident(pid), 1)
    found["samples_mib"] = {second: mib for second, mib in samples.items() if second % 10 == 0}


def run(options):
    found = {}
    with Process(None, Attacked(options.server, options.workers, options.memory)) as process:
        pid = process.process.pid
        for _ in range(NEWCOMERS):
            newcomer(process.port)
        time.sleep(1)
        found["before_mib"] = round(resident(pid), 1)
        cpu_before = cpu(pid)
        floods = attack(process, options, found)
        found["cpu_seconds"] = round(cpu(pid) - cpu_before, 1)
        for flood in floods:
            flood.stream.close()
        relief(process, found["before_mib"], found)
        found["died"] = process.process.poll() is not None
    return found


def judged(found):
    wrong = []
    if found["newcomers_after"] < NEWCOMERS:
        wrong.append(f"{found['newcomers_after']} of {NEWCOMERS} newcomers are let in within {NEWCOMER_SECONDS} s")
    if found["rss_back_after_s"] is None:
        wrong.append(f"the resident memory is not within {RELIEF - 1:.0%} of before after {RELIEF_SECONDS} s")
    return wrong + (["the server died"] if found["died"] else [])


def main(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--sockets", type=int, default=400, help="that never read (400)")
    parser.add_argument("--seconds", type=float, default=45, help="how long they write (45)")
    parser.add_argument("--kib", type=int, default=1024, help="that each of them writes at most (1024)")
    parser.add_argument("--kind", choices=["all", *FLOODS], default="all", help="what they write (all, in turn)")
    parser.add_argument("--memory", type=int, default=256, help="memory_limit_bytes of the server, in MiB; 0: none (256)")
    parser.add_argument("--workers", type=int, default=2, help="of the server (2)")
    parser.add_argument("--server", metavar="PATH", help="use this server and do not build one")
    options = parser.parse_args()
    if not (1 <= options.sockets <= 5000 and 1 <= options.seconds <= 600 and 1 <= options.kib <= 65536):
        parser.error("--sockets takes 1 to 5000, --seconds 1 to 600, --kib 1 to 65536")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("attack: ended by a signal"))
    build_server(options)
    raise_open_files(FILES)
    try:
        found = run(options)
    except (Failed, OSError) as error:
        sys.exit(f"attack: {error or repr(error)}")
    wrong = judged(found)
    print(json.dumps(found, indent=1))
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    return 1 if wrong else 0
