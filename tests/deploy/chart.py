"""The chart, rendered by the Helm library without a cluster."""

import helm_python
import yaml

from support import DEPLOY

CHART = DEPLOY / "helm/sealcast"
RELEASE, NAMESPACE = "shop", "realtime"
# Once: the library prints that it follows the links in files/.
LOADED = helm_python.Chart.load(CHART)
CI = sorted((CHART / "ci").glob("*-values.yaml"))


def values_of(path):
    return yaml.safe_load(path.read_text()) or {}


class Rendered:
    """All objects of one set of values."""

    def __init__(self, values):
        manifests = LOADED.render(values, name=RELEASE, namespace=NAMESPACE)
        self.notes = "".join(text for path, text in manifests.items() if path.endswith(".txt"))
        texts = [text for path, text in manifests.items() if path.endswith(".yaml")]
        self.objects = [found for text in texts for found in yaml.safe_load_all(text) if found]

    def all(self, kind):
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind, suffix=""):
        found = [it for it in self.all(kind) if it["metadata"]["name"] == f"{RELEASE}-sealcast{suffix}"]
        assert len(found) == 1, f"{len(found)} of {kind}"
        return found[0]

    @property
    def pods(self):
        """Specifications of pods: the server's, and that of the test."""
        return [self.one("Deployment")["spec"]["template"]["spec"], self.one("Pod", "-test")["spec"]]


def environment_of(container, secrets):
    """Variables of the container; `secrets` are the values of Secrets that it names."""
    environment = {}
    for variable in container.get("env", []):
        if "value" in variable:
            environment[variable["name"]] = variable["value"]
        else:
            reference = variable["valueFrom"]["secretKeyRef"]
            environment[variable["name"]] = secrets[reference["name"], reference["key"]]
    return environment
