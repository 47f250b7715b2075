"""A certificate authority for tests, by openssl."""

import subprocess
from pathlib import Path


class Authority:
    """An authority whose files lie in a folder of its own; its certificate is `ca`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self.ca = folder / "ca.pem"
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "2", "-subj", "/CN=authority", "-keyout", "ca-key.pem", "-out", "ca.pem"),
        )

    def certify(self, name: str) -> tuple[Path, Path]:
        """A new certificate for a host or a client of this name, and its key."""
        (self._folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
        self._openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", f"/CN={name}", "-keyout", f"{name}-key.pem", "-out", "request.pem"),
        )
        self._openssl(
            *("x509", "-req", "-in", "request.pem", "-days", "2", "-extfile", "names"),
            *("-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-out", f"{name}.pem"),
        )
        return self._folder / f"{name}.pem", self._folder / f"{name}-key.pem"

    def _openssl(self, *arguments: str) -> None:
        command = ["openssl", *arguments]
        subprocess.run(command, cwd=self._folder, check=True, capture_output=True, timeout=30)
