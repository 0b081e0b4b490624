import unittest

from pusher.errors import PusherBadAuth, PusherBadRequest, PusherBadStatus
from support import App, ServerTest

APP = App("1001", subscription_count=True)


class Publish(ServerTest):
    apps = [APP]

    def test_trigger_arrives_unchanged(self):
        raw = self.raw(APP)
        raw.subscribe("news")
        self.assertEqual(self.sdk(APP).trigger("news", "note", 'spaces  and "quotes" and 日本語'), {})
        frame = raw.next("note")
        self.assertEqual(frame["data"], 'spaces  and "quotes" and 日本語')
        self.assertEqual(frame["channel"], "news")

    def test_trigger_reaches_several_channels(self):
        raw = self.raw(APP)
        raw.subscribe("room-a")
        raw.subscribe("room-b")
        self.sdk(APP).trigger(["room-a", "room-b"], "note", {"n": 1})
        self.assertEqual({raw.next("note")["channel"], raw.next("note")["channel"]}, {"room-a", "room-b"})

    def test_excluded_socket_gets_no_event(self):
        raw, other = self.raw(APP), self.raw(APP)
        raw.subscribe("news")
        other.subscribe("news")
        sdk = self.sdk(APP)
        sdk.trigger("news", "edited", 1, socket_id=raw.socket_id)
        sdk.trigger("news", "end", 1)
        other.next("edited")
        raw.next("end")
        self.assertNotIn("edited", raw.seen)

    def test_batch_is_delivered_in_order(self):
        raw = self.raw(APP)
        raw.subscribe("news")
        batch = [{"channel": "news", "name": "count", "data": n} for n in range(10)]
        self.assertEqual(self.sdk(APP).trigger_batch(batch), {})
        self.assertEqual([raw.next("count")["data"] for _ in range(10)], [str(n) for n in range(10)])

    def test_event_for_a_user(self):
        raw = self.raw(APP)
        sdk = self.sdk(APP)
        raw.sign_in(sdk, {"id": "user-1"})
        sdk.send_to_user("user-1", "invoice", {"number": 1})
        frame = raw.next("invoice")
        self.assertEqual((frame["channel"], frame["data"]), ("#server-to-user-user-1", '{"number": 1}'))

    def test_wrong_secret_is_refused_with_a_readable_text(self):
        with self.assertRaisesRegex(PusherBadAuth, "invalid_signature") as refused:
            self.sdk(APP, secret="some other secret").trigger("news", "note", 1)
        self.assertNotIn(APP.secret, str(refused.exception))

    def test_bad_request_is_refused_with_a_readable_text(self):
        with self.assertRaisesRegex(PusherBadRequest, "invalid_"):
            self.sdk(APP).trigger("news", "pusher:reserved", 1)

    def test_oversized_event_is_refused(self):
        with self.assertRaisesRegex(PusherBadStatus, "413.*event_too_large"):
            self.sdk(APP).trigger("news", "note", "x" * 10_241)


if __name__ == "__main__":
    unittest.main()
