"""The output of `sealcast snippet python`, run with the official SDK."""

import subprocess
import unittest

from support import BINARY, App, ServerTest, a_master_key, opened

KEY = a_master_key()
APP = App("1001", master_key=KEY)
CHANNEL = "private-encrypted-demo"


class Snippet(ServerTest):
    apps = [APP]

    def test_snippet_publishes_to_the_configured_app(self):
        raw = self.raw(APP)
        raw.subscribe(CHANNEL)
        text = subprocess.run(
            [BINARY, "snippet", "python", "--config", self.server.config, "--listen", f"{self.server.host}:{self.server.port}"],
            env={},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        exec(compile(text, "snippet", "exec"), {})
        self.assertEqual(opened(raw.next("hello")["data"], KEY, CHANNEL), '{"text": "from Python"}')


if __name__ == "__main__":
    unittest.main()
