"""`/metrics` read by Prometheus' own parser, and checked against the queries in deploy/."""

import json
import re
import unittest
import urllib.error
import urllib.request

import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support import DEADLINE, HERE, App, Server, ServerTest, a_master_key

ROOT = HERE.parent.parent
APP = App("1001", logged="private-logged-*", master_key=a_master_key(), client_events=True)
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
SUFFIXES = {"counter": ["_total"], "gauge": [""], "info": ["_info"], "histogram": ["_bucket", "_sum", "_count"]}
# Labels added by Prometheus to each series.
ADDED = {"instance", "job"}

NAME = re.compile(r'\b(sealcast_\w+|up)\b(?:\{((?:[^"}]|"[^"]*")*)\})?')
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|on|without|group_left|group_right)\s*\(([^)]*)\)")


def documented():
    """The labels of each metric, and all words of their descriptions."""
    rows, words = {}, set()
    for line in (ROOT / "docs/metrics.md").read_text().splitlines():
        if line.startswith("| `sealcast_"):
            name, _, labels, _, text = (cell.strip() for cell in line.strip("|").split("|"))
            rows[name.strip("`")] = set(re.findall(r"`(\w+)`", labels))
            words |= set(re.findall(r"`([^`]+)`", text))
    return rows, words


def anchors(path):
    headings = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Metrics(ServerTest):
    apps = [APP]

    def scrape(self, server=None):
        url = f"{(server or self.server)._addresses['operations']}/metrics"
        with urllib.request.urlopen(url, timeout=DEADLINE) as response:
            self.assertEqual(response.headers["Content-Type"], OPENMETRICS)
            return list(text_string_to_metric_families(response.read().decode()))

    def scrape_node(self):
        """The families of a cluster. A node has them without its Redis too."""
        section = f'[cluster]\nurl = "redis://127.0.0.1:1"\nkey = "{a_master_key()}"\n'
        node = Server(App("1002"), sections=section)
        try:
            return [family for family in self.scrape(node) if family.name.startswith("sealcast_cluster_")]
        finally:
            node.stop()

    def setUp(self):
        super().setUp()
        socket = self.raw(APP)
        socket.subscribe("private-x")
        socket.subscribe("presence-room", '{"user_id":"u"}')
        self.sdk(APP).trigger("private-x", "e", "d")
        with self.assertRaises(urllib.error.HTTPError):
            form = f"socket_id={socket.socket_id}&channel_name=private-x".encode()
            urllib.request.urlopen(self.server.url("/pusher/auth"), form, timeout=DEADLINE)

    def test_prometheus_parser_accepts_the_page(self):
        families = {family.name: family for family in self.scrape()}
        self.assertGreater(len(families), 40)
        for family in families.values():
            self.assertIn(family.type, SUFFIXES, family.name)
            self.assertTrue(family.name.startswith("sealcast_") and family.documentation, family.name)
        events = families["sealcast_events"].samples
        value = next(sample.value for sample in events if sample.labels["source"] == "api")
        self.assertGreaterEqual(value, 1)
        self.assertEqual(families["sealcast_outbox_bytes"].unit, "bytes")

    def check(self, expression, where, used=()):
        """Expects that each metric, label and value of the expression exists."""
        labels_there = set(ADDED)
        for name, matchers in NAME.findall(expression):
            if name == "up":
                continue
            self.assertTrue(name in self.samples, f"{where}: there is no {name}")
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            labels = self.labels[name if name in self.labels else base]
            labels_there |= labels | ({"le"} if name.endswith("_bucket") else set())
            for label, operator, value in MATCHER.findall(matchers):
                if label in ADDED:
                    continue
                self.assertIn(label, labels, f"{where}: {name} has no such label")
                for one in value.split("|") if operator in ("=~", "!~") else [value]:
                    seen = {sample.labels.get(label) for sample in self.samples[name]}
                    self.assertTrue(one.startswith("$") or one in seen | self.words, f"{where}: {name} {label}={one}")
        grouped = {label.strip() for group in GROUPING.findall(expression) for label in group.split(",")} - {""}
        self.assertLessEqual(grouped | set(used), labels_there, where)

    def look(self):
        (self.labels, self.words), self.samples = documented(), {}
        for family in self.scrape() + self.scrape_node():
            for suffix in SUFFIXES[family.type]:
                name = family.name + suffix
                self.samples[name] = [sample for sample in family.samples if sample.name == name]

    def test_alerts_use_existing_metrics_and_link_runbooks(self):
        self.look()
        there = anchors("docs/metrics.md")
        rules = [rule for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
                 for rule in group["rules"]]
        self.assertEqual(len({rule["alert"] for rule in rules}), len(rules))
        for rule in rules:
            notes = rule["annotations"]
            used = re.findall(r"\$labels\.(\w+)", json.dumps(notes))
            self.check(rule["expr"], rule["alert"], used)
            self.assertIn(rule["labels"]["severity"], ("critical", "warning", "info"))
            self.assertTrue(notes["summary"] and notes["description"], rule["alert"])
            document, _, section = notes["runbook"].partition("#")
            self.assertEqual(document, "docs/metrics.md", rule["alert"])
            self.assertIn(section, there, rule["alert"])

    def test_dashboard_uses_existing_metrics(self):
        self.look()
        dashboard = json.loads((ROOT / "deploy/grafana/sealcast.json").read_text())
        self.assertEqual(len({panel["id"] for panel in dashboard["panels"]}), len(dashboard["panels"]))
        asked = set()
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                used = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
                self.check(target["expr"], panel["title"], used)
                asked |= {name for name, _ in NAME.findall(target["expr"])}
        shown = {name for name in self.samples if not re.search(r"_(sum|count)$", name)}
        self.assertEqual(shown - asked, set(), "what there is and nobody sees")
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
                self.check(name, variable["name"], [label])

    def test_prometheus_example_reads_existing_rules(self):
        folder = ROOT / "deploy/prometheus"
        config = yaml.safe_load((folder / "prometheus.yml").read_text())
        for name in config["rule_files"]:
            self.assertTrue((folder / name).is_file(), name)
        self.assertEqual([job["job_name"] for job in config["scrape_configs"]], ["sealcast"])


if __name__ == "__main__":
    unittest.main()
