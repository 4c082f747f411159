"""Who signed a commit: by ssh-keygen and by git with GnuPG, against a given list of signers.

Where nobody gave a list, SSH keys are judged by no one, GPG keys by the keyring of whoever asks.

A key's validity is judged as of now. What git itself does, take the committer's date, lets a stolen
key that was put out of use sign on, for that date is whatever the thief writes.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gittrack.errors import RepositoryError, UsageError
from gittrack.git.repository import Repository, explain

State = Literal["good", "none", "bad", "expired", "revoked", "untrusted", "unknown"]
# git's %G?. A signature is there, so that N is one that GnuPG can make nothing of.
_GPG: Mapping[str, State] = {
    "G": "good", "U": "untrusted", "B": "bad", "X": "expired", "Y": "expired", "R": "revoked", "E": "unknown",
    "N": "bad",
}  # fmt: skip
_SSH = b"-----BEGIN SSH SIGNATURE-----"
# git ends at a signature that begins otherwise.
_GNUPG = ((b"-----BEGIN PGP SIGNATURE-----", "gpg"), (b"-----BEGIN PGP MESSAGE-----", "gpg"),
          (b"-----BEGIN SIGNED MESSAGE-----", "gpgsm"))  # fmt: skip
_OPENPGP_KEYS = re.compile(
    rb"^-----BEGIN PGP PUBLIC KEY BLOCK-----$.*?^-----END PGP PUBLIC KEY BLOCK-----$", re.M | re.S
)


@dataclass(frozen=True, slots=True)
class Signed:
    """What a commit's signature is worth."""

    state: State
    who: str = ""
    """Principal of the signers file, or user id of the GPG key."""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Signers:
    """Whose signatures count."""

    file: Path | None
    """SSH keys (ssh-keygen(1), ALLOWED SIGNERS); None where nobody said who may sign."""
    revoked: Path | None = None
    gnupg: Path | Literal["own", "nobody"] = "own"
    """GnuPG's home folder with the OpenPGP keys of the list, or that of whoever asks, or no key at all."""


@contextmanager
def listed_signers(repository: Repository, text: bytes | None) -> Iterator[Signers]:
    """A list of SSH and OpenPGP keys as files, for as long as they are needed."""
    if text is None:
        yield Signers(None)
        return
    with tempfile.TemporaryDirectory(prefix="gittrack-signers-") as folder:
        path = Path(folder) / "allowed_signers"
        text = text.replace(b"\r\n", b"\n")
        path.write_bytes(_OPENPGP_KEYS.sub(b"", text))
        home = _keyring(Path(folder) / "gnupg", text, _program(repository, "gpg"))
        yield Signers(path, revocation_file(repository), home)


@contextmanager
def server_signers(repository: Repository, text: bytes | None) -> Iterator[Signers]:
    """As `listed_signers`; without a list, whom the git settings of the server's keeper name."""
    named = repository.setting("gpg.ssh.allowedsignersfile")
    path = repository.top / Path(named).expanduser() if named else None
    with listed_signers(repository, text) as listed:
        if text is None and path is not None and path.is_file():
            listed = Signers(path, revocation_file(repository))
        yield listed


def revocation_file(repository: Repository) -> Path | None:
    """SSH keys that are revoked, by git's own setting; UsageError where it names no file."""
    named = repository.setting("gpg.ssh.revocationfile")
    if not named:
        return None
    path = Path(named).expanduser()
    if not path.is_file():
        raise UsageError(f"gpg.ssh.revocationFile names {path}, which is no file: mend git's setting")
    return path


def _keyring(home: Path, text: bytes, program: str) -> Path | Literal["nobody"]:
    """The OpenPGP keys in `text` as a keyring of their own, whose every key is trusted."""
    keys = _OPENPGP_KEYS.findall(text)
    if not keys:
        return "nobody"
    home.mkdir(mode=0o700)
    (home / "gpg.conf").write_text("trust-model always\nno-autostart\n")
    if shutil.which(program) is not None:
        command = [program, "--homedir", str(home), "--batch", "--quiet", "--import"]
        if _output(command, b"\n".join([*keys, b""]), 60).returncode != 0:
            raise UsageError(f"{program} cannot read the OpenPGP keys of the signers file: export them again")
    return home


def read_signatures(
    repository: Repository, commits: Mapping[str, bytes], signers: Signers, until: float | None = None
) -> dict[str, Signed]:
    """The signature of each commit, given by its bytes. On all cores.

    RepositoryError when it is not done at the time `until` (as time.monotonic() has it).
    """
    split = {oid: split_signature(data, repository.object_format) for oid, data in commits.items()}
    signed = {oid: Signed("none") for oid, (signature, _) in split.items() if not signature}
    ssh = {oid: parts for oid, parts in split.items() if parts[0].lstrip().startswith(_SSH)}
    others = {oid: split[oid][0] for oid in commits if oid not in signed and oid not in ssh}
    keys = {oid: public_key(signature) for oid, (signature, _) in ssh.items()}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool, tempfile.TemporaryDirectory() as folder:
        judge = _Judge(signers, Path(folder), until)
        judge.learn({key: ssh[oid][0] for oid, key in keys.items()})
        signed.update(zip(ssh, pool.map(judge, ssh, ssh.values(), keys.values()), strict=True))
    signed.update(_by_gnupg(repository, others, signers, until))
    return signed


