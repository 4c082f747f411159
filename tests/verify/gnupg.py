"""OpenPGP keys in a home folder of their own: good, expired, revoked; and git set up to sign with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.repositories import run_git

THEN = "20200601T000000!"
"""A time when keys made with `expires` were valid; git's date for it is `BEFORE`."""
BEFORE = 1_590_969_600


class GnuPG:
    """GnuPG with a home folder that no test shares."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.then = home / "gpg-then"
        self.then.write_text(f'#!/bin/sh\nexec gpg --faked-system-time {THEN} "$@"\n')
        self.then.chmod(0o755)

    def __call__(self, *arguments: str, data: str = "") -> str:
        done = subprocess.run(
            ["gpg", "--batch", "--quiet", *arguments], input=data, check=True, capture_output=True, text=True,
            env={**os.environ, "GNUPGHOME": str(self.home)},
        )  # fmt: skip
        return done.stdout

    def make(self, name: str, *, expired: bool = False) -> str:
        """A key that signs, its fingerprint; an expired one was valid from January to December 2020."""
        when = ["--faked-system-time", "20200101T000000!"] if expired else []
        who = f"{name} <{name}@example.org>"
        self(*when, "--passphrase", "", "--quick-gen-key", who, "ed25519", "sign", "1y" if expired else "0")
        return self.fingerprint(name)

    def fingerprint(self, name: str) -> str:
        listed = self("--with-colons", "-k", f"{name}@example.org")
        return listed.partition("fpr:::::::::")[2].partition(":")[0]

    def revoke(self, name: str) -> None:
        """By the certificate that GnuPG made together with the key."""
        text = (self.home / "openpgp-revocs.d" / f"{self.fingerprint(name)}.rev").read_text()
        self("--import", data=text.replace(":-----BEGIN", "-----BEGIN"))

    def public(self, *names: str) -> bytes:
        return "".join(self("--armor", "--export", f"{name}@example.org") for name in names).encode()

    def set_up(self, top: Path, name: str, *, then: bool = False) -> None:
        """Have git in `top` sign with a key, at its pleasure in June 2020."""
        program = str(self.then) if then else "gpg"
        settings = {"gpg.format": "openpgp", "gpg.program": program, "user.signingKey": f"{name}@example.org"}
        for key, value in settings.items():
            run_git(top, "config", key, value)


@contextmanager
def gnupg() -> Iterator[GnuPG]:
    """GnuPG, its agent ended afterwards; skips the test where there is none."""
    if shutil.which("gpg") is None:
        pytest.skip("needs GnuPG")
    home = Path(tempfile.mkdtemp(prefix="gpg-", dir="/tmp"))  # a socket's path has to be short
    try:
        yield GnuPG(home)
    finally:
        env = {**os.environ, "GNUPGHOME": str(home)}
        subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True, env=env)
        shutil.rmtree(home, ignore_errors=True)
