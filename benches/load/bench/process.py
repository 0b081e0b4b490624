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

START_SECONDS = 10  # for a process to say where it listens
TOLD_START_SECONDS = 60  # for one that was told where to listen to do so
STOP_SECONDS = 5  # for it to end when asked to


class Process:
    """One of the measured programs, for as long as the `with` lasts."""

    def __init__(self, bench, target):
        self.bench, self.target = bench, target

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="load-")
        self.errors = tempfile.TemporaryFile()
        self.process, self.said = None, b""
        try:
            if self.target.told_port:
                self.port = free_port()
                # Into a file: a pipe would fill up during the measurement.
                self.start(self.errors, self.target.environment(self.port))
                self.wait_for_port()
            else:
                self.start(subprocess.PIPE, {})
                self.port = self.read_port("listening")
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

    def arguments(self):
        """The load generator's arguments that lead to it."""
        return ["--port", self.port, "--pid", self.process.pid]

    def completed(self, arguments):
        """The arguments of the scenario, with what only this process can know."""
        return arguments

    def ended(self):
        """What a program that has ended said last; `None` while it runs."""
        return None if self.process.poll() is None else self.complaint()

    def figures(self):
        """Figures that are known at the end of the load."""
        return {}

    def read_port(self, what):
        """The port of `listening on http://127.0.0.1:PORT`."""
        end = time.monotonic() + START_SECONDS
        scheme = "https" if self.target.tls else "http"
        out = self.process.stdout.fileno()
        while time.monotonic() < end:
            for line in self.said.decode(errors="replace").splitlines(keepends=True):
                if line.startswith(f"{what} on {scheme}://") and line.endswith("\n"):
                    return int(line.strip().rsplit(":", 1)[1])
            if select.select([out], [], [], 0.1)[0]:
                more = os.read(out, 4096)
                if not more:
                    break
                self.said += more
        raise Failed(f"the {self.target.label} did not start: {self.complaint()}")

    def wait_for_port(self):
        end = time.monotonic() + TOLD_START_SECONDS
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
