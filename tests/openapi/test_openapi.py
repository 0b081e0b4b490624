"""schemathesis sends what the served OpenAPI document allows, and more, to the real server: each status, content type
and body must be in the document, and no status is 5xx."""

import base64
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

HERE = Path(__file__).resolve().parent
BINARY = (HERE / os.environ.get("SEALCAST_BIN", "../../target/debug/sealcast")).resolve()
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
READY_DEADLINE = 15
SEED = 20260101
EXAMPLES = 20
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# An event stream and the live feed do not end, and a drain ends the server.
LEFT_OUT = ("client_stream", "live_feed", "admin_drain")
APP = "shop"


class Sink(BaseHTTPRequestHandler):
    """Takes webhooks."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server:
    def __init__(self):
        self.key, self.secret = secrets.token_hex(10), secrets.token_hex(20)
        self.admin_token = secrets.token_hex(20)
        self._sink = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
        threading.Thread(target=self._sink.serve_forever, daemon=True).start()
        self._folder = tempfile.TemporaryDirectory(prefix="sealcast-")
        config = Path(self._folder.name, "sealcast.toml")
        config.touch(mode=0o600)
        config.write_text(self._configuration())
        self._errors = Path(self._folder.name, "stderr")
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen([BINARY, "serve", "--config", config], stdout=subprocess.PIPE, text=True,
                                             stderr=errors, env={"PATH": os.environ["PATH"]})
        self.addresses = {}
        threading.Thread(target=self._read_addresses, daemon=True).start()
        end = time.monotonic() + READY_DEADLINE
        while len(self.addresses) < 2:
            if time.monotonic() > end or self._process.poll() is not None:
                raise AssertionError(f"the server is not ready: {self.errors()}")
            time.sleep(0.02)

    def _configuration(self):
        master_key = base64.b64encode(secrets.token_bytes(32)).decode()
        top = {"listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0", "log": "warn", "state_dir": self._folder.name,
               "admin_token": self.admin_token}
        app = {"key": self.key, "secret": self.secret, "master_key": master_key, "derivation": "hkdf",
               "authorizer": "jwt", "explain": True, "client_events": True}
        lines = [f"{name} = {json.dumps(value)}" for name, value in top.items()]
        lines += [f"[apps.{APP}]"] + [f"{name} = {json.dumps(value)}" for name, value in app.items()]
        lines += [f"[[apps.{APP}.channels]]", 'pattern = "*-log"', "history = { events = 10 }"]
        lines += [f"[[apps.{APP}.webhooks]]", f'url = "http://127.0.0.1:{self._sink.server_port}/"']
        return "\n".join(lines) + "\n"

    def _read_addresses(self):
        for line in self._process.stdout:
            found = re.match(r"(listening|operations) on (http://\S+)$", line)
            if found:
                self.addresses[found[1]] = found[2]

    def errors(self):
        return self._errors.read_text()

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._sink.shutdown()
            self._sink.server_close()
            text = self.errors()
            self._folder.cleanup()
        assert code == 0, f"the server ended with {code}: {text}"
        assert "panicked" not in text, text


class DocumentTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        document = requests.get(f"{cls.server.addresses['operations']}/openapi.json", timeout=5)
        document.raise_for_status()
        cls.file = Path(cls.server._folder.name, "openapi.json")
        cls.file.write_text(document.text)
        cls.environment = {
            **os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "OPENAPI_APP": APP,
            "OPENAPI_KEY": cls.server.key, "OPENAPI_SECRET": cls.server.secret,
            "OPENAPI_ADMIN_TOKEN": cls.server.admin_token, "OPENAPI_CLIENT_TOKEN": cls.client_token(),
        }

    @classmethod
    def client_token(cls):
        """Issued by the signed API itself."""
        for name, value in (("APP", APP), ("KEY", cls.server.key), ("SECRET", cls.server.secret),
                            ("CLIENT_TOKEN", ""), ("ADMIN_TOKEN", "")):
            os.environ[f"OPENAPI_{name}"] = value
        from hooks import Signed

        wanted = {"user_id": "1", "channels": ["*"], "ttl": 86400,
                  "allow": ["subscribe", "client_events", "history", "trigger", "clear"]}
        url = f"{cls.server.addresses['listening']}/apps/{APP}/tokens"
        answer = requests.post(url, data=json.dumps(wanted), auth=Signed(), timeout=5)
        answer.raise_for_status()
        return answer.json()["token"]

    def check(self, tag, listener):
        command = [SCHEMATHESIS, "run", self.file, "--url", self.server.addresses[listener], "--include-tag", tag,
                   "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--seed", str(SEED),
                   "--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-shrink", "--warnings", "off",
                   "--suppress-health-check", "all", "--request-timeout", "10"]
        for operation in LEFT_OUT:
            command += ["--exclude-operation-id", operation]
        run = subprocess.run(command, env=self.environment, cwd=self.server._folder.name, text=True, timeout=170,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(run.returncode, 0, f"{run.stdout}\n{self.server.errors()[-2000:]}")

    def test_signed_api(self):
        self.check("signed", "listening")

    def test_client_api(self):
        self.check("client", "listening")

    def test_auth_endpoints(self):
        self.check("auth", "listening")

    def test_admin_api(self):
        self.check("admin", "operations")


if __name__ == "__main__":
    unittest.main()
