import json
import unittest
import urllib.parse
import urllib.request

import nacl.exceptions
from pusher.errors import PusherBadStatus
from support import App, ServerTest, a_master_key, opened, publish_plaintext

MASTER_KEY = a_master_key()
SEALING = App("1001", master_key=MASTER_KEY, authorizer="open")
BLIND = App("1002")
ROOM = "private-encrypted-room"

PLAINTEXTS = {
    "a zero": "0",
    "an empty string": "",
    "null": "null",
    "a bare word": "hello",
    "an object": '{"a":1}',
    "long unicode": "Grüße, 日本語, 🦀 " * 100,
}


class SealedByTheServer(ServerTest):
    apps = [SEALING]

    def test_plaintext_opens_in_pynacl(self):
        raw = self.raw(SEALING)
        raw.subscribe(ROOM)
        for name, plaintext in PLAINTEXTS.items():
            with self.subTest(name):
                publish_plaintext(self.sdk(SEALING), [ROOM], "note", plaintext)
                data = raw.next("note")["data"]
                self.assertEqual(set(json.loads(data)), {"nonce", "ciphertext"})
                self.assertEqual(opened(data, MASTER_KEY, ROOM), plaintext)

    def test_f30_trigger_on_the_alias_is_sealed_without_a_key_in_the_sdk(self):
        raw = self.raw(SEALING)
        raw.subscribe(ROOM)
        sdk = self.sdk(SEALING)
        sdk.trigger("private-sealed-room", "note", {"text": "hällo"})
        frame = raw.next("note")
        self.assertEqual(frame["channel"], ROOM)
        self.assertEqual(json.loads(opened(frame["data"], MASTER_KEY, ROOM)), {"text": "hällo"})
        sdk.trigger_batch([{"channel": "private-sealed-room", "name": "note", "data": "from a batch"}])
        self.assertEqual(opened(raw.next("note")["data"], MASTER_KEY, ROOM), "from a batch")

    def test_other_master_key_does_not_open_the_event(self):
        raw = self.raw(SEALING)
        raw.subscribe(ROOM)
        publish_plaintext(self.sdk(SEALING), [ROOM], "note", "hello")
        data = raw.next("note")["data"]
        with self.assertRaises(nacl.exceptions.CryptoError):
            opened(data, a_master_key(), ROOM)

    def test_plain_batch_is_sealed(self):
        raw = self.raw(SEALING)
        raw.subscribe(ROOM)
        batch = [{"channel": ROOM, "name": "note", "data": "hello"}]
        self.sdk(SEALING).trigger_batch(batch, already_encoded=True)
        self.assertEqual(opened(raw.next("note")["data"], MASTER_KEY, ROOM), "hello")

    def test_endpoint_and_sdk_return_the_same_secret(self):
        raw = self.raw(SEALING)
        form = urllib.parse.urlencode({"socket_id": raw.socket_id, "channel_name": ROOM}).encode()
        with urllib.request.urlopen(self.server.url("/pusher/auth"), form, timeout=5) as response:
            answer = json.load(response)
        expected = self.sdk(SEALING, encryption_master_key_base64=MASTER_KEY).authenticate(ROOM, raw.socket_id)
        self.assertEqual(answer["auth"], expected["auth"])
        self.assertEqual(answer["shared_secret"], expected["shared_secret"].decode())


class SealedByTheSdk(ServerTest):
    apps = [SEALING, BLIND]

    def check_relayed(self, app):
        raw = self.raw(app)
        raw.subscribe(ROOM)
        sdk = self.sdk(app, encryption_master_key_base64=MASTER_KEY)
        sdk.trigger(ROOM, "note", {"text": "hällo"})
        self.assertEqual(json.loads(opened(raw.next("note")["data"], MASTER_KEY, ROOM)), {"text": "hällo"})
        sdk.trigger_batch([{"channel": ROOM, "name": "note", "data": "from a batch"}])
        self.assertEqual(opened(raw.next("note")["data"], MASTER_KEY, ROOM), "from a batch")

    def test_event_is_relayed_by_a_server_with_the_same_key(self):
        self.check_relayed(SEALING)

    def test_event_is_relayed_by_a_server_without_a_key(self):
        self.check_relayed(BLIND)

    def test_event_under_another_key_is_refused(self):
        with self.assertRaisesRegex(PusherBadStatus, "422.*envelope_does_not_open"):
            self.sdk(SEALING, encryption_master_key_base64=a_master_key()).trigger(ROOM, "note", "hello")

    def test_f30_alias_is_refused_by_a_server_without_a_key(self):
        with self.assertRaisesRegex(PusherBadStatus, "422.*alias_without_key"):
            self.sdk(BLIND).trigger("private-sealed-room", "note", "hello")

    def test_plaintext_is_refused_by_a_server_without_a_key(self):
        raw = self.raw(BLIND)
        raw.subscribe(ROOM)
        with self.assertRaisesRegex(PusherBadStatus, "422.*plaintext_on_encrypted_channel"):
            publish_plaintext(self.sdk(BLIND), [ROOM], "note", "hello")
        self.sdk(BLIND, encryption_master_key_base64=MASTER_KEY).trigger(ROOM, "end", 1)
        raw.next("end")
        self.assertNotIn("note", raw.seen)


if __name__ == "__main__":
    unittest.main()
