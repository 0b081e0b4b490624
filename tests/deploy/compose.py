"""Services of a Compose file as processes of this machine, on loopback and free ports."""

import json
import re
import socket
import subprocess

import yaml

from support import BINARY, DEPLOY, ROOT, Process, a_master_key, a_secret_file, eventually

NODE_PORT = 6001


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def image_defaults():
    """Command and environment of the image, from the Dockerfile's last stage."""
    stage = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    command = [word for name in ("ENTRYPOINT", "CMD") for word in json.loads(re.search(rf"^{name} (\[.*\])$", stage, re.M)[1])]
    lines = re.findall(r"^ENV (.*)$", stage, re.M)
    return command, dict(pair.split("=", 1) for line in lines for pair in line.split())


class Composition:
    def __init__(self, test, name, folder):
        self.test, self.folder = test, folder
        self.file = yaml.safe_load((DEPLOY / "compose" / name).read_text())
        self.services = self.file["services"]
        self.ports = {name: free_port() for name in self.services}
        self.addresses = {}
        for service, settings in self.services.items():
            networks = settings.get("networks", {})
            for network in networks.values() if isinstance(networks, dict) else []:
                if "ipv4_address" in network:
                    self.addresses[network["ipv4_address"]] = service

    def write_secrets(self):
        for name, secret in self.file["secrets"].items():
            if not secret["file"].endswith(".pem"):
                a_secret_file(self.folder / secret["file"], a_master_key())
        if "key.pem" in self.file["secrets"]:
            self._write_certificate()

    def _write_certificate(self):
        folder = self.folder / "secrets"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "basicConstraints=critical,CA:FALSE",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", folder / "key.pem", "-out", folder / "fullchain.pem"], check=True, capture_output=True)

    def on_loopback(self, text):
        """Names and addresses of services become ports of this machine; secrets, the files named."""
        for address, service in self.addresses.items():
            text = re.sub(rf"\b{re.escape(address)}:\d+\b", f"127.0.0.1:{self.ports[service]}", text)
            text = re.sub(rf"\b{re.escape(address)}\b", "127.0.0.1", text)
        for service, port in self.ports.items():
            text = re.sub(rf"(?<=//){service}:\d+\b", f"127.0.0.1:{port}", text)
        for name, secret in self.file.get("secrets", {}).items():
            text = text.replace(f"/run/secrets/{name}", str(self.folder / secret["file"]))
        return text

    def start_node(self, name):
        command, environment = image_defaults()
        service = self.services[name]
        environment.update(service["environment"])
        command = [str(BINARY), *command[1:]] if "command" not in service else [str(BINARY), *service["command"]]
        state = self.folder / name
        state.mkdir(mode=0o700)
        mounted = [volume.split(":")[1] for volume in service["volumes"]]
        self.test.assertEqual(mounted, [environment["SEALCAST_STATE_DIR"]])
        environment = {key: self.on_loopback(value) for key, value in environment.items()}
        self.test.assertEqual(environment["SEALCAST_LISTEN"], f"0.0.0.0:{NODE_PORT}")
        environment |= {"SEALCAST_LISTEN": f"127.0.0.1:{self.ports[name]}", "SEALCAST_STATE_DIR": str(state)}
        node = Process(self.test, command, environment)
        node.address()
        return node, environment

    def start_redis(self, name="redis"):
        command = self.services[name]["command"]
        redis = Process(self.test, [*command, "--port", str(self.ports[name]), "--bind", "127.0.0.1"], {}, cwd=self.folder)
        eventually(lambda: answers(self.ports[name]), "Redis")
        return redis

    def start_nginx(self, name="nginx"):
        """With the mounted file in the context of the image's own nginx.conf."""
        source, _, _ = self.services[name]["volumes"][0].split(":")
        text = self.on_loopback((DEPLOY / "compose" / source).read_text())
        site = self.folder / "site.conf"
        site.write_text(re.sub(r"listen 443\b", f"listen 127.0.0.1:{self.ports[name]}", text))
        paths = "".join(f"{part}_temp_path {self.folder}/{part};" for part in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        main = self.folder / "nginx.conf"
        main.write_text(f"daemon off; pid {self.folder}/nginx.pid; error_log stderr; events {{}}\n"
                        f"http {{ access_log off; {paths} include {site}; }}\n")
        nginx = Process(self.test, ["nginx", "-p", self.folder, "-c", main, "-e", "stderr"], {"PATH": "/usr/sbin:/usr/bin:/bin"})
        eventually(lambda: answers(self.ports[name]), "nginx")
        return nginx


def answers(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
