"""The chart keeps the secrets that are in Kubernetes. The API server is a fake."""

import base64
import tempfile
import unittest
from pathlib import Path

import helm_python
import yaml

from chart import LOADED, NAMESPACE, RELEASE
from fake_api_server import FakeApiServer

NAME = f"{RELEASE}-sealcast-secrets"


class KeptSecrets(unittest.TestCase):
    def rendered(self, secrets):
        """The data of the Secret, as an upgrade renders it."""
        api = FakeApiServer(self, secrets)
        with tempfile.TemporaryDirectory() as folder:
            # Without it, the configuration of this machine's user would count.
            kubeconfig = Path(folder, "config")
            kubeconfig.write_text("apiVersion: v1\nkind: Config\n")
            config = helm_python.Config(kubeconfig_path=kubeconfig, kube_apiserver=api.url, namespace=NAMESPACE)
            manifests = config.render(LOADED, {}, name=RELEASE, namespace=NAMESPACE, is_upgrade=True)
        [text] = [text for path, text in manifests.items() if path.endswith("/secret.yaml")]
        return yaml.safe_load(text)["data"]

    def test_present_values_stay(self):
        present = {name: base64.b64encode(name.encode()).decode() for name in ("app_secret", "master_key", "cluster_key")}
        self.assertEqual(self.rendered({(NAMESPACE, NAME): present}), present)

    def test_missing_values_are_made(self):
        present = {"app_secret": base64.b64encode(b"kept").decode()}
        data = self.rendered({(NAMESPACE, NAME): present})
        self.assertEqual(data["app_secret"], present["app_secret"])
        self.assertEqual(len(base64.b64decode(base64.b64decode(data["master_key"]))), 32)

    def test_another_namespace_does_not_count(self):
        present = {name: base64.b64encode(b"other").decode() for name in ("app_secret", "master_key", "cluster_key")}
        data = self.rendered({("other", NAME): present})
        self.assertEqual(set(data), set(present))
        self.assertFalse(set(data.values()) & set(present.values()))


if __name__ == "__main__":
    unittest.main()
