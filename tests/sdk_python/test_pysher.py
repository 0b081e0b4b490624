import json
import unittest

from support import App, ServerTest

APP = App("1001", authorizer="open", client_events=True)


class Pysher(ServerTest):
    apps = [APP]

    def test_public_channel(self):
        news = self.pysher(APP).subscribed("news", "note")
        self.sdk(APP).trigger("news", "note", {"n": 1})
        self.assertEqual(json.loads(news["note"].next("note")), {"n": 1})

    def test_private_channel_signed_by_the_client(self):
        room = self.pysher(APP, secret=APP.secret).subscribed("private-room", "note")
        self.sdk(APP).trigger("private-room", "note", "hello")
        self.assertEqual(room["note"].next("note"), "hello")

    def test_private_channel_signed_by_the_endpoint(self):
        room = self.pysher(APP, auth_endpoint=self.server.url("/pusher/auth")).subscribed("private-room", "note")
        self.sdk(APP).trigger("private-room", "note", "hello")
        self.assertEqual(room["note"].next("note"), "hello")

    def test_presence_channel(self):
        first = self.pysher(APP, secret=APP.secret, user_data={"user_id": "user-1", "user_info": {"name": "One"}})
        added, removed = "pusher_internal:member_added", "pusher_internal:member_removed"
        room = first.subscribed("presence-room", added, removed)
        members = json.loads(room["success"])["presence"]
        self.assertEqual(members, {"ids": ["user-1"], "hash": {"user-1": {"name": "One"}}, "count": 1})
        second = self.pysher(APP, secret=APP.secret, user_data={"user_id": "user-2"})
        second.subscribed("presence-room")
        self.assertEqual(json.loads(room[added].next(added))["user_id"], "user-2")
        second.pysher.unsubscribe("presence-room")
        self.assertEqual(json.loads(room[removed].next(removed)), {"user_id": "user-2"})

    def test_client_event(self):
        sender, receiver = self.pysher(APP, secret=APP.secret), self.pysher(APP, secret=APP.secret)
        sender.subscribed("private-room")
        room = receiver.subscribed("private-room", "client-note")
        sender.pysher.channel("private-room").trigger("client-note", {"n": 1})
        self.assertEqual(json.loads(room["client-note"].next("client-note")), {"n": 1})

    def test_refused_subscription_keeps_the_connection(self):
        client = self.pysher(APP)
        refused = "pusher:subscription_error"
        room = client.subscribe("private-room", refused, auth=f"{APP.key}:{'0' * 64}")
        self.assertEqual(room[refused].next(refused)["status"], 401)
        self.assertIsNone(client.errors.next("the error")["code"])
        news = client.subscribed("news", "note")
        self.sdk(APP).trigger("news", "note", "still here")
        self.assertEqual(news["note"].next("note"), "still here")
        self.assertEqual(client.state, "connected")

    def test_ping_without_an_object_is_answered(self):
        client = self.pysher(APP)
        # pysher pings when it connects and remembers that the pong came.
        client.subscribed("news")
        self.assertTrue(client.pysher.connection.pong_received)


if __name__ == "__main__":
    unittest.main()
