"""Ledgers that ask for signatures, and what verify finds in them."""

from __future__ import annotations

from pathlib import Path

from gittrack.verify import VerifyOptions
from tests.repositories import run_git
from tests.verify.forge import Forge


def use(forge: Forge, key: Path) -> Forge:
    """Sign with `key` from now on."""
    run_git(forge.repository.top, "config", "gpg.format", "ssh")
    run_git(forge.repository.top, "config", "user.signingKey", str(key))
    return Forge(forge.repository.discover(forge.repository.top))


def base(forge: Forge, policy: str, **files: bytes) -> str:
    """A trusted code commit with this policy, as origin's default branch."""
    top = forge.repository.top
    tree = forge.tree({"gittrack.yaml": f"policy: {{{policy}}}\n".encode(), **files})
    commit = run_git(top, "commit-tree", "-m", "base", tree).strip()
    run_git(top, "update-ref", "refs/remotes/origin/main", commit)
    run_git(top, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    return commit


def found(forge: Forge, signers: Path | None = None, *selection: str) -> list[tuple[str, str]]:
    report = forge.verify(*selection, options=VerifyOptions(signers=signers, fsck=False))
    return [(f.code, f.severity) for f in report.findings if f.code.startswith("signature")]


REQUIRED = "signatures: required"
