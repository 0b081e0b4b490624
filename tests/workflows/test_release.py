"""The scripts of a release: archives that can be made again, and a verification that can fail."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("SEALCAST_BIN", ROOT / "target/debug/sealcast")).resolve()
TIME = "1700000000"


class Pack(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "deploy").mkdir()
        shutil.copy(ROOT / "deploy/pack.sh", self.root / "deploy")
        shutil.copytree(ROOT / "config", self.root / "config")
        for name in ("README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-APACHE", "LICENSE-MIT"):
            shutil.copy(ROOT / name, self.root)

    def pack(self, binary):
        environment = {**os.environ, "SOURCE_DATE_EPOCH": TIME}
        subprocess.run([self.root / "deploy/pack.sh", binary, "sealcast-x"], check=True, env=environment,
                       capture_output=True)
        return self.root / "dist/sealcast-x.tar.gz"

    def test_the_same_binary_gives_the_same_archive(self):
        small = shutil.which("true")  # takes all arguments
        first = self.pack(small).read_bytes()
        os.utime(self.root / "README.md")
        self.assertEqual(first, self.pack(small).read_bytes())

    def test_the_archive_holds_program_manual_completions_and_licences(self):
        with tarfile.open(self.pack(BINARY)) as archive:
            names = set(archive.getnames())
            self.assertEqual({member.mtime for member in archive}, {int(TIME)})
            self.assertEqual(archive.getmember("sealcast-x/sealcast").mode, 0o755)
        for name in ("sealcast", "man/sealcast.1", "man/sealcast-keys-rotate.1", "completions/sealcast.bash",
                     "config/sealcast.toml", "LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md"):
            self.assertIn(f"sealcast-x/{name}", names)


class Verify(unittest.TestCase):
    """With stand-ins for `gh` and `cosign`, which reach the network."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.assets = self.root / "assets"
        self.assets.mkdir()
        (self.assets / "sealcast.tar.gz").write_text("archive")
        (self.assets / "sealcast.cdx.json").write_text("{}")
        self.sign()
        (self.root / "bin").mkdir()
        self.program("gh", '[ "$1" != release ] || cp "$ASSETS"/* "$7"\n[ "$1" != attestation ] || [ -z "${NO_PROVENANCE-}" ]')
        self.program("cosign", 'grep -q good SHA256SUMS.sigstore.json')

    def sign(self, signature="good"):
        sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(self.assets.iterdir())
                if not file.name.startswith("SHA256SUMS")]
        (self.assets / "SHA256SUMS").write_text("".join(sums))
        (self.assets / "SHA256SUMS.sigstore.json").write_text(signature)

    def program(self, name, text):
        file = self.root / "bin" / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def passes(self, **variables):
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "ASSETS": str(self.assets), **variables}
        run = subprocess.run([ROOT / "deploy/verify.sh", "v1.2.3", "owner/name"], env=environment, capture_output=True)
        return run.returncode == 0

    def test_a_good_release_passes(self):
        self.assertTrue(self.passes())

    def test_a_changed_file_fails(self):
        (self.assets / "sealcast.tar.gz").write_text("another")
        self.assertFalse(self.passes())

    def test_a_file_without_a_sum_fails(self):
        (self.assets / "extra.tar.gz").write_text("extra")
        self.assertFalse(self.passes())

    def test_a_missing_file_fails(self):
        (self.assets / "sealcast.cdx.json").unlink()
        self.assertFalse(self.passes())

    def test_a_bad_signature_fails(self):
        self.sign("bad")
        self.assertFalse(self.passes())

    def test_missing_provenance_fails(self):
        self.assertFalse(self.passes(NO_PROVENANCE="1"))


if __name__ == "__main__":
    unittest.main()
