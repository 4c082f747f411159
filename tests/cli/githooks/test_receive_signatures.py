"""A server that asks for signatures judges them as verify does: its own list, now, whatever a commit says."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from gittrack import cli
from gittrack.cli.githooks.receive import Judge, Update, judge_for
from gittrack.errors import LedgerError, RepositoryError
from gittrack.git.repository import Repository
from tests.cli.githooks.served import LEDGER, push, record
from tests.repositories import run_git
from tests.verify.gnupg import gnupg

THEN = "2020-06-01T00:00:00 +0000"


def ssh_key(top: Path, name: str) -> str:
    """Have git sign with a new key; its line of a signers file."""
    key = top.parent / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    sign_with(top, "ssh", str(key))
    return f"{name}@example.org {key.with_suffix('.pub').read_text()}"


def sign_with(top: Path, form: str, key: str) -> None:
    for name, value in (("gpg.format", form), ("user.signingKey", key), ("commit.gpgSign", "true")):
        run_git(top, "config", name, value)


@pytest.fixture
def strict(inside: Path, server: tuple[Path, str]) -> Path:
    """The bare repository, whose ledger asks for signatures by `gittrack.yaml` at its HEAD, of no one yet."""
    bare, _ = server
    record()
    assert cli.execute(["push"]) == 0
    allow(inside, b"")
    return bare


def allow(top: Path, signers: bytes) -> None:
    """Push code that says who may sign."""
    (top / "gittrack.yaml").write_text("policy: {signatures: required, signers: .signers}\n")
    (top / ".signers").write_bytes(signers)
    run_git(top, "add", "gittrack.yaml", ".signers")
    run_git(top, "-c", "commit.gpgSign=false", "commit", "-q", "--allow-empty", "-m", "signers")
    done = push(top, "-q", "origin", "main")
    assert done.returncode == 0, done.stderr


def refused(top: Path) -> str:
    """What the pusher of the ledger reads; empty if it was taken."""
    done = push(top, "origin", LEDGER)
    return done.stderr if done.returncode else ""


def redated(top: Path) -> None:
    """The ledger's last commit once more, signed with a date of 2020."""
    env = {"GIT_COMMITTER_DATE": THEN, "GIT_AUTHOR_DATE": THEN}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        made = run_git(top, "commit-tree", "-S", "-p", f"{LEDGER}~1", "-m", "run", f"{LEDGER}^{{tree}}")
    run_git(top, "update-ref", LEDGER, made.strip())


def test_only_allowed_keys_get_in(inside: Path, strict: Path) -> None:
    """Neither unsigned commits nor a key that the server's HEAD does not name."""
    record()
    assert "the commit is not signed" in refused(inside)
    run_git(inside, "update-ref", LEDGER, f"{LEDGER}~1")
    ada = ssh_key(inside, "ada")
    record()
    assert "a key that nobody allowed" in refused(inside)
    allow(inside, ada.encode())
    assert refused(inside) == ""


def test_keys_that_are_no_longer_valid_do_not_get_in(inside: Path, strict: Path) -> None:
    """Dated back to when they were: git itself would take that commit."""
    ada = ssh_key(inside, "ada")
    record()
    redated(inside)
    allow(inside, ada.replace(" ", ' valid-before="20210101" ', 1).encode())
    assert "the signing key is not valid now" in refused(inside)
    allow(inside, ada.encode())
    run_git(strict, "config", "gpg.ssh.revocationFile", str(inside.parent / "ada.pub"))
    assert "the signing key was revoked" in refused(inside)
    run_git(strict, "config", "--unset", "gpg.ssh.revocationFile")
    assert refused(inside) == ""


def test_openpgp_keys_of_the_list_get_in_until_they_are_revoked(
    inside: Path, strict: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server needs no keyring of its own."""
    with gnupg() as keys:
        keys.make("ada")
        with monkeypatch.context() as patch:
            patch.setenv("GNUPGHOME", str(keys.home))
            sign_with(inside, "openpgp", "ada@example.org")
            record()
        before = keys.public("ada")
        keys.revoke("ada")
        allow(inside, keys.public("ada"))
        assert "the signing key was revoked" in refused(inside)
        allow(inside, before)
        assert refused(inside) == ""


def test_without_a_list_the_keeper_s_settings_count(two: tuple[Path, str], tmp_path: Path) -> None:
    """`gittrack.requireSigned` and git's allowed signers file; nobody is let in where nobody is named."""
    top, _ = two
    ada = ssh_key(top, "ada")
    tip = run_git(top, "rev-parse", LEDGER).strip()
    record()
    update = Update(tip, run_git(top, "rev-parse", LEDGER).strip(), LEDGER)
    run_git(top, "config", "gittrack.requireSigned", "true")
    with pytest.raises(LedgerError, match="who may sign is not known here"):
        judge_for(Repository.discover(top), "gittrack/runs").check([update])
    (tmp_path / "allowed").write_text(ada)
    run_git(top, "config", "gpg.ssh.allowedSignersFile", str(tmp_path / "allowed"))
    judge_for(Repository.discover(top), "gittrack/runs").check([update])


def test_a_list_that_is_named_and_not_there_lets_nobody_in(two: tuple[Path, str]) -> None:
    """Rather than everybody whom git's settings name."""
    top, _ = two
    (top / "gittrack.yaml").write_text("policy: {signatures: required, signers: .signers}\n")
    run_git(top, "add", "gittrack.yaml")
    run_git(top, "commit", "-q", "-m", "policy")
    with pytest.raises(LedgerError, match="which HEAD lacks"):
        judge_for(Repository.discover(top), "gittrack/runs")


def test_signatures_are_looked_at_in_bounded_time(two: tuple[Path, str]) -> None:
    """A verifier that does not end is stopped, with whatever it started."""
    top, _ = two
    slow = top.parent / "bin" / "gpg"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nsleep 150 & wait\n")
    slow.chmod(0o755)
    commit = run_git(top, "cat-file", "commit", LEDGER)
    signed = commit.replace(
        "\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n\n", 1
    )
    (top.parent / "commit").write_text(signed)
    made = run_git(top, "hash-object", "-t", "commit", "-w", str(top.parent / "commit")).strip()
    run_git(top, "config", "gpg.program", str(slow))
    began = time.monotonic()
    old = run_git(top, "rev-parse", f"{LEDGER}~1").strip()
    with pytest.raises(RepositoryError, match="took too long"):
        Judge(Repository.discover(top), LEDGER, signed=True, seconds=2).check([Update(old, made, LEDGER)])
    assert time.monotonic() - began < 120
