"""All scenarios, in the order in which they run."""

from .clustered import cluster_scenarios, small_clusters
from .history import history_scenarios
from .kinds import Crowd, Idle, Sealing, Slow, Steps, Tls, Workers
from .scenario import CPU, P99, Row, Scenario, at
from .targets import Floor, Server


def fanout(subscribers, rate, events, payload=128):
    return (
        "fanout", "--subscribers", subscribers, "--rate", rate, "--events", events, "--payload", payload,
    )


def scenarios():
    coalescing = Floor("coalesce")
    slow = fanout(240, 100, 800, 10_000)
    return [
        Scenario(
            "fanout-1000",
            fanout(1000, 30, 150),
            [
                Row("1,000 subscribers, 30 events/s, 128 B: CPU per delivery", "us", CPU, most=1.15),
                Row("the same: p99 latency", "us", P99, most=1.15),
            ],
        ),
        Scenario(
            "fanout-100",
            fanout(100, 200, 1000),
            [Row("100 subscribers, 200 events/s: CPU per delivery", "us", CPU, most=1.25)],
        ),
        Scenario(
            "fanout-4k",
            fanout(1000, 30, 150, 4096),
            [Row("1,000 subscribers, 4 KiB: CPU per delivery", "us", CPU, most=1.15)],
        ),
        Scenario(
            "saturate-1000",
            ("saturate", "--subscribers", 1000),
            [
                Row("1,000 subscribers, as fast as it goes: deliveries", "/s", at("deliveries_per_s"), least=0.75),
                Row("the same: CPU per delivery", "us", CPU),
            ],
            base=coalescing,
            closed_loop=True,
        ),
        Scenario(
            "saturate-100",
            ("saturate", "--subscribers", 100),
            [
                Row("100 subscribers, as fast as it goes: deliveries", "/s", at("deliveries_per_s"), least=0.75),
                Row("the same: CPU per delivery", "us", CPU),
            ],
            base=coalescing,
            closed_loop=True,
        ),
        Scenario(
            "trigger",
            ("trigger",),
            [
                Row("signed trigger, keep-alive: CPU", "us", CPU, most=2.2),
                Row("the same: requests", "/s", at("requests_per_s"), least_value=45_000),
            ],
            closed_loop=True,
        ),
        Scenario(
            "trigger-close",
            ("trigger", "--close"),
            [Row("signed trigger, closed each time: CPU", "us", CPU, most=1.5)],
            base=Floor("close"),
            closed_loop=True,
        ),
        Scenario(
            "client-event",
            ("client-event",),
            [Row("client event: CPU per message", "us", CPU, most=1.4)],
            closed_loop=True,
        ),
        Idle(
            "idle",
            (),
            [
                Row("idle subscribed socket: resident bytes", "B", at("resident_bytes_each"), most_value=2500),
                Row("connect + subscribe: CPU", "us", CPU, most=2),
            ],
        ),
        Scenario(
            "churn",
            ("churn",),
            [Row("connect, subscribe, close: CPU", "us", CPU, most=2)],
            closed_loop=True,
        ),
        Scenario(
            "presence-100",
            ("presence", "--members", 100, "--joins", 50),
            [Row("join a presence channel of 100: CPU", "us", CPU, most=1.1)],
        ),
        Scenario(
            "presence-1000",
            ("presence", "--members", 1000, "--joins", 50),
            [Row("join a presence channel of 1,000: CPU", "us", CPU, most=1.1)],
        ),
        Steps("latency", (), [], base=coalescing),
        Scenario(
            "storm",
            ("storm",),
            [
                Row("5,000 clients at once after a restart: CPU per client", "us", CPU),
                Row("the same: until all are subscribed", "s", at("seconds")),
            ],
        ),
        Scenario(
            "channels",
            ("channels",),
            [
                Row("100,000 channels of one: resident bytes per subscription", "B", at("resident_bytes_each")),
                Row("the same: CPU per subscription", "us", CPU),
                Row("the same: CPU per event", "us", at("event_cpu_us_each")),
            ],
        ),
        Crowd("sockets", (), [], seconds=300),
        Scenario(
            "sealed",
            (*fanout(1000, 30, 150), "--sealed"),
            [
                Row("sealed fan-out against clear: CPU per delivery", "us", CPU, most=1.1),
                Row("the same: p99 latency", "us", P99),
            ],
            base=Server(),
            base_arguments=fanout(1000, 30, 150),
            own=True,
        ),
        Sealing(
            "sealing",
            ("trigger", "--nobody", "--seconds", 3),
            [
                Row("trigger, sealed against clear: CPU per KiB of data", "us", at("us_per_kib")),
                Row("the same, of 128 B: CPU", "us", at("small_us")),
            ],
            base=Server(),
            own=True,
        ),
        Slow(
            "slow-readers",
            (*slow, "--slow", 40),
            [
                Row("40 slow among 240, against none: p99 of the fast", "us", P99, most=1.15),
                Row("the same: CPU per delivery to the fast", "us", CPU),
            ],
            base=Server(),
            base_arguments=slow,
            own=True,
        ),
        Tls(
            "tls-fanout-1000",
            fanout(1000, 30, 150),
            [
                Row("TLS against clear, 1,000 subscribers, 30 events/s: CPU per delivery", "us", CPU),
                Row("the same: p99 latency", "us", P99),
            ],
            base=Server(),
            other=Server(tls=True),
            own=True,
        ),
        Tls(
            "tls-idle",
            ("idle", "--connections", 2000),
            [
                Row("TLS against clear, idle socket: resident bytes", "B", at("resident_bytes_each")),
                Row("the same, connect + subscribe: CPU", "us", CPU),
            ],
            base=Server(),
            other=Server(tls=True),
            own=True,
        ),
        Tls(
            "tls-trigger",
            ("trigger",),
            [
                Row("TLS against clear, signed trigger, keep-alive: CPU", "us", CPU),
                Row("the same: requests", "/s", at("requests_per_s")),
            ],
            base=Server(),
            other=Server(tls=True),
            own=True,
            closed_loop=True,
        ),
        Workers(
            "two-workers",
            ("saturate", "--subscribers", 1000),
            [],
            base=Server(workers=1),
            other=Server(workers=2),
            own=True,
            closed_loop=True,
        ),
        *history_scenarios(),
        *cluster_scenarios(),
    ]


