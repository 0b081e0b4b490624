"""A fake of Kubernetes' API server: it answers what Helm's `lookup` of a Secret asks, and 404 else."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RESOURCES = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList", "groupVersion": "v1",
        "resources": [{"name": "secrets", "singularName": "secret", "namespaced": True, "kind": "Secret", "verbs": ["get", "list"]}],
    },
    "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
}


class FakeApiServer:
    """`secrets` maps a namespace and a name to the `data` of a Secret."""

    def __init__(self, test, secrets):
        objects = {
            f"/api/v1/namespaces/{namespace}/secrets/{name}": {
                "kind": "Secret", "apiVersion": "v1", "metadata": {"name": name, "namespace": namespace}, "data": data,
            }
            for (namespace, name), data in secrets.items()
        }
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler({**RESOURCES, **objects}))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        test.addCleanup(thread.join)
        test.addCleanup(server.server_close)
        test.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"


def handler(objects):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = objects.get(self.path.split("?")[0])
            missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            body = json.dumps(found or missing).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """The test prints nothing."""

    return Handler
