"""DSSE envelopes, signed with an SSH key by ssh-keygen, or with a key in a PEM file.

What is signed is DSSE's pre-authentication encoding of the payload, and keyid is a hint for the
reader. With a PEM key (Ed25519, or ECDSA on a NIST curve) the signature is what DSSE's own tools
make, and keyid the SHA-256 of the public key (SubjectPublicKeyInfo, DER) in hex. With an SSH key it is
an armored SSHSIG as a whole, in the namespace ``gittrack-dsse``, and keyid the key's fingerprint.
https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gittrack.errors import RepositoryError, UsageError
from gittrack.git.repository import Repository

PAYLOAD = "application/vnd.in-toto+json"
NAMESPACE = "gittrack-dsse"
T = TypeVar("T")
_LARGEST = 1 << 20


class Signer(Protocol):
    """Something that signs, and the name of its key."""

    @property
    def keyid(self) -> str: ...

    def sign(self, data: bytes) -> bytes: ...


def pae(payload: bytes, kind: str = PAYLOAD) -> bytes:
    """DSSE's pre-authentication encoding: what is signed."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def envelope(payload: bytes, signer: Signer) -> dict[str, Any]:
    """The signed envelope of `payload`."""
    signature = base64.b64encode(signer.sign(pae(payload))).decode()
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD,
        "signatures": [{"keyid": signer.keyid, "sig": signature}],
    }


# --- a PEM file -----------------------------------------------------------------------------------------


class PemSigner:
    """An Ed25519 or ECDSA private key (P-256, P-384, P-521; signed with the SHA-2 of that size)."""

    def __init__(self, path: Path) -> None:
        from cryptography.hazmat.primitives import serialization

        self._sign = _signing(_private_key(path), path)
        public = _private_key(path).public_key()
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.keyid = hashlib.sha256(der).hexdigest()

    def sign(self, data: bytes) -> bytes:
        return self._sign(data)


def _private_key(path: Path) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST)
        return load_pem_private_key(data, None)
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror or error}") from error
    except TypeError as error:
        raise UsageError(
            f"the key {path} is encrypted: give one that is not, or use --sign with an SSH key"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} is no private key in PEM form") from error


def _signing(key: Any, path: Path) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return lambda data: bytes(key.sign(data))
    sizes = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name.startswith("secp"):
        digest = sizes.get(key.curve.key_size)
        if digest is not None and key.curve.name != "secp256k1":
            return lambda data: bytes(key.sign(data, ec.ECDSA(digest)))
    raise UsageError(f"the key {path} is neither Ed25519 nor ECDSA on P-256, P-384 or P-521")


# --- ssh ------------------------------------------------------------------------------------------------


class SshSigner:
    """The SSH key that git signs with: user.signingKey, where gpg.format is ssh."""

    def __init__(self, repository: Repository) -> None:
        key = repository.setting("user.signingkey")
        if (repository.setting("gpg.format") or "").lower() != "ssh" or not key:
            raise UsageError(
                "--sign needs an SSH key: git config gpg.format ssh, and user.signingKey its file; "
                "or name a PEM file with --key"
            )
        self._program = repository.setting("gpg.ssh.program") or "ssh-keygen"
        literal = key.startswith(("key::", "ssh-", "ecdsa-", "sk-"))
        self._literal = key.removeprefix("key::") if literal else None
        self._file = str(Path(key).expanduser())
        self.keyid = self._with_key(self._fingerprint)

    def sign(self, data: bytes) -> bytes:
        return self._with_key(lambda file: self._signature(file, data))

    def _with_key(self, use: Callable[[str], T]) -> T:
        """`use` of a file with the key; one that git has as text is written down for the while."""
        if self._literal is None:
            return use(self._file)
        with tempfile.TemporaryDirectory(prefix="gittrack-") as folder:
            file = Path(folder) / "key.pub"
            file.write_text(self._literal + "\n")
            return use(str(file))

    def _fingerprint(self, file: str) -> str:
        words = self._run(["ssh-keygen", "-l", "-E", "sha256", "-f", file], b"").decode().split()
        if len(words) < 2:
            raise UsageError(f"ssh-keygen knows no key {file}")
        return words[1]

    def _signature(self, file: str, data: bytes) -> bytes:
        agent = ["-U"] if self._literal is not None else []
        return self._run([self._program, "-Y", "sign", *agent, "-n", NAMESPACE, "-f", file], data)

    @staticmethod
    def _run(command: Sequence[str], data: bytes) -> bytes:
        try:
            process = subprocess.run(
                command, input=data, capture_output=True, check=False, env={**os.environ}
            )
        except OSError as error:
            raise RepositoryError(f"{command[0]} cannot be run: install OpenSSH 8.9 or newer") from error
        if process.returncode != 0 or (
            data and not process.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----")
        ):
            lines = process.stderr.decode("utf-8", "replace").splitlines()
            message = next((line for line in reversed(lines) if line.strip()), "no message")
            raise UsageError(f"ssh-keygen could not use the key {command[-1]}: {message}")
        return process.stdout
