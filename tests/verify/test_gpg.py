"""Check 8 with OpenPGP: keys of the trusted list, else of one's own keyring, and no belief in dates."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gittrack.errors import UsageError
from tests.repositories import run_git
from tests.verify.forge import ROOT, Forge, run_files
from tests.verify.gnupg import BEFORE, GnuPG, gnupg
from tests.verify.signing import REQUIRED, base, found

A = run_files(0)
LISTED = f"{REQUIRED}, signers: .signers"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[GnuPG]:
    """A keyring with Ada's good key, which is also that of whoever verifies."""
    with gnupg() as keys:
        monkeypatch.setenv("GNUPGHOME", str(keys.home))
        keys.make("ada")
        yield keys


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    return Forge.at(tmp_path / "repo")


def sign(forge: Forge, keys: GnuPG, name: str, *, then: bool = False) -> str:
    """A ledger whose only run is in a commit signed by `name`, with a date of 2020."""
    keys.set_up(forge.repository.top, name, then=then)
    forge = Forge(forge.repository.discover(forge.repository.top))
    commit = forge.signed({**ROOT, **A}, forge.commit(ROOT), at=BEFORE)
    run_git(forge.repository.top, "config", "gpg.program", "gpg")
    return commit


def allow(forge: Forge, text: bytes) -> None:
    """The trusted base says that these keys may sign."""
    base(forge, LISTED, **{".signers": text})


def test_a_key_of_the_trusted_list_is_good(
    forge: Forge, keys: GnuPG, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not whoever verifies has it; several keys and SSH keys may be in one file."""
    sign(forge, keys, "ada")
    keys.make("bob")
    listed = keys.public("bob") + b"carol@x.org ssh-ed25519 AAAA\n" + keys.public("ada")
    allow(forge, listed.replace(b"\n", b"\r\n"))
    assert found(forge) == []
    monkeypatch.setenv("GNUPGHOME", str(keys.home / "nothing"))
    assert found(forge) == []


@pytest.mark.parametrize("others", ["openpgp", "ssh"])
def test_a_key_that_the_list_lacks_is_untrusted(forge: Forge, keys: GnuPG, others: str) -> None:
    """Even where the keyring of whoever verifies trusts it."""
    sign(forge, keys, "ada")
    keys.make("bob")
    allow(forge, keys.public("bob") if others == "openpgp" else b"bob@x.org ssh-ed25519 AAAA\n")
    assert found(forge) == [("signature-untrusted", "fail")]


def test_an_expired_key_does_not_sign_by_writing_an_old_date(forge: Forge, keys: GnuPG) -> None:
    """Commit and signature are dated when the key was valid; what counts is now."""
    keys.make("old", expired=True)
    sign(forge, keys, "old", then=True)
    base(forge, REQUIRED)
    assert found(forge) == [("signature-expired-key", "fail")]
    allow(forge, keys.public("old"))
    assert found(forge) == [("signature-expired-key", "fail")]
    base(forge, "signatures: optional")
    assert found(forge) == [("signature-expired-key", "fail")], "a signature that is there has to be right"


def test_a_revoked_key_signs_nothing(forge: Forge, keys: GnuPG) -> None:
    """As soon as the list, or the keyring, has the revocation; whatever the date of commit and signature."""
    before = keys.public("ada")
    sign(forge, keys, "ada")
    keys.revoke("ada")
    base(forge, REQUIRED)
    assert found(forge) == [("signature-revoked-key", "fail")]
    allow(forge, keys.public("ada"))
    assert found(forge) == [("signature-revoked-key", "fail")]
    allow(forge, before)
    assert found(forge) == [], "the list is what is trusted, and it has not heard of that"


def test_a_key_that_the_keyring_lacks_cannot_be_judged(
    forge: Forge, keys: GnuPG, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a list nobody said who may sign: INCOMPLETE where signatures are required, else a note."""
    sign(forge, keys, "ada")
    base(forge, REQUIRED)
    with gnupg() as other:
        monkeypatch.setenv("GNUPGHOME", str(other.home))
        assert found(forge) == [("signature-unjudged", "incomplete")]
        base(forge, "signatures: optional")
        assert found(forge) == [("signature-unjudged", "note")]


def test_the_keyring_has_to_trust_its_key(forge: Forge, keys: GnuPG) -> None:
    """A key that was imported and never certified could be anybody's."""
    sign(forge, keys, "ada")
    base(forge, REQUIRED)
    assert found(forge) == []
    keys("--import-ownertrust", data=f"{keys.fingerprint('ada')}:2:\n")
    assert found(forge) == [("signature-untrusted", "fail")]


def altered(forge: Forge, commit: str, old: bytes, new: bytes) -> None:
    """The ledger with one text of its last commit replaced (a pattern)."""
    top = forge.repository.top
    data = subprocess.run(
        ["git", "cat-file", "commit", commit], cwd=top, capture_output=True, check=True
    ).stdout
    forged, count = re.subn(old, new, data, flags=re.S)
    assert count == 1
    done = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"], cwd=top, input=forged,
        capture_output=True, check=True,
    )  # fmt: skip
    forge.move(done.stdout.decode().strip())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb"\n\nrun\Z", b"\n\nrun of somebody else"),
        (rb"BEGIN PGP SIGNATURE", b"BEGIN FOREIGN SIGNATURE"),
        (rb"\n \n .*\n -----END", b"\n \n AAAA\n -----END"),
    ],
    ids=["of another commit", "of no known form", "unreadable"],
)
@pytest.mark.parametrize("policy", [REQUIRED, "signatures: optional"])
def test_a_signature_that_is_none_is_bad(
    forge: Forge, keys: GnuPG, old: bytes, new: bytes, policy: str
) -> None:
    """It neither counts as unsigned nor stops the look at the others."""
    commit = sign(forge, keys, "ada")
    base(forge, policy)
    altered(forge, commit, old, new)
    assert found(forge) == [("signature-bad", "fail")]


def test_without_gnupg_nothing_is_judged(forge: Forge, keys: GnuPG) -> None:
    """A signed commit is not called unsigned because the program that reads signatures is missing."""
    sign(forge, keys, "ada")
    run_git(forge.repository.top, "config", "gpg.program", "gpg-that-is-not-here")
    base(forge, REQUIRED)
    assert found(forge) == [("signature-unjudged", "incomplete")]
    allow(forge, keys.public("ada"))
    assert found(forge) == [("signature-unjudged", "incomplete")]
    allow(forge, b"bob@x.org ssh-ed25519 AAAA\n")
    assert found(forge) == [("signature-untrusted", "fail")], "the list has no OpenPGP key at all"


def test_a_list_that_gnupg_cannot_read_is_its_keeper_s_fault(forge: Forge, keys: GnuPG) -> None:
    """An error, rather than a list that lacks somebody."""
    sign(forge, keys, "ada")
    begin, end = (f"-----{word} PGP PUBLIC KEY BLOCK-----\n".encode() for word in ("BEGIN", "END"))
    allow(forge, begin + b"\nAAAA\n" + end)
    with pytest.raises(UsageError, match="OpenPGP keys"):
        found(forge)
