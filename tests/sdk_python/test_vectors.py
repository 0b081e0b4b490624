"""`sealcast keys vector` against PyNaCl, hashlib and the official SDK."""

import hashlib
import hmac
import json
import secrets
import subprocess
import unittest
from base64 import b64decode, b64encode

import nacl.secret
import pusher

from support import BINARY



def hkdf(key, channel, app, salt):
    """The secret of a channel without revocations; one HKDF block suffices."""
    parts = [b"sealcast shared secret 2", app, channel]
    info = b"".join(len(part).to_bytes(8, "big") + part for part in parts) + bytes(8)
    extracted = hmac.new(salt, key, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


DERIVATIONS = {
    "pusher": lambda key, channel, app, salt: hashlib.sha256(channel + key).digest(),
    "dotnet": lambda key, channel, app, salt: hmac.new(key, channel, hashlib.sha256).digest(),
    "hkdf": hkdf,
}


def vectors(*args, stdin=""):
    run = subprocess.run([BINARY, "keys", "vector", *args], input=stdin, env={}, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


class Vectors(unittest.TestCase):
    def check(self, found, key):
        salt = b64decode(found["salt"], validate=True)
        for vector in found["encrypted"]:
            secret = DERIVATIONS[vector["derivation"]](key, vector["channel"].encode(), found["app"]["id"].encode(), salt)
            self.assertEqual(b64decode(vector["shared_secret"], validate=True), secret)
            envelope = json.loads(vector["data"])
            nonce, ciphertext = b64decode(envelope["nonce"]), b64decode(envelope["ciphertext"])
            box = nacl.secret.SecretBox(secret)
            self.assertEqual(box.decrypt(ciphertext, nonce).decode(), vector["plaintext"])
            self.assertEqual(box.encrypt(vector["plaintext"].encode(), nonce).ciphertext, ciphertext)

    def test_published_vectors_open(self):
        found = vectors()
        self.assertEqual(len(found["encrypted"]), 6)
        self.check(found, bytes(range(32)))

    def test_vectors_of_a_given_key_open(self):
        key = secrets.token_bytes(32)
        salt = b64encode(secrets.token_bytes(32)).decode()
        found = vectors("--key", "-", "--salt", salt, "--channel", "private-encrypted-mine", stdin=b64encode(key).decode())
        self.assertEqual(found["salt"], salt)
        self.assertEqual([vector["channel"] for vector in found["encrypted"]], ["private-encrypted-mine"] * 3)
        self.check(found, key)

    def test_official_sdk_computes_the_same_signatures(self):
        found = vectors()
        app = found["app"]
        sdk = pusher.Pusher(app["id"], app["key"], app["secret"], encryption_master_key_base64=b64encode(bytes(range(32))).decode())
        shared = {v["channel"]: v["shared_secret"] for v in found["encrypted"] if v["derivation"] == "pusher"}
        for vector in found["channel_auth"]:
            # The SDK writes JSON with blanks, so the data of a member is signed here.
            if "channel_data" in vector:
                digest = hmac.new(app["secret"].encode(), vector["string_to_sign"].encode(), hashlib.sha256).hexdigest()
                self.assertEqual(vector["auth"], f"{app['key']}:{digest}")
                continue
            answer = sdk.authenticate(vector["channel"], found["socket_id"])
            self.assertEqual(answer["auth"], vector["auth"])
            # This SDK gives bytes.
            self.assertEqual(answer.get("shared_secret", b"").decode(), shared.get(vector["channel"], ""))


if __name__ == "__main__":
    unittest.main()