def split_signature(data: bytes, algorithm: str) -> tuple[bytes, bytes]:
    """The signature in a commit's bytes (empty: none) and what it is over, as git's commit.c does it."""
    head, separator, body = data.partition(b"\n\n")
    ours = b"gpgsig" if algorithm == "sha1" else b"gpgsig-sha256"
    signature: list[bytes] = []
    lines: list[bytes] = []
    header = b""
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        header = header if line.startswith(b" ") else key
        if header not in (b"gpgsig", b"gpgsig-sha256"):
            lines.append(line)
        elif header == ours:
            signature.append(value)
    return b"\n".join(signature), b"\n".join(lines) + separator + body


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

    def __init__(self, signers: Signers, folder: Path, until: float | None) -> None:
        self._signers = signers
        self._folder = folder
        self._until = until
        self._now = f"-Overify-time={time.strftime('%Y%m%d%H%M%S')}"
        self._ever: dict[str, tuple[str, bool]] = {}
        """By key: the principal that it belongs to, and whether it is valid now."""

    def learn(self, keys: Mapping[str, bytes]) -> None:
        for key, signature in keys.items():
            if self._signers.file is not None:
                self._ever[key] = self._principal(key, signature)

    def _principal(self, key: str, signature: bytes) -> tuple[str, bool]:
        file = self._write("key", signature)
        result = self._keygen("find-principals", "-f", str(self._signers.file), "-s", str(file), self._now)
        if result.returncode == 0:
            return result.stdout.decode("utf-8", "replace").splitlines()[0].split(",")[0], True
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
        result = self._keygen(
            "verify", "-f", str(self._signers.file), "-I", principal, "-n", "git", "-s", str(signature),
            self._now, *revoked, data=payload,
        )  # fmt: skip
        return result.returncode == 0

    def _write(self, name: str, signature: bytes) -> Path:
        path = self._folder / f"{name}.sig"
        path.write_bytes(signature + b"\n")
        return path

    def _keygen(self, *arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        try:
            return _output(["ssh-keygen", "-Y", *arguments], data, _left(self._until, 60))
        except FileNotFoundError as error:
            raise RepositoryError(
                "ssh-keygen is not on PATH: install OpenSSH 8.9 or newer to verify signatures"
            ) from error


def expired_principal(file: Path | None, key: str) -> str:
    """Whose key it is or was, by the plain lines of a signers file; empty if it names no such key."""
    for line in file.read_text("utf-8", "replace").splitlines() if file is not None else ():
        if key and not line.startswith("#") and key in line.split():
            return line.split()[0].split(",")[0].strip('"')
    return ""


def _by_gnupg(
    repository: Repository, signatures: Mapping[str, bytes], signers: Signers, until: float | None
) -> dict[str, Signed]:
    """GPG and X.509, by git processes (which start gpg for each commit)."""
    signed: dict[str, Signed] = {}
    unknown = []
    for oid, data in signatures.items():
        program = next((program for begin, program in _GNUPG if data.startswith(begin)), None)
        if program is None:
            signed[oid] = Signed("bad")
        elif signers.gnupg == "nobody":
            signed[oid] = Signed("untrusted")
        elif shutil.which(_program(repository, program)) is None:
            signed[oid] = Signed("unknown")
        else:
            unknown.append(oid)
    cores = os.cpu_count() or 1
    home = signers.gnupg if isinstance(signers.gnupg, Path) else None
    with ThreadPoolExecutor(cores) as pool:
        shares = [unknown[at::cores] for at in range(cores)]
        for part in pool.map(lambda share: _by_git(repository, share, home, until), shares):
            signed.update(part)
    return signed


def _program(repository: Repository, name: str) -> str:
    if name == "gpgsm":
        return repository.setting("gpg.x509.program") or name
    return repository.setting("gpg.openpgp.program") or repository.setting("gpg.program") or name


def _by_git(
    repository: Repository, commits: Sequence[str], home: Path | None, until: float | None
) -> dict[str, Signed]:
    if not commits:
        return {}
    command = ["git", "log", "--stdin", "--no-walk=unsorted", "--format=%H%x00%G?%x00%GS%x00%GF"]
    given = {} if home is None else {"GNUPGHOME": str(home)}
    result = _output(
        [*command, "--no-show-signature"], "\n".join([*commits, ""]).encode(), _left(until),
        env=repository.environment(**given), cwd=repository.top,
    )  # fmt: skip
    if result.returncode != 0:
        raise RepositoryError(explain("verify signatures", result.stderr))
    rows = (line.split("\0") for line in result.stdout.decode("utf-8", "replace").split("\n"))
    signed = {r[0]: Signed(_GPG.get(r[1], "bad"), r[2], r[3]) for r in rows if len(r) == 4}
    if home is None:
        return signed
    # The list is all there is: a key that it lacks is nobody's.
    return {oid: Signed("untrusted") if s.state == "unknown" else s for oid, s in signed.items()}


def _left(until: float | None, most: float | None = None) -> float | None:
    """Seconds until then, but not more than `most`."""
    if until is None:
        return most
    left = max(0.0, until - time.monotonic())
    return left if most is None else min(left, most)


def _output(
    command: Sequence[str], data: bytes, seconds: float | None, **where: Any
) -> subprocess.CompletedProcess[bytes]:
    """What a program says; RepositoryError where it and those that it starts take longer than `seconds`."""
    pipe = subprocess.PIPE
    group = None if seconds is None else 0
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, process_group=group, **where
    ) as process:
        try:
            out, err = process.communicate(data, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            raise RepositoryError("verifying signatures took too long") from error
    return subprocess.CompletedProcess(command, process.returncode, out, err)
