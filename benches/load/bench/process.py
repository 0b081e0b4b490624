"""The measured process."""

import os
import select
import signal
import socket
import subprocess
import tempfile
import time

from .errors import Failed
from .machine import pinned
from .targets import Rival

START_SECONDS = 10  # for a process to say where it listens
RIVAL_START_SECONDS = 60  # for another server to listen where it was told to
STOP_SECONDS = 5  # for it to end when asked to


class Process:
    """A floor or a server, for as long as the `with` lasts."""

    def __init__(self, bench, target):
        self.bench, self.target = bench, target

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="load-")
        self.errors = tempfile.TemporaryFile()
        self.process = None
        try:
            if isinstance(self.target, Rival):
                self.port = free_port()
                # Into a file: a pipe would fill up during the measurement.
                self.start(self.errors, self.target.environment(self.port))
                self.wait_for_port()
            else:
                self.start(subprocess.PIPE, {})
                self.port = self.read_port()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self, output, environment):
        own = {k: v for k, v in os.environ.items() if not k.startswith("SEALCAST_")}
        self.process = subprocess.Popen(
            self.target.command(self.bench, self.directory.name),
            stdout=output,
            stderr=self.errors,
            stdin=subprocess.DEVNULL,
            cwd=self.directory.name,
            env={**own, **environment},
            preexec_fn=pinned(self.target.cpus(self.bench), leads=True),
        )

    def read_port(self):
        end = time.monotonic() + START_SECONDS
        scheme = "https" if self.target.tls else "http"
        out, said = self.process.stdout.fileno(), b""
        while time.monotonic() < end:
            if select.select([out], [], [], 0.1)[0]:
                more = os.read(out, 4096)
                if not more:
                    break
                said += more
            for line in said.decode(errors="replace").splitlines():
                if line.startswith(f"listening on {scheme}://"):
                    return int(line.strip().rsplit(":", 1)[1])
        raise Failed(f"the {self.target.label} did not start: {self.complaint()}")

    def wait_for_port(self):
        end = time.monotonic() + RIVAL_START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise Failed(f"{self.target.label} did not listen on 127.0.0.1:{self.port}: {self.complaint()}")

    def complaint(self):
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def __exit__(self, *_):
        if self.process is not None:
            self.stop()
            if self.process.stdout is not None:
                self.process.stdout.close()
        self.errors.close()
        self.directory.cleanup()

    def stop(self):
        """Ends the process and its descendants."""
        group = self.process.pid
        send(group, signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        end = time.monotonic() + STOP_SECONDS
        while reap(group) and time.monotonic() < end:
            time.sleep(0.02)
        send(group, signal.SIGKILL)
        self.process.wait()
        while reap(group):
            time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def send(group, number):
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass


def reap(group):
    """Reaps ended processes, so that their time counts; returns whether any process is left."""
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
