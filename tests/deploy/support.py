"""The real binary with a command and an environment from a file under deploy/."""

import os
import re
import secrets
import signal
import subprocess
import tempfile
import threading
import time
from base64 import b64encode
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DEPLOY = ROOT / "deploy"
BINARY = (HERE / os.environ.get("SEALCAST_BIN", "../../target/debug/sealcast")).resolve()
START_DEADLINE = 20
STOP_DEADLINE = 15
# Without settings of the server, so that they change nothing here.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SEALCAST_")}


def eventually(look, what, seconds=START_DEADLINE):
    """Polls `look` until it returns a truthy value, and returns that."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


def a_master_key():
    return b64encode(secrets.token_bytes(32)).decode()


def a_secret_file(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


class Process:
    """A command under test. Ends with the test, whatever happens."""

    def __init__(self, test, command, environment, **options):
        self._errors = tempfile.TemporaryFile("w+")
        self.addresses = {}
        environment = {**ENVIRONMENT, **environment}
        self._process = subprocess.Popen(
            # A test that is killed leaves no server behind.
            ["setpriv", "--pdeathsig", "TERM", *map(str, command)],
            env=environment, stdout=subprocess.PIPE, stderr=self._errors, text=True, **options,
        )
        test.addCleanup(self._clean_up)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self):
        return self._process.pid

    def _read(self):
        for line in self._process.stdout:
            found = re.match(r"(listening|operations|API) on (http\S*)$", line.strip())
            if found:
                self.addresses[found[1]] = found[2]

    def errors(self):
        self._errors.seek(0)
        return self._errors.read()

    def address(self, name="listening"):
        def look():
            if self._process.poll() is not None:
                raise AssertionError(f"ended with {self._process.returncode}: {self.errors()}")
            return self.addresses.get(name)
        return eventually(look, f"the address {name}")

    def terminate(self):
        """SIGTERM; returns the exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_DEADLINE)

    def wait(self, seconds=START_DEADLINE):
        return self._process.wait(seconds)

    def _clean_up(self):
        # First softly: nginx ends its workers only then.
        self._process.terminate()
        try:
            self._process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._errors.close()


def run(command, environment=None, **options):
    return subprocess.run(
        list(map(str, command)), env={**ENVIRONMENT, **(environment or {})},
        capture_output=True, text=True, timeout=60, **options,
    )
