"""Who signed a commit: by ssh-keygen against given signers, by git and GnuPG against this user's keyring.

A key's validity is judged as of now. What git itself does, take the committer's date, lets a stolen
key that was put out of use sign on, for that date is whatever the thief writes.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gittrack.errors import RepositoryError, UsageError
from gittrack.verify.source import BareFacts

State = Literal["good", "none", "bad", "expired", "revoked", "untrusted", "unknown"]
_GPG: Mapping[str, State] = {
    "G": "good", "U": "untrusted", "B": "bad", "X": "expired", "Y": "expired", "R": "revoked", "E": "unknown",
    "N": "none",
}  # fmt: skip
_SSH = b"-----BEGIN SSH SIGNATURE-----"


@dataclass(frozen=True, slots=True)
class Signed:
    """What a commit's signature is worth."""

    state: State
    who: str = ""
    """Principal of the signers file, or user id of the GPG key."""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Signers:
    """Allowed signers (ssh-keygen(1), ALLOWED SIGNERS) as a file; None where nobody said who may sign."""

    file: Path | None
    revoked: Path | None = None


@contextmanager
def signers_file(text: bytes | None, revoked: str | None) -> Iterator[Signers]:
    """`text` as a file for as long as it is needed."""
    if text is None:
        yield Signers(None)
        return
    with tempfile.TemporaryDirectory(prefix="gittrack-signers-") as folder:
        path = Path(folder) / "allowed_signers"
        path.write_bytes(text)
        there = Path(revoked).expanduser() if revoked else None
        if there is not None and not there.is_file():
            raise UsageError(f"gpg.ssh.revocationFile names {there}, which is no file: mend git's setting")
        yield Signers(path, there)


def read_signatures(
    repository: BareFacts, commits: Mapping[str, bytes], signers: Signers
) -> dict[str, Signed]:
    """The signature of each commit, given by its bytes. On all cores."""
    split = {oid: split_signature(data, repository.object_format) for oid, data in commits.items()}
    found = {oid: Signed("none") for oid, (signature, _) in split.items() if not signature}
    ssh = {oid: parts for oid, parts in split.items() if parts[0].lstrip().startswith(_SSH)}
    others = [oid for oid in commits if oid not in found and oid not in ssh]
    keys = {oid: public_key(signature) for oid, (signature, _) in ssh.items()}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool, tempfile.TemporaryDirectory() as folder:
        judge = _Judge(signers, Path(folder))
        judge.learn({key: ssh[oid][0] for oid, key in keys.items()})
        found.update(zip(ssh, pool.map(judge, ssh, ssh.values(), keys.values()), strict=True))
        shares = [others[at :: os.cpu_count() or 1] for at in range(os.cpu_count() or 1)]
        for part in pool.map(lambda share: _by_git(repository, share), shares):
            found.update(part)
    return found


def split_signature(data: bytes, algorithm: str) -> tuple[bytes, bytes]:
    """The signature in a commit's bytes (empty: none) and what it is over, as git's commit.c does it."""
    head, separator, body = data.partition(b"\n\n")
    ours = b"gpgsig" if algorithm == "sha1" else b"gpgsig-sha256"
    signature: list[bytes] = []
    rest: list[bytes] = []
    header = b""
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        header = header if line.startswith(b" ") else key
        if header not in (b"gpgsig", b"gpgsig-sha256"):
            rest.append(line)
        elif header == ours:
            signature.append(value)
    return b"\n".join(signature), b"\n".join(rest) + separator + body


def public_key(signature: bytes) -> str:
    """The key that an SSH signature names, in base64; empty if it is malformed (PROTOCOL.sshsig)."""
    body = re.sub(rb"-----[A-Z ]+-----|\s", b"", signature)
    try:
        blob = base64.b64decode(body, validate=True)
    except ValueError:
        return ""
    size = int.from_bytes(blob[10:14], "big")
    return base64.b64encode(blob[14 : 14 + size]).decode() if blob[:6] == b"SSHSIG" else ""


class _Judge:
    """ssh-keygen on one signature; what it says of a key is asked once."""

    def __init__(self, signers: Signers, folder: Path) -> None:
        self._signers = signers
        self._folder = folder
        self._now = f"-Overify-time={time.strftime('%Y%m%d%H%M%S')}"
        self._ever: dict[str, tuple[str, bool]] = {}
        """By key: the principal that it belongs to, and whether it is valid now."""

    def learn(self, keys: Mapping[str, bytes]) -> None:
        for key, signature in keys.items():
            if self._signers.file is not None:
                self._ever[key] = self._principal(key, signature)

    def _principal(self, key: str, signature: bytes) -> tuple[str, bool]:
        file = self._write("key", signature)
        found = self._keygen("find-principals", "-f", str(self._signers.file), "-s", str(file), self._now)
        if found.returncode == 0:
            return found.stdout.decode("utf-8", "replace").splitlines()[0].split(",")[0], True
        return expired_principal(self._signers.file, key), False

    def __call__(self, oid: str, parts: tuple[bytes, bytes], key: str) -> Signed:
        principal, valid = self._ever.get(key, ("", False))
        if self._signers.file is None:
            return Signed("unknown", key=key)
        if not principal:
            return Signed("untrusted", key=key)
        if not valid:
            return Signed("expired", principal, key)
        file = self._write(oid, parts[0])
        if not self._fits(principal, file, parts[1]):
            return Signed("bad", principal, key)
        revoked = self._signers.revoked
        if revoked is not None and not self._fits(principal, file, parts[1], "-r", str(revoked)):
            return Signed("revoked", principal, key)
        return Signed("good", principal, key)

    def _fits(self, principal: str, signature: Path, payload: bytes, *revoked: str) -> bool:
        done = self._keygen(
            "verify", "-f", str(self._signers.file), "-I", principal, "-n", "git", "-s", str(signature),
            self._now, *revoked, data=payload,
        )  # fmt: skip
        return done.returncode == 0

    def _write(self, name: str, signature: bytes) -> Path:
        path = self._folder / f"{name}.sig"
        path.write_bytes(signature + b"\n")
        return path

    @staticmethod
    def _keygen(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                ["ssh-keygen", "-Y", *arguments], input=data, capture_output=True, check=False, timeout=60
            )
        except FileNotFoundError as error:
            raise RepositoryError(
                "ssh-keygen is not on PATH: install OpenSSH 8.9 or newer to verify signatures"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise RepositoryError("ssh-keygen did not end: check the signers file") from error


def expired_principal(file: Path | None, key: str) -> str:
    """Whose key it is or was, by the plain lines of a signers file; empty if it names no such key."""
    for line in file.read_text("utf-8", "replace").splitlines() if file is not None else ():
        if key and not line.startswith("#") and key in line.split():
            return line.split()[0].split(",")[0].strip('"')
    return ""


def _by_git(repository: BareFacts, commits: Iterable[str]) -> dict[str, Signed]:
    """GPG and X.509, in one git process (which starts gpg for each)."""
    data = "".join(f"{oid}\n" for oid in commits).encode()
    if not data:
        return {}
    lines = repository.git(
        "log", "--stdin", "--no-walk=unsorted", "--format=%H%x00%G?%x00%GS%x00%GF", "--no-show-signature",
        doing="verify signatures", data=data,
    )  # fmt: skip
    rows = (line.split("\0") for line in lines.decode("utf-8", "replace").splitlines())
    return {r[0]: Signed(_GPG.get(r[1], "bad"), r[2], r[3]) for r in rows if len(r) == 4}
