"""Signatures of the protocol, and unique names."""

import hashlib
import hmac
import itertools
import time
from dataclasses import dataclass
from urllib.parse import quote

_numbers = itertools.count()


def fresh(prefix):
    return f"{prefix}{next(_numbers)}"


@dataclass(frozen=True)
class App:
    id: str
    key: str
    secret: str

    def digest(self, text):
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def channel_auth(self, socket_id, channel, channel_data=None):
        parts = [socket_id, channel] if channel_data is None else [socket_id, channel, channel_data]
        return f"{self.key}:{self.digest(':'.join(parts))}"

    def user_auth(self, socket_id, user_data):
        return f"{self.key}:{self.digest(f'{socket_id}::user::{user_data}')}"

    def target(self, method, path, body=b"", **parameters):
        """The request target with its signature parameters."""
        signed = {
            **parameters,
            "auth_key": self.key,
            "auth_timestamp": str(int(time.time())),
            "auth_version": "1.0",
        }
        if body:
            signed["body_md5"] = hashlib.md5(body).hexdigest()
        text = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
        signed["auth_signature"] = self.digest(f"{method}\n{path}\n{text}")
        return path + "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in signed.items())
