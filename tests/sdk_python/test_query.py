import unittest

from pusher.errors import PusherBadRequest
from support import App, ServerTest

APP = App("1001", subscription_count=True)


class Query(ServerTest):
    """This SDK sends a signed `body_md5` with each GET."""

    apps = [APP]

    def inhabit(self):
        """Two users with three connections in a presence channel, one of them also in a public one."""
        sockets = [self.raw(APP) for _ in range(3)]
        for socket, user in zip(sockets, ["user-1", "user-1", "user-2"]):
            socket.subscribe("presence-room", f'{{"user_id":"{user}"}}')
        sockets[0].subscribe("news")

    def test_channels(self):
        self.inhabit()
        sdk = self.sdk(APP)
        self.assertEqual(sdk.channels_info(), {"channels": {"news": {}, "presence-room": {}}})
        self.assertEqual(
            sdk.channels_info("presence-", ["user_count"]), {"channels": {"presence-room": {"user_count": 2}}}
        )

    def test_empty_channel_list_is_an_object(self):
        self.assertEqual(self.sdk(APP).channels_info(), {"channels": {}})

    def test_channel(self):
        self.inhabit()
        sdk = self.sdk(APP)
        self.assertEqual(sdk.channel_info("empty"), {"occupied": False})
        self.assertEqual(
            sdk.channel_info("presence-room", ["user_count", "subscription_count"]),
            {"occupied": True, "user_count": 2, "subscription_count": 3},
        )

    def test_users(self):
        self.inhabit()
        users = self.sdk(APP).users_info("presence-room")["users"]
        self.assertEqual(sorted(user["id"] for user in users), ["user-1", "user-2"])

    def test_users_of_an_empty_channel(self):
        self.assertEqual(self.sdk(APP).users_info("presence-empty"), {"users": []})
        with self.assertRaises(PusherBadRequest):
            self.sdk(APP).users_info("news")


if __name__ == "__main__":
    unittest.main()
