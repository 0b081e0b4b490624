"""The chart for each file in ci/: Kubernetes' schemas, the linter, and what it promises."""

import re
import unittest

import helm_python
import kubernetes_validate
from helm_python.errors import HelmError

from chart import CHART, CI, LOADED, NAMESPACE, RELEASE, Rendered, values_of
from support import DEPLOY

# The oldest that the chart is for, and the newest that the validator knows.
VERSIONS = ["1.30", "1.37"]
OF_THE_OPERATOR = {"ServiceMonitor", "PrometheusRule"}


class EachSetOfValues(unittest.TestCase):
    def each(self):
        self.assertGreaterEqual(len(CI), 5)
        for path in CI:
            with self.subTest(path.name):
                yield Rendered(values_of(path))

    def test_the_linter_has_no_warning(self):
        for path in CI:
            with self.subTest(path.name):
                report = helm_python.chart.lint(CHART, values_of(path), strict=True, namespace=NAMESPACE)
                self.assertEqual(report["errors"], [])
                self.assertEqual([it for it in report["messages"] if it["severity"] > 1], [])

    def test_objects_match_the_schemas_of_kubernetes(self):
        for rendered in self.each():
            for found in rendered.objects:
                for version in VERSIONS if found["kind"] not in OF_THE_OPERATOR else []:
                    kubernetes_validate.validate(found, version, strict=True)

    def test_the_validation_finds_a_mistake(self):
        deployment = Rendered({}).one("Deployment")
        deployment["spec"]["template"]["spec"]["enableServiceLink"] = False
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)

    def test_selectors_name_the_pods(self):
        for rendered in self.each():
            labels = rendered.one("Deployment")["spec"]["template"]["metadata"]["labels"]
            selectors = [it["spec"]["selector"] for it in rendered.all("Service")]
            selectors += [it["spec"]["selector"]["matchLabels"] for it in rendered.all("PodDisruptionBudget")]
            selectors += [it["spec"]["podSelector"]["matchLabels"] for it in rendered.all("NetworkPolicy")]
            for selector in selectors:
                self.assertLessEqual(selector.items(), labels.items())
            test = rendered.one("Pod", "-test")["metadata"]["labels"]
            self.assertNotIn("app.kubernetes.io/name", test, "the Service must not send clients to the test")

    def test_ports_are_those_of_the_container(self):
        for rendered in self.each():
            container = rendered.pods[0]["containers"][0]
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            variables = {it["name"]: it.get("value") for it in container["env"]}
            self.assertEqual(variables["SEALCAST_LISTEN"], f"0.0.0.0:{ports['clients']}")
            self.assertEqual(variables["SEALCAST_OPS_LISTEN"], f"0.0.0.0:{ports['ops']}")
            for service in rendered.all("Service"):
                for port in service["spec"]["ports"]:
                    self.assertIn(port["targetPort"], ports)
            for policy in rendered.all("NetworkPolicy"):
                allowed = {port["port"]: rule.get("from") for rule in policy["spec"]["ingress"] for port in rule["ports"]}
                self.assertTrue(allowed["ops"], "the port of operations is not for everybody")
            clients = rendered.one("Service")["spec"]["ports"]
            self.assertNotIn("ops", [port["targetPort"] for port in clients])

    def test_pods_are_restricted(self):
        for rendered in self.each():
            for pod in rendered.pods:
                self.assertIs(pod["enableServiceLinks"], False)
                self.assertIs(pod["automountServiceAccountToken"], False)
                self.assertEqual(pod["securityContext"]["fsGroup"], 65532)
                self.assertIs(pod["securityContext"]["runAsNonRoot"], True)
                for container in pod["containers"]:
                    security = container["securityContext"]
                    self.assertIs(security["readOnlyRootFilesystem"], True)
                    self.assertIs(security["allowPrivilegeEscalation"], False)
                    self.assertEqual(security["capabilities"], {"drop": ["ALL"]})
                for volume in pod["volumes"]:
                    if "secret" in volume:
                        self.assertEqual(volume["secret"]["defaultMode"], 0o440)
                mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
                self.assertEqual(mounted, {volume["name"] for volume in pod["volumes"]})

    def test_the_grace_period_covers_the_drain(self):
        for rendered in self.each():
            pod = rendered.pods[0]
            container = pod["containers"][0]
            variables = {it["name"]: it.get("value") for it in container["env"]}
            slept = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            self.assertLessEqual(int(variables["SEALCAST_DRAIN_SECONDS"]) + slept + 4, pod["terminationGracePeriodSeconds"])

    def test_no_secret_is_in_a_config_map(self):
        for rendered in self.each():
            for found in rendered.all("ConfigMap"):
                for name, text in found["data"].items():
                    if name.endswith(".toml"):
                        secrets = re.findall(r"^\s*(?:secret|master_key|jwt_secret|admin_token)\s*=", text, re.M)
                        self.assertEqual(secrets, [])


