#!/usr/bin/env python3
"""Writes the seed corpus: inputs of each target that get it past the first checks.

Usage: seeds.py DIRECTORY
"""

import base64
import json
import struct
import sys
from pathlib import Path


def client_frame(first, payload, mask=b"\x01\x02\x03\x04"):
    """A masked frame; `first` is FIN and opcode."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + struct.pack(">H", size)
    else:
        length = b"\xff" + struct.pack(">Q", size)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([first]) + length + mask + masked


def frame(event, data, **more):
    return json.dumps({"event": event, "data": data, **more}).encode()


CLIENT_FRAMES = [
    frame("pusher:ping", {}),
    frame("pusher:pong", {}),
    frame("pusher:subscribe", {"channel": "room"}),
    frame("pusher:subscribe", {"channel": "private-a", "auth": "key:" + "0" * 64}),
    frame("pusher:subscribe", json.dumps({"channel": "presence-a", "channel_data": '{"user_id":"1"}'})),
    frame("pusher:unsubscribe", {"channel": "room"}),
    frame("pusher:signin", {"auth": "key:" + "0" * 64, "user_data": '{"id":"1"}'}),
    frame("client-typing", {"who": "x"}, channel="private-a"),
    frame("client-cut", "x", channel="private-a").replace(b'"x"', rb'"cut \ud83d"'),
    frame("jetsocket:subscribe", {"channel": "room"}),
]

ENVELOPE = {
    "nonce": base64.b64encode(bytes(24)).decode(),
    "ciphertext": base64.b64encode(bytes(20)).decode(),
}

POSITIONS = [
    bytes([0, 0]),
    bytes([1]) + bytes(5) + bytes([9]) + bytes(5) + bytes([0, 0]),
    bytes([5]) + bytes(10) + b"\x80\x90\x01" + bytes(5) + bytes([0, 0]) + b"\x01" * 5 + bytes([2, 7]),
]

def text(value):
    """A text of a content of the cluster, behind its length."""
    return struct.pack(">I", len(value)) + value


SOCKET_ID = bytes([1]) + struct.pack(">QQ", 1, 2)

SEEDS = {
    # The kind of content in the first byte.
    "cluster_content": [
        bytes([0]) + text(b"e") + bytes([0]) + text(b"{}") + SOCKET_ID + bytes([1]) + text(b"u"),
        bytes([0]) + text(b"e") + bytes([1]) + struct.pack(">IQ", 1, 2) + text(b"x") + bytes(2),
        bytes([1]) + text(b"u") + bytes([1]) + text(b"{}"),
        bytes([2]) + text(b"room"),
        bytes([5]) + text(b"1001") + text(b"room") + bytes(8) + bytes([3]) + text(b"u"),
        bytes([5]) + text(b"1001") + text(b"room") + bytes(8)
        + bytes([5]) + text(b"client-a") + text(b"{}") + SOCKET_ID + bytes([1]) + text(b"u"),
        bytes([5]) + text(b"1001") + text(b"room") + bytes(8) + bytes([7, 0, 0, 1, 2]),
        bytes([6, 1]) + struct.pack(">QI", 3, 258) + b"x",
        bytes([6, 2]) + struct.pack(">Q", 3) + b"x",
        bytes([7]) + text(b"1001") + bytes([2]) + SOCKET_ID[1:] + text(b"room")
        + bytes([1]) + text(b"u") + struct.pack(">Q", 3) + bytes([0, 3, 1])
        + text(b"j") + text(b"u") + struct.pack(">Q", 3),
        bytes([7]) + text(b"1001") + bytes([5, 1]) + struct.pack(">Q", 3) + text(b"j"),
        bytes([8, 3, 1]) + struct.pack(">IQ", 1, 2) + bytes([1]) + text(b"u"),
        bytes([9, 2]) + struct.pack(">II", 1, 7) + b"\x01" * 6 + bytes([2])
        + struct.pack(">Q", 2) + bytes([1]) + struct.pack(">QQ", 3, 4)
        + struct.pack(">I", 1) + b"\x02" * 6 + text(b"wrapped")
        + struct.pack(">I", 1) + text(b"c") + struct.pack(">I", 1) + bytes(16)
        + struct.pack(">Q", 8) + struct.pack(">I", 1) + text(b"c") + text(b"u")
        + struct.pack(">Q", 9) + bytes([1]) + struct.pack(">QI", 10, 0),
        bytes([10, 3]) + struct.pack(">Q", 3) + text(b"u"),
    ],
    "cluster_envelope": [
        bytes([1, kind]) + b"\x11" * 16 + struct.pack(">QQ", 5, 1_800_000_000_000) + bytes(16)
        for kind in (1, 2, 3, 4)
    ],
    "cluster_url": [
        b"redis://user:PASSWORD@redis.internal:6379/0",
        b"rediss://:PASSWORD@[2001:db8::1]",
        b"redis+sentinel://u:PASSWORD@a,b:26380/my-master/0",
        b"rediss-cluster://u%40x:PASSWORD%2F@10.0.0.1,10.0.0.2:7001",
        b"nats://PASSWORD@a",
    ],
    "redis_topology": [
        b"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n",
        b"*2\r\n$7\r\nfd00::7\r\n$1\r\n1\r\n",
        b"_\r\n",
        b"-ERR unknown command\r\n",
        b"*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:7001\r\n$2\r\nid\r\n",
        b"*1\r\n*3\r\n:5\r\n:5\r\n*4\r\n_\r\n:1\r\n$2\r\nid\r\n%0\r\n",
    ],
    "position": POSITIONS,
    "websocket": [
        bytes([piece]) + b"".join(frames)
        for piece in (1, 7, 255)
        for frames in (
            [client_frame(0x81, b"hello")],
            [client_frame(0x01, b"hel"), client_frame(0x89, b"p"), client_frame(0x80, b"lo")],
            [client_frame(0x82, b"\xff"), client_frame(0x8A, b""), client_frame(0x88, b"\x03\xe8bye")],
            [client_frame(0x81, b"x" * 126)],
            [client_frame(0x88, b"\x10\x68")],
        )
    ],
    "client_frame": CLIENT_FRAMES,
    "proxy_header": [
        b"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n",
        b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n",
        b"PROXY UNKNOWN\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24" + bytes(36),
        b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
    ],
    "envelope": [json.dumps(ENVELOPE).encode(), b"hello", b'{"a":1}', b"null", b'{"nonce":"","ciphertext":""}'],
    "ciphertext": [
        json.dumps(ENVELOPE).encode(),
        base64.urlsafe_b64encode(bytes(12)) + b"." + base64.urlsafe_b64encode(bytes(18)),
        b'"' + base64.urlsafe_b64encode(b"\xff" * 12) + b"." + base64.urlsafe_b64encode(b"\xfe" * 30) + b'"',
        base64.urlsafe_b64encode(b'{"text":"hel') + b"." + base64.urlsafe_b64encode(b'lo everybody"}    '),
        b"hello.world",
    ],
    "fields": [
        b"socket_id=1.2&channel_name=private-a&app_key=key",
        b"auth_key=k&auth_timestamp=1&auth_version=1.0&body_md5=x&auth_signature=y&info=a%2Cb&channels[]=a",
        b'{"socket_id":"1.2","channel_name":"private-a","user_info":{"name":"x"}}',
        b'{"socket_id":"1.2","socket_id":"1.3"}',
        b"a=%ff&b=+&=&&c",
    ],
    "jwt_rules": [
        b'{"sub":"u","exp":99999999,"org":"o1"}\nprivate-org-{claims.org}-*\nprivate-org-o1-x',
        b'{"sub":"u","exp":4102444800,"channels":["private-a-*"]}\nprivate-*\nprivate-a',
        b'{"exp":4102444800,"a":{"b":7}}\npresence-{claims.a.b}\npresence-7',
        b'{"exp":4102444800,"nbf":-1,"iat":1e300}\nprivate-x\nprivate-x',
    ],
    "origins": [
        b"https://app.example.com\nhttps://app.example.com",
        b"https://*.example.com\nhttps://a.example.com",
        b"http://localhost:*\nhttp://localhost:3000",
        b"https://[::1]:8443\nhttps://[::1]:8443",
        b"capacitor://localhost\ncapacitor://localhost",
        b"self\nhttps://app.example.com",
    ],
    "config": [
        b'[cluster]\nurl = "redis://u:x@a"\nkey = "hex:SECRET"\nwhen_away = "close"\n'
        b'[apps.a]\nkey = "k"\nsecret = "SECRET"\n',
        b'[history]\nkey = "hex:SECRET"\nbytes = "64MiB"\n[apps.a]\nkey = "k"\nsecret = "SECRET"\n'
        b'[[apps.a.channels]]\npattern = "presence-*"\ncache_ttl = "1h"\npayload = "ciphertext"\n'
        b'history = { events = 5, bytes = "64KiB", ttl = "1h 30m", store = "disk", sync = "before" }\n',
        b'[apps.a]\nkey = "k"\nsecret = "SECRET"\n',
        b'listen = "127.0.0.1:0"\nlog = "warn,sealcast=debug"\n[apps.a]\nkey = "k"\nsecret = "SECRET"\n'
        b'origins = ["https://*.example.com"]\nauthorizer = "jwt"\n'
        b'[[apps.a.rules]]\nchannel = "private-{claims.org}"\nallow = ["subscribe"]\n',
        b'[apps.a]\nkey = "k"\nsecret = "SECRET"\nmode = "blind"\n[apps.a.limits]\nevent_bytes = 5\n'
        b'[[apps.a.webhooks]]\nurl = "http://127.0.0.1:1/hook"\nheaders = { x = "SECRET" }\n',
        b'[apps.a]\nkey = "k"\nsecret = "SECRET"\nauthorizer = "forward"\n'
        b'[apps.a.forward]\nurl = "http://127.0.0.1:1/auth"\n',
    ],
}

# The client of the first byte, then pairs of a command and its argument.
SEEDS["rekey"] = [
    bytes([0]) + bytes([7, 1, 1, 100, 0, 1, 4, 1, 6, 1, 3, 1, 0, 1, 1, 90, 3, 1, 1, 90, 3, 1]),
    bytes([0]) + bytes([7, 1, 0, 1, 8, 200, 4, 1, 6, 1, 3, 1, 7, 1, 0, 1, 8, 100]),
    bytes([1]) + bytes([6, 1, 1, 50, 2, 1, 3, 1, 0, 1, 2, 1, 1, 200, 7, 1, 1, 50, 2, 1, 3, 1]),
    bytes([1]) + bytes([6, 1, 0, 1, 2, 1, 4, 1, 0, 1]),
]

# Commands: joining (2) every channel, publishing (8), authorizing (11), revoking (12), reading (10).
SEEDS["session"] = [
    bytes(byte for channel in range(7) for byte in (10, 0, 255, 2, channel, 8, channel, 10, 0, 255)),
    bytes([10, 0, 255, 11, 3, 2, 3, 8, 3, 10, 0, 255, 12, 3, 8, 3, 10, 0, 255, 2, 3]),
    bytes([7, 0, 1, 2, 6, 2, 5, 130, 5, 6, 2, 3, 97, 98, 99, 5, 5, 15, 0, 14, 0]),
    # An event for a user that has signed in and has not subscribed.
    bytes([10, 0, 255, 7, 0, 1, 8, 6, 10, 0, 255]),
    bytes([1, 0, len(CLIENT_FRAMES[2])]) + CLIENT_FRAMES[2] + bytes([13, 0, 0, 1, 112, 10, 0, 255]),
]


def main():
    for target, seeds in SEEDS.items():
        directory = Path(sys.argv[1], target)
        directory.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            Path(directory, f"seed-{number}").write_bytes(seed)


if __name__ == "__main__":
    main()
