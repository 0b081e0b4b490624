"""Scenarios of event streams and of channels with a history. The base is the server itself."""

from .kinds import Added, IdleStreams
from .scenario import CPU, P99, Row, Scenario, at
from .targets import Server

LOGGED = Server(history="memory")
ON_DISK = Server(history="disk")
FANOUT = ("fanout", "--subscribers", 1000, "--rate", 30, "--events", 150)
RATES = (200, 2000, 10_000)  # events a second
SECONDS = 5
RETURN = ("recover", "--clients", 1000)


def history_scenarios():
    return [*streams(), *logging(), *map(journal, RATES), *recoveries()]


def streams():
    return [
        IdleStreams(
            "streams-idle",
            (),
            [
                Row("stream against WebSocket, idle: resident bytes", "B", at("resident_bytes_each"), most=1.3),
                Row("the same, open + subscribe: CPU", "us", CPU),
            ],
            base=Server(),
            own=True,
        ),
        streams_fanout("streams-fanout", "1,000 streams against WebSockets", Server()),
        streams_fanout("streams-logged", "the same with a history", LOGGED),
    ]


def streams_fanout(name, title, server):
    return Scenario(
        name,
        (*FANOUT, "--streams"),
        [
            Row(f"{title}, 30 events/s: CPU per delivery", "us", CPU, most=1.1),
            Row("the same: p99 latency", "us", P99),
        ],
        base=server,
        other=server,
        base_arguments=FANOUT,
        own=True,
    )


def logging():
    trigger = ("trigger", "--nobody")

    def added(name, title, arguments, **aims):
        rows = [
            Row(f"{title}, logged against not: CPU", "us", CPU),
            Row("the same: added by the log", "us", at("added_us"), **aims),
        ]
        return Added(name, arguments, rows, base=Server(), other=LOGGED, own=True, closed_loop=True)

    return [
        added("logging", "trigger", trigger, most_value=1.5),
        added("logging-sealed", "trigger to an encrypted channel", (*trigger, "--sealed")),
    ]


def journal(rate):
    load = ("fanout", "--subscribers", 1, "--publishers", 16, "--rate", rate, "--events", rate * SECONDS)
    rows = [
        Row(f"{rate:,} events/s, log on disk against in memory: CPU per event", "us", CPU),
        Row("the same: added by the disk", "us", at("added_us"), most_value=20),
    ]
    return Added(f"journal-{rate}", load, rows, base=LOGGED, other=ON_DISK, own=True)


def recoveries():
    return [
        recovery("recover", "1,000 WebSockets"),
        recovery("recover-sealed", "1,000 WebSockets, encrypted", "--sealed"),
        recovery("recover-streams", "1,000 streams", "--streams"),
    ]


def recovery(name, title, *more):
    return Scenario(
        name,
        (*RETURN, "--missed", 100, *more),
        [
            Row(f"{title} return to 100 missed events, against none: CPU", "s", at("server_cpu_seconds"), most_value=1),
            Row("the same: until all have them", "s", at("seconds")),
        ],
        base=LOGGED,
        other=LOGGED,
        base_arguments=(*RETURN, "--missed", 0, *more),
        own=True,
    )
