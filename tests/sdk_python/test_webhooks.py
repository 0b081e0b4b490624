import json
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support import App, Inbox, ServerTest


class Receiver:
    """A receiver of webhooks: keeps headers and body of each unchanged."""

    def __init__(self):
        self.hooks = hooks = Inbox()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                hooks.put((dict(self.headers.items()), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}/hooks"
        threading.Thread(target=self._listener.serve_forever, daemon=True).start()

    def stop(self):
        self._listener.shutdown()
        self._listener.server_close()


class WebhookApp(App):
    def __init__(self, app_id, url, **settings):
        super().__init__(app_id, **settings)
        self._url = url

    def section(self):
        return f"{super().section()}[[apps.{self.id}.webhooks]]\nurl = {json.dumps(self._url)}\nbatch_events = 10\n"


RECEIVER = Receiver()
APP = WebhookApp("1001", RECEIVER.url)
OTHER = App("1002")


class Webhooks(ServerTest):
    apps = [APP, OTHER]

    @classmethod
    def tearDownClass(cls):
        cls.addClassCleanup(RECEIVER.stop)

    def test_official_sdk_accepts_webhooks(self):
        raw = self.raw(APP)
        raw.subscribe("presence-room", '{"user_id":7}')
        events = []
        while len(events) < 2:
            headers, body = RECEIVER.hooks.next("a webhook")
            # Spelled as in the documentation.
            key, signature = headers["X-Pusher-Key"], headers["X-Pusher-Signature"]
            self.assertEqual(headers["Content-Type"], "application/json")
            webhook = self.sdk(APP).validate_webhook(key, signature, body)
            self.assertIsNotNone(webhook, body)
            for event in webhook["events"]:
                self.assertRegex(event.pop("id"), "^[0-9a-f]{16}-[0-9]+$")
                self.assertLessEqual(event.pop("occurred_ms"), webhook["time_ms"])
                events.append(event)
            self.assertIsNone(self.sdk(APP).validate_webhook(key, signature, body + " "))
            self.assertIsNone(self.sdk(OTHER).validate_webhook(key, signature, body))
        occupied = {"name": "channel_occupied", "channel": "presence-room"}
        added = {"name": "member_added", "channel": "presence-room", "user_id": "7"}
        self.assertEqual(events, [occupied, added])


if __name__ == "__main__":
    unittest.main()
