"""The unit file: hardening, syntax, and that the server lives within what it allows."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import unittest
import urllib.request
from pathlib import Path

from support import BINARY, DEPLOY, Process, a_master_key, a_secret_file, run

UNIT = DEPLOY / "systemd/sealcast.service"
MAX_EXPOSURE = 2.0
CREDENTIALS = {"app_secret": "change-me-9f86d081884c7d65", "master_key": None}


def values(name):
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.M)


class Unit(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sealcast-unit-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_exposure_is_low(self):
        told = run(["systemd-analyze", "security", "--offline=true", UNIT])
        exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", told.stdout)
        self.assertIsNotNone(exposure, told.stderr)
        self.assertLess(float(exposure[1]), MAX_EXPOSURE)

    def test_verify_has_nothing_to_say(self):
        copy = self.folder / "sealcast.service"
        copy.write_text(UNIT.read_text().replace("/usr/bin/sealcast", str(BINARY)))
        # The manual page comes with the packages.
        told = run(["systemd-analyze", "verify", "--man=no", copy])
        ours = [line for line in told.stderr.splitlines() if "sealcast" in line]
        self.assertEqual((told.returncode, ours), (0, []), told.stderr)

    def test_verify_finds_a_mistake(self):
        copy = self.folder / "sealcast.service"
        copy.write_text(UNIT.read_text().replace("ProtectSystem=strict", "ProtectSistem=strict"))
        self.assertIn("ProtectSistem", run(["systemd-analyze", "verify", "--man=no", copy]).stderr)

    def test_the_stop_timeout_covers_the_drain(self):
        told = run([BINARY, "config", "show", "--all", "--config", self.configure()], self.environment())
        drain = re.search(r"drain_seconds\D+(\d+)", told.stdout)
        self.assertIsNotNone(drain, told.stdout + told.stderr)
        self.assertLess(int(drain[1]) + 4, int(values("TimeoutStopSec")[0]))

    def configure(self):
        """The files of /etc/sealcast and of the credentials."""
        for name, text in CREDENTIALS.items():
            a_secret_file(self.folder / "credentials" / name, text or a_master_key()).chmod(0o400)
        (self.folder / "state").mkdir(mode=0o700, exist_ok=True)
        return a_secret_file(self.folder / "sealcast.toml", 'listen = "127.0.0.1:0"\n\n[apps.1001]\nkey = "shop-key"\n')

    def environment(self):
        """As systemd would set it: %d is the directory of the credentials, %S that of states."""
        given = dict(line.split("=", 1) for line in values("Environment"))
        filled = {name: self.filled(text) for name, text in given.items()}
        return {"NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": "30000000", **filled}

    def filled(self, text):
        text = text.replace("%d", str(self.folder / "credentials")).replace("%S/sealcast", str(self.folder / "state"))
        text = text.replace("/etc/sealcast/sealcast.toml", str(self.folder / "sealcast.toml"))
        return text.replace("/usr/bin/sealcast", str(BINARY))

    def command(self, name):
        return shlex.split(self.filled(values(name)[0]))

    def notifications(self):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(self.folder / "notify"))
        notify.settimeout(20)
        self.addCleanup(notify.close)
        return notify

    def expect(self, notify, wanted):
        while not notify.recv(4096).decode().startswith(wanted):
            pass

    def test_its_commands_start_reload_and_stop_the_server(self):
        self.configure()
        notify = self.notifications()
        checked = run(self.command("ExecStartPre"), self.environment())
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        server = Process(self, self.command("ExecStart"), self.environment())
        self.expect(notify, "READY=1")
        reload = shlex.split(values("ExecReload")[0].replace("$MAINPID", str(server.pid)))
        subprocess.run(reload, check=True)
        self.expect(notify, "RELOADING=1")
        self.expect(notify, "READY=1")
        self.assertEqual(server.terminate(), 0)
        self.expect(notify, "STOPPING=1")

    def test_the_server_lives_on_the_allowed_system_calls(self):
        """With the mount of /proc as ProcSubset=pid makes it."""
        self.need_tracing()
        self.configure()
        notify, trace = self.notifications(), self.folder / "trace"
        mount = 'mount -t proc -o subset=pid proc /proc && exec "$0" "$@"'
        inner = ["setpriv", "--pdeathsig", "KILL", "strace", "-f", "-qq", "-o", str(trace), *self.command("ExecStart")]
        server = Process(self, ["unshare", "--mount", "sh", "-c", mount, *inner], self.environment())
        self.expect(notify, "READY=1")
        address = server.address()
        with urllib.request.urlopen(f"{address}/health", timeout=10) as answer:
            self.assertEqual(answer.status, 200)
        traced = re.search(r"^(\d+) ", trace.read_text(), re.M)
        os.kill(int(traced[1]), 15)
        self.assertEqual(server.wait(), 0, server.errors())
        used = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.M))
        self.assertGreater(len(used), 30)
        self.assertEqual(sorted(used - allowed_calls() - {"execve"}), [])

    def need_tracing(self):
        probe = ["unshare", "--mount", "sh", "-c", "mount -t proc -o subset=pid proc /proc && strace -o /dev/null true"]
        if not shutil.which("strace") or run(probe).returncode:
            self.skipTest("strace, or a mount of /proc, is not allowed here")


def allowed_calls():
    allowed = set()
    for line in values("SystemCallFilter"):
        removed = line.startswith("~")
        calls = calls_of(line.lstrip("~"))
        allowed = allowed - calls if removed else allowed | calls
    return allowed


def calls_of(name):
    """The calls of a group, and those of the groups in it."""
    if not name.startswith("@"):
        return {name}
    told = run(["systemd-analyze", "syscall-filter", name])
    lines = [line.strip() for line in told.stdout.splitlines()[1:]]
    return set().union(*(calls_of(line) for line in lines if line and not line.startswith("#")))


if __name__ == "__main__":
    unittest.main()
