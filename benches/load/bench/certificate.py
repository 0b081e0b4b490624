"""The bench's own certificate: clients do not check it, but a TLS server needs one."""

import shutil
import subprocess
from pathlib import Path

from .errors import Skipped

# An ECDSA key on P-256, the default of public certificate authorities.
COMMAND = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 2"
    " -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
)


def self_signed(directory):
    """Makes a key and a certificate for it; returns both paths, certificate first."""
    if shutil.which("openssl") is None:
        raise Skipped("needs the command openssl, to make a certificate")
    certificate, key = Path(directory) / "certificate.pem", Path(directory) / "key.pem"
    command = [*COMMAND.split(), "-keyout", key, "-out", certificate]
    made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if made.returncode != 0:
        said = made.stderr.strip().splitlines()
        raise Skipped(f"openssl made no certificate: {said[-1] if said else 'it said nothing'}")
    return certificate, key
