"""Rendered commands and environments start the real binary, and the chart's test passes."""

import base64
import tempfile
import unittest
import urllib.request
from pathlib import Path

from chart import CI, Rendered, environment_of, values_of
from compose import answers, free_port, image_defaults
from support import BINARY, Process, a_master_key, a_secret_file, eventually, run

FILES = ("app_secret", "master_key", "cluster_key")


class Starts(unittest.TestCase):
    def prepare(self):
        folder = tempfile.TemporaryDirectory(prefix="sealcast-chart-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.ports = {6001: free_port(), 6002: free_port()}
        self.redis = free_port()

    def local(self, text):
        """Mounted paths become those of this test, and ports free ones."""
        for mounted, own in (("/run/secrets/sealcast", "secrets"), ("/etc/sealcast", "config"), ("/data", "state")):
            text = text.replace(mounted, str(self.folder / own))
        for port, own in self.ports.items():
            text = text.replace(f"0.0.0.0:{port}", f"127.0.0.1:{own}")
        return text.replace("redis://redis:6379", f"redis://127.0.0.1:{self.redis}")

    def mount(self, rendered):
        """What the kubelet would: the ConfigMap, and the Secret or what stands for it."""
        given = [found["data"] for found in rendered.all("Secret")]
        for name in FILES:
            text = base64.b64decode(given[0][name]).decode() if given else a_master_key()
            a_secret_file(self.folder / "secrets" / name, text)
        config = rendered.one("ConfigMap")["data"]["sealcast.toml"]
        a_secret_file(self.folder / "config/sealcast.toml", self.local(config))
        (self.folder / "state").mkdir(mode=0o700)

    def command(self, container):
        entry_point = image_defaults()[0][:1]
        self.assertEqual(entry_point, ["/sealcast"])
        self.assertNotIn("command", container)
        return [BINARY, *map(self.local, container["args"])]

    def start_redis(self):
        Process(self, ["redis-server", "--port", self.redis, "--bind", "127.0.0.1", "--save", ""], {}, cwd=self.folder)
        eventually(lambda: answers(self.redis), "Redis")

    def start(self, rendered):
        self.mount(rendered)
        container = rendered.pods[0]["containers"][0]
        environment = image_defaults()[1] | environment_of(container, {("redis", "url"): "redis://redis:6379"})
        environment = {name: self.local(value) for name, value in environment.items()}
        server = Process(self, self.command(container), environment)
        server.address()
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            port = {it["name"]: it["containerPort"] for it in container["ports"]}[asked["port"]]
            url = f"http://127.0.0.1:{self.ports[port]}{asked['path']}"
            eventually(lambda: status_of(url) == 200, f"{probe} at {url}")
        return server

    def check_test(self, rendered):
        """The pod of `helm test`."""
        service = rendered.one("Service")
        url = f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
        command = self.command(rendered.pods[1]["containers"][0])
        self.assertIn(url, command)
        command[command.index(url)] = f"http://127.0.0.1:{self.ports[6001]}"
        told = run(command)
        self.assertEqual(told.returncode, 0, told.stdout + told.stderr)
        self.assertRegex(told.stdout, r"ok +events")

    def test_each_set_of_values_starts(self):
        for path in CI:
            if path.name == "cpu-values.yaml":
                continue  # of a Redis Cluster
            with self.subTest(path.name):
                self.prepare()
                values = values_of(path)
                if values.get("cluster", {}).get("enabled"):
                    self.start_redis()
                rendered = Rendered(values)
                server = self.start(rendered)
                self.assertEqual(status_of(f"http://127.0.0.1:{self.ports[6002]}/metrics"), 200)
                self.check_test(rendered)
                self.assertEqual(server.terminate(), 0, server.errors())


def status_of(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except OSError:
        return None


if __name__ == "__main__":
    unittest.main()