class SomeValues(unittest.TestCase):
    def refused(self, message, **values):
        with self.assertRaises(HelmError) as refusal:
            Rendered(values)
        self.assertIn(message, str(refusal.exception))

    def test_contradictions_are_refused(self):
        cluster = {"enabled": True, "url": "redis://redis"}
        self.refused("several replicas need cluster.enabled", replicas=2)
        self.refused("needs cluster.url", cluster={"enabled": True})
        self.refused("contains a login", cluster={"enabled": True, "url": "redis://:password@redis"})
        self.refused("persistence is for one server", cluster=cluster, persistence={"enabled": True})
        self.refused("exclude each other", secrets={"existingSecret": "a", "csi": {"enabled": True, "secretProviderClass": "b"}})
        self.refused("no secrets", secrets={"create": False})
        self.refused("must be 57 or more", drainSeconds=50)
        for line in ('secret = "x"', "  master_key='x'", 'key = "base64:AAAA"', 'admin_token = "x"'):
            self.refused("config contains a secret", config=f"[apps.1001]\n{line}\n")

    def test_the_schema_refuses_mistakes(self):
        for values in ({"replica": 2}, {"replicas": "2"}, {"service": {"port": 70000}}, {"autoscaling": {"metric": "memory"}},
                       {"cluster": {"url": "nats://redis"}}, {"image": {"digest": "latest"}}, {"drainSeconds": -1}):
            with self.subTest(values), self.assertRaises(HelmError):
                LOADED.validate_schema(values)
        LOADED.validate_schema({})

    def test_each_default_is_in_the_schema(self):
        self.assertEqual(set(LOADED.schema["properties"]) - {"global"}, set(LOADED.values))

    def test_secrets_are_made_once_and_kept(self):
        secret = Rendered({}).one("Secret", "-secrets")
        self.assertEqual(set(secret["data"]), {"app_secret", "master_key", "cluster_key"})
        self.assertEqual(secret["metadata"]["annotations"]["helm.sh/resource-policy"], "keep")
        for values in ({"existingSecret": "mine"}, {"csi": {"enabled": True, "secretProviderClass": "mine"}}):
            self.assertEqual(Rendered({"secrets": values}).all("Secret"), [])

    def test_capacity_scales_pods(self):
        rendered = Rendered(values_of(CHART / "ci/autoscaling-values.yaml"))
        [metric] = rendered.one("HorizontalPodAutoscaler")["spec"]["metrics"]
        self.assertEqual(metric["pods"]["metric"]["name"], "sealcast_capacity_used_ratio")
        self.assertEqual(metric["pods"]["target"]["averageValue"], "700m")
        self.assertNotIn("replicas", rendered.one("Deployment")["spec"])

    def test_several_pods_have_a_budget(self):
        self.assertEqual(Rendered({}).all("PodDisruptionBudget"), [], "one pod with a budget could not be moved")
        self.assertEqual(Rendered(values_of(CHART / "ci/cluster-values.yaml")).one("PodDisruptionBudget")["spec"]["maxUnavailable"], 1)

    def test_rules_and_dashboard_are_those_of_deploy(self):
        # Links, which Helm follows.
        files = {it["name"]: it["data"] for it in LOADED.files}
        for name, original in (("alerts.yml", "prometheus/alerts.yml"), ("sealcast.json", "grafana/sealcast.json")):
            self.assertEqual(files[f"files/{name}"], (DEPLOY / original).read_text())
        rendered = Rendered(values_of(CHART / "ci/cluster-values.yaml"))
        monitor, rule = rendered.one("ServiceMonitor"), rendered.one("PrometheusRule")
        label = monitor["spec"]["jobLabel"]
        ops = rendered.one("Service", "-ops")
        self.assertEqual(ops["metadata"]["labels"][label], "sealcast", "the rules name this job")
        self.assertLessEqual(monitor["spec"]["selector"]["matchLabels"].items(), ops["metadata"]["labels"].items())
        self.assertNotIn("app.kubernetes.io/component", rendered.one("Service")["metadata"]["labels"])
        self.assertGreater(len(rule["spec"]["groups"][0]["rules"]), 10)

    def test_notes_name_the_test(self):
        self.assertIn(f"helm test {RELEASE} --namespace {NAMESPACE}", Rendered({}).notes)


if __name__ == "__main__":
    unittest.main()
