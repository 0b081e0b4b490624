import unittest

from support import App, ServerTest

APP = App("1001")
OTHER = App("1002")


class Terminate(ServerTest):
    apps = [APP, OTHER]

    def test_terminate_without_the_app_in_the_path(self):
        raw, bystander = self.raw(APP), self.raw(OTHER)
        sdk = self.sdk(APP)
        raw.sign_in(sdk, {"id": "user-1"})
        bystander.sign_in(self.sdk(OTHER), {"id": "user-1"})
        self.assertEqual(sdk.terminate_user_connections("user-1"), {})
        self.assertEqual(raw.next("pusher:error")["data"]["code"], 4009)
        bystander.subscribe("news")


if __name__ == "__main__":
    unittest.main()
