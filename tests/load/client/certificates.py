"""Certificates for servers of tests: one authority, and leaves that are good, expired, or of another name."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Authority:
    """Signs certificates; whoever trusts `file` trusts them."""

    folder: Path

    @property
    def file(self) -> str:
        return str(self.folder / "authority.pem")

    def create(self) -> "Authority":
        made = ["-keyout", str(self.folder / "authority.key"), "-out", self.file]
        _openssl("req", "-x509", *KEY, *made, "-days", "2", "-subj", "/CN=an authority of tests")
        return self

    def server(self, name: str = "localhost", *, days: int = 2) -> ssl.SSLContext:
        """The settings of a server with a certificate for `name`; negative days: expired already."""
        key, request, leaf = (self.folder / f"{name}{days}.{kind}" for kind in ("key", "request", "pem"))
        names = self.folder / f"{name}{days}.names"
        names.write_text(f"subjectAltName=DNS:{name}")
        _openssl("req", *KEY, "-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}")
        signed_by = ["-CA", self.file, "-CAkey", str(self.folder / "authority.key"), "-CAcreateserial"]
        told = ["-days", str(days), "-extfile", str(names), "-out", str(leaf)]
        _openssl("x509", "-req", "-in", str(request), *signed_by, *told)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf, key)
        return context


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
