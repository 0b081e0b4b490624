"""The Compose files: what they promise, and that their commands and environments start."""

import subprocess
import tempfile
import unittest
from pathlib import Path

from compose import Composition
from support import BINARY, ENVIRONMENT, eventually, run


class Compose(unittest.TestCase):
    def composition(self, name):
        folder = tempfile.TemporaryDirectory(prefix="sealcast-compose-")
        self.addCleanup(folder.cleanup)
        composition = Composition(self, name, Path(folder.name))
        composition.write_secrets()
        return composition

    def check_services(self, composition):
        for name, service in composition.services.items():
            with self.subTest(name):
                self.assertIs(service["read_only"], True)
                self.assertEqual(service["stop_grace_period"], "30s")
                self.assertIn("no-new-privileges:true", service["security_opt"])
                self.assertLessEqual(set(service.get("secrets", [])), set(composition.file["secrets"]))
                for volume in service.get("volumes", []):
                    source = volume.split(":")[0]
                    self.assertTrue(source.startswith("./") or source in composition.file["volumes"], source)
                for network in service.get("networks", []):
                    self.assertIn(network, composition.file["networks"])
                if service["image"] == "sealcast":
                    self.check_node(service)

    def check_node(self, service):
        self.assertEqual(service["cap_drop"], ["ALL"])
        environment = service["environment"]
        self.assertLess(int(environment["SEALCAST_DRAIN_SECONDS"]) + 4, 30)
        self.assertTrue(all(isinstance(value, str) for value in environment.values()), environment)
        secrets = [key for key in environment if key.endswith(("_SECRET", "_MASTER_KEY", "__KEY"))]
        self.assertEqual(secrets, [], "secrets are files")
        named = {value.removeprefix("/run/secrets/") for value in environment.values() if value.startswith("/run/secrets/")}
        self.assertEqual(named, set(service["secrets"]))

    def test_one_server_carries_a_decrypted_event(self):
        composition = self.composition("single.yml")
        self.check_services(composition)
        node, environment = composition.start_node("sealcast")
        self.healthy(environment)
        url = f"http://127.0.0.1:{composition.ports['sealcast']}"
        self.carries(composition, url, url)
        self.assertEqual(node.terminate(), 0, node.errors())

    def test_three_nodes_carry_a_decrypted_event_through_nginx(self):
        composition = self.composition("cluster.yml")
        self.check_services(composition)
        redis_networks = [name for name, network in composition.file["networks"].items() if (network or {}).get("internal")]
        self.assertEqual(composition.services["redis"]["networks"], redis_networks)
        composition.start_redis()
        nodes = {name: composition.start_node(name) for name in ("one", "two", "three")}
        for _, environment in nodes.values():
            self.healthy(environment)
        composition.start_nginx()
        public = f"https://localhost:{composition.ports['nginx']}"
        for name in nodes:
            self.carries(composition, f"http://127.0.0.1:{composition.ports[name]}", public)
        self.carries(composition, public, f"http://127.0.0.1:{composition.ports['one']}")
        for node, _ in nodes.values():
            self.assertEqual(node.terminate(), 0, node.errors())

    def healthy(self, environment):
        """The image's HEALTHCHECK, and readiness."""
        command = [BINARY, "healthcheck", "--ready"]
        eventually(lambda: run(command, environment).returncode == 0, "the healthcheck")

    def carries(self, composition, listen_at, trigger_at):
        """An event from one address to the other, sealed in between."""
        server = ["--key", "shop-key", "--secret-file", composition.folder / "secrets/app_secret", "--app", "1001"]
        if "key.pem" in composition.file["secrets"]:
            server += ["--ca-file", composition.folder / "secrets/fullchain.pem"]
        listening = [BINARY, "listen", "private-encrypted-demo", "--decrypt", "--count", "1", "--json", "--url", listen_at]
        listener = subprocess.Popen(list(map(str, listening + server)), env=ENVIRONMENT, stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(listener.stdout.close)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.kill)

        def triggered():
            told = run([BINARY, "trigger", "private-encrypted-demo", "hello", '{"text":"Hi"}', "--url", trigger_at, *server])
            self.assertIn(told.returncode, (0, 3), told.stderr)
            return listener.poll() is not None
        eventually(triggered, f"an event from {trigger_at} at {listen_at}")
        told = listener.stdout.read()
        self.assertEqual(listener.returncode, 0, told)
        self.assertIn("Hi", told)


if __name__ == "__main__":
    unittest.main()
