"""Certificates for tests: an authority of their own, and what it signs."""
import os
import pathlib
import shutil
import subprocess


class Authority:
    """authority.pem, and for each name() a pair NAME.pem, NAME.key in `place`."""

    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.place.mkdir(parents=True, exist_ok=True)
        os.chmod(self.place, 0o755)
        self.pem = self.place / "authority.pem"
        self.key = self.place / "authority.key"
        self.openssl("req", "-x509", *self.new_key("ec", self.key), "-days", "30", "-subj", "/CN=Authority of the tests",
                     "-out", self.pem)
        os.chmod(self.pem, 0o644)

    @staticmethod
    def new_key(kind, path):
        kinds = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"]}
        return [*kinds[kind], "-nodes", "-keyout", path]

    @staticmethod
    def openssl(*words):
        done = subprocess.run(["openssl", *[str(word) for word in words]], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, f"openssl {words}: {done.stdout}"

    def sign(self, name, kind="ec", days=30):
        """A certificate for that name; the pair of paths."""
        pem, key, request = (self.place / f"{name}.{end}" for end in ("pem", "key", "csr"))
        extensions = self.place / f"{name}.ext"
        extensions.write_text(f"subjectAltName=DNS:{name}\n")
        self.openssl("req", "-new", *self.new_key(kind, key), "-subj", f"/CN={name}", "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial",
                     "-days", days, "-extfile", extensions, "-out", pem)
        os.chmod(key, 0o600)
        return pem, key

    def both(self, name, owner=None, **more):
        """Key and certificate in one file, as Postfix and Exim like it; readable for `owner`."""
        pem, key = self.sign(name, **more)
        whole = self.place / f"{name}.both"
        whole.write_bytes(key.read_bytes() + pem.read_bytes())
        os.chmod(whole, 0o600)
        if owner is not None and os.geteuid() == 0:
            shutil.chown(whole, owner)
        return whole