def smoke():
    """Every kind of load, tiny."""

    def tiny(name, *arguments, base=Floor()):
        return Scenario(name, (name, *arguments), [Row(f"{name}: CPU", "us", CPU)], base=base)

    def logged(name, command, *arguments, store="memory"):
        server, rows = Server(history=store), [Row(f"{name}: CPU", "us", CPU)]
        return Scenario(name, (command, *arguments), rows, base=server, other=server, own=True)

    few = ("--subscribers", 10, "--rate", 50, "--events", 20)
    return_of_few = ("--clients", 10, "--missed", 5)

    return [
        tiny("fanout", *few),
        tiny("saturate", "--subscribers", 10, "--seconds", 0.3, base=Floor("coalesce")),
        tiny("trigger", "--seconds", 0.3, "--warm-up", 0.1),
        tiny("client-event", "--pairs", 3, "--seconds", 0.3, "--warm-up", 0.1),
        tiny("idle", "--connections", 20, "--settle", 0.1),
        tiny("churn", "--concurrency", 4, "--seconds", 0.3),
        tiny("presence", "--members", 5, "--joins", 5),
        tiny("storm", "--clients", 20, "--channels", 10),
        tiny("channels", "--sockets", 10, "--each", 5, "--events", 50),
        tiny("crowd", "--connections", 20),
        logged("streams-idle", "idle", "--connections", 20, "--settle", 0.1, "--streams"),
        logged("streams-fanout", "fanout", *few, "--streams"),
        logged("journal", "fanout", *few, store="disk"),
        logged("recover", "recover", *return_of_few),
        logged("recover-sealed", "recover", *return_of_few, "--sealed"),
        logged("recover-streams", "recover", *return_of_few, "--streams"),
        *small_clusters(),
    ]
