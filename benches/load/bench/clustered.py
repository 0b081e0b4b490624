"""Scenarios of clusters. The base is the single server, unless a row says otherwise."""

from .cluster import Cluster, need_redis
from .scenario import CPU, Pair, Row, Scenario, at
from .targets import Server

NODES = Cluster(2)


class Clustered(Scenario):
    """Another server, too, is compared with itself alone."""

    def prepare(self, bench):
        need_redis()

    def rival(self, bench, rival, base):
        first = self.arguments if self.base_arguments is None else self.base_arguments
        alone = bench.load(rival, *first, seconds=self.seconds)
        return alone, bench.load(Cluster(node=rival), *self.arguments, seconds=self.seconds)


class Latency(Clustered):
    """What the nodes add to the median of the single server."""

    ADDED = {"added_answer_us": "response.p50_us", "added_us": "latency.p50_us"}

    def pair(self, bench):
        pair = super().pair(bench)
        for base, other in ((pair.base, pair.server), *pair.rivals.values()):
            for added, path in self.ADDED.items():
                base[added] = 0
                other[added] = at(path)(remote(other, path)) - at(path)(remote(base, path))
        return pair


class Return(Clustered):
    """The base is the same cluster, as it subscribes to its channels for the first time."""

    def pair(self, bench):
        figures = bench.load(self.other, *self.arguments, seconds=self.seconds)
        first = {**figures, **figures["subscribing"], "redis_slowest": {"us": 0}, "ready_after": 0}
        first["open_after"] = first["seconds"]
        return Pair(first, figures)

    def rival(self, bench, rival, base):
        return None


def remote(figures, path):
    """The figures in which `path` is that of the node without the publishers."""
    return figures["by_node"][-1] if path.startswith("latency") else figures


def remote_us(figures):
    """CPU per delivery of the node without the publishers; of a single server, all of its CPU."""
    return figures["node_cpu_us"][-1] / max(1, figures["by_node"][-1]["deliveries"])


def local_us(figures):
    """The same of the node with the publishers."""
    return figures["node_cpu_us"][0] / max(1, figures["by_node"][0]["deliveries"])


def redis_us(unit):
    return lambda figures: figures["redis_cpu_us"] / max(1, figures[unit])


def cpu_seconds(of):
    return lambda figures: sum(figures[of] if isinstance(figures[of], list) else [figures[of]]) / 1e6


def clustered(kind, name, arguments, rows, **more):
    return kind(name, arguments, rows, base=Server(), other=NODES, own=True, **more)


def fanout(name, subscribers, rate, events, title):
    """As many subscribers on each node as on the single server."""

    def load(number):
        return ("fanout", "--subscribers", number, "--rate", rate, "--events", events)

    rows = [
        Row(f"{title}: CPU per remote delivery", "us", remote_us, most=1.3),
        Row("the same: CPU per delivery on the publishing node", "us", local_us),
        Row("the same: CPU of Redis per event", "us", redis_us("events")),
    ]
    return clustered(Clustered, name, load(2 * subscribers), rows, base_arguments=load(subscribers))


def cluster_scenarios():
    return [
        fanout("cluster-fanout", 1000, 30, 150, "two nodes of 1,000 subscribers, 30 events/s"),
        fanout("cluster-fanout-100", 100, 200, 1000, "two nodes of 100 subscribers, 200 events/s"),
        clustered(
            Latency,
            "cluster-trigger",
            ("fanout", "--subscribers", 2, "--rate", 200, "--events", 1000),
            [
                Row("200 triggers/s on one of two nodes: p50 of the answer", "us", at("response.p50_us")),
                Row("the same: added to the p50 of the answer", "us", at("added_answer_us"), most_value=1000),
                Row("the same: added to the p50 on the other node", "us", at("added_us"), most_value=1000),
                Row("the same: CPU of Redis per event", "us", redis_us("events")),
            ],
        ),
        clustered(
            Clustered,
            "cluster-trigger-full",
            ("trigger",),
            [
                Row("triggers on one of two nodes, as fast as it goes: CPU of both", "us", CPU),
                Row("the same: requests", "/s", at("requests_per_s")),
                Row("the same: CPU of Redis per event", "us", redis_us("requests")),
            ],
            closed_loop=True,
        ),
        clustered(
            Clustered,
            "cluster-presence-1000",
            ("presence", "--members", 1000, "--joins", 50, "--rate", 20),
            [
                Row("join a presence channel of 1,000 on two nodes: CPU of both", "us", CPU, most=1.2),
                Row("the same: CPU of Redis", "us", redis_us("joins")),
                Row("the same: p50 of the answer", "us", at("latency.p50_us")),
            ],
        ),
        back("cluster-return", ("comeback",), "100,000 channels"),
    ]


def back(name, arguments, title):
    rows = [
        Row(f"{title} return to Redis, against the first time: slowest command", "us", at("redis_slowest.us"), most_value=50_000),
        Row("the same: until the node is ready", "s", at("ready_after")),
        Row("the same: until all channels are synchronized", "s", at("open_after")),
        Row("the same: CPU of the nodes", "s", cpu_seconds("node_cpu_us")),
        Row("the same: CPU of Redis", "s", cpu_seconds("redis_cpu_us")),
    ]
    return Return(name, arguments, rows, base=NODES, other=NODES, own=True)


def small_clusters():
    """For `--smoke`."""
    few = ("--subscribers", 10, "--rate", 50, "--events", 20)
    cpu = [Row("CPU", "us", CPU), Row("CPU of Redis", "us", at("redis_cpu_us"))]
    return [
        clustered(Latency, "cluster-fanout", ("fanout", *few), [Row("remote", "us", remote_us), *cpu]),
        clustered(Clustered, "cluster-trigger", ("trigger", "--seconds", 0.3, "--warm-up", 0.1), cpu),
        clustered(Clustered, "cluster-presence", ("presence", "--members", 6, "--joins", 4), cpu),
        back("cluster-return", ("comeback", "--sockets", 10, "--each", 5, "--events", 50), "50 channels"),
    ]
