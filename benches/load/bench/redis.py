"""Asks Redis what the load cost it."""

import socket

TIMEOUT = 10  # seconds


def slowest_command(port):
    """Name and time of the slowest command that is still in the slow log."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        connection.sendall(b"SLOWLOG GET 100000\r\n")
        with connection.makefile("rb") as answers:
            entries = read(answers)
    # An entry is its number, its time, its duration and its words.
    slowest = max(entries, key=lambda entry: entry[2], default=None)
    if slowest is None:
        return {"us": 0, "command": "", "logged": 0}
    return {"us": slowest[2], "command": " ".join(name(slowest[3])), "logged": len(entries)}


def name(words):
    """The command, with the hash of its script or the number of its words."""
    command = words[0].decode(errors="replace").upper()
    return [command, words[1].decode(errors="replace")] if command.startswith("EVAL") else [command, f"({len(words)} words)"]


def read(answers):
    """One answer in the protocol RESP2."""
    line = answers.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind == b"*":
        return [read(answers) for _ in range(int(rest))]
    if kind == b"$":
        return None if int(rest) < 0 else answers.read(int(rest) + 2)[:-2]
    if kind == b":":
        return int(rest)
    if kind == b"-":
        raise OSError(f"Redis: {rest.decode(errors='replace')}")
    return rest
