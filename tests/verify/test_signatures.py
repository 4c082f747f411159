"""Check 8: who may sign is said outside, and a key's validity is judged as of now."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gittrack.errors import UsageError
from gittrack.verify.signers import public_key, split_signature
from tests.ledgers import BRANCH
from tests.repositories import run_git
from tests.tables import rows
from tests.verify.forge import ROOT, Forge, run_files
from tests.verify.signing import REQUIRED, base, found, use

A, B = run_files(0), run_files(1)
BEFORE = 1_577_880_000  # 2020-01-01, when every key below was valid


class Keys:
    """SSH keys, and signers files that name them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def make(self, name: str) -> Path:
        path = self.folder / name
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True
        )
        return path

    def public(self, name: str) -> str:
        return " ".join((self.folder / f"{name}.pub").read_text().split()[:2])

    def allow(self, *lines: str) -> Path:
        path = self.folder / "allowed"
        path.write_text("".join(f"{line}\n" for line in lines))
        return path


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    keys = Keys(tmp_path / "keys")
    keys.make("ada")
    return keys


@pytest.fixture
def forge(tmp_path: Path, keys: Keys) -> Forge:
    forge = Forge.at(tmp_path / "repo")
    return use(forge, keys.folder / "ada")


def test_unsigned_commits_are_fine_where_nobody_asks(forge: Forge) -> None:
    """No finding, no note."""
    forge.chain(ROOT, {**ROOT, **A})
    assert found(forge) == []


def test_a_required_signature_is_missed(forge: Forge) -> None:
    """Of each run."""
    base(forge, REQUIRED)
    forge.chain(ROOT, {**ROOT, **A}, {**ROOT, **A, **B})
    assert found(forge) == [("signature-missing", "fail")] * 2


def test_a_signature_by_an_allowed_signer_is_good(forge: Forge, keys: Keys) -> None:
    """From a file given, or from the trusted base."""
    forge.signed({**ROOT, **A}, forge.commit(ROOT))
    allowed = keys.allow(f"ada@example.com {keys.public('ada')}")
    base(forge, REQUIRED)
    assert found(forge, allowed) == []
    base(forge, f"{REQUIRED}, signers: .signers", **{".signers": allowed.read_bytes()})
    assert found(forge) == []


def test_a_key_of_the_pull_request_s_own_is_not_trusted(forge: Forge, keys: Keys) -> None:
    """It brings a key, a signature by it, and a signers file that allows it: on ledger, branch and HEAD."""
    keys.make("mallory")
    base(forge, f"{REQUIRED}, signers: .signers", **{".signers": f"ada {keys.public('ada')}\n".encode()})
    own = f"* {keys.public('mallory')}\n".encode()
    tree = forge.tree({"gittrack.yaml": b"policy: {signers: .signers}\n", ".signers": own})
    top = forge.repository.top
    run_git(top, "update-ref", "HEAD", run_git(top, "commit-tree", "-m", "pull request", tree).strip())
    run_git(top, "config", "gpg.ssh.allowedSignersFile", str(keys.allow(own.decode().strip())))
    use(forge, keys.folder / "mallory").signed({**ROOT, **A, ".signers": own}, forge.commit(ROOT))
    assert found(forge) == [("signature-untrusted", "fail")]


def test_without_a_trusted_base_nobody_can_judge(forge: Forge, keys: Keys) -> None:
    """A note where signatures are a courtesy, INCOMPLETE where they are required."""
    forge.signed({**ROOT, **A}, forge.commit(ROOT))
    assert found(forge) == [("signature-unjudged", "note")]
    base(forge, REQUIRED)
    assert found(forge) == [("signature-unjudged", "incomplete")]


def test_a_signature_that_does_not_fit_fails_always(forge: Forge, keys: Keys) -> None:
    """Metric edited, commit rebuilt with the old signature."""
    signed = forge.signed({**ROOT, **A}, forge.commit(ROOT))
    top = forge.repository.top
    data = subprocess.run(
        ["git", "cat-file", "commit", signed], cwd=top, capture_output=True, check=True
    ).stdout
    forged = data.replace(data[:45], f"tree {forge.tree({**ROOT, **B})}".encode())
    (top / "commit").write_bytes(forged)
    forge.move(run_git(top, "hash-object", "-t", "commit", "-w", "commit").strip())
    allowed = keys.allow(f"ada {keys.public('ada')}")
    assert found(forge, allowed) == [("signature-bad", "fail")]


def test_an_expired_key_does_not_sign_by_writing_an_old_date(forge: Forge, keys: Keys) -> None:
    """git itself says G, for it takes the committer's word for when it was."""
    commit = forge.signed({**ROOT, **A}, forge.commit(ROOT), at=BEFORE)
    allowed = keys.allow(f'ada valid-before="20210101" {keys.public("ada")}')
    top = forge.repository.top
    run_git(top, "config", "gpg.ssh.allowedSignersFile", str(allowed))
    assert run_git(top, "log", "-1", "--format=%G?", commit).strip() == "G"
    assert found(forge, allowed) == [("signature-expired-key", "fail")]


def test_a_key_that_is_not_valid_yet_signs_nothing(forge: Forge, keys: Keys) -> None:
    """Not even with a date from the future."""
    forge.signed({**ROOT, **A}, forge.commit(ROOT), at=2_050_000_000)
    allowed = keys.allow(f'ada valid-after="20300101" {keys.public("ada")}')
    assert found(forge, allowed) == [("signature-expired-key", "fail")]


@pytest.mark.parametrize("form", ["public keys", "revocation list of OpenSSH"])
def test_a_revoked_key_signs_nothing(forge: Forge, keys: Keys, form: str) -> None:
    """Whatever the date; revoked are the keys of git's own setting, in either form. Others sign on."""
    forge.signed({**ROOT, **A}, forge.commit(ROOT), at=BEFORE)
    keys.make("bob")
    allowed = keys.allow(f"ada {keys.public('ada')}", f"bob {keys.public('bob')}")
    for name, codes in (("ada", [("signature-revoked-key", "fail")]), ("bob", [])):
        revoked = keys.folder / f"{name}.pub"
        if form != "public keys":
            listed, revoked = revoked, keys.folder / f"{name}.krl"
            subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(revoked), str(listed)], check=True)
        run_git(forge.repository.top, "config", "gpg.ssh.revocationFile", str(revoked))
        assert found(forge, allowed) == codes


def test_a_certificate_that_ran_out_signs_nothing(forge: Forge, keys: Keys) -> None:
    """A key that an authority vouched for until 2021, and a date of 2020; one in force is good."""
    keys.make("authority")
    allowed = keys.allow(f"ada cert-authority {keys.public('authority')}")
    top, authority = forge.repository.top, str(keys.folder / "authority")
    for valid, codes in (
        ("20190101:20210101", [("signature-untrusted", "fail")]),
        ("20190101:20990101", []),
    ):
        base(forge, REQUIRED)
        certify = ["ssh-keygen", "-q", "-s", authority, "-I", "ada", "-n", "ada", "-V", valid]
        subprocess.run([*certify, str(keys.folder / "ada.pub")], check=True)
        run_git(top, "config", "user.signingKey", str(keys.folder / "ada-cert.pub"))
        forge.signed({**ROOT, **A}, forge.commit(ROOT), at=BEFORE)
        assert found(forge, allowed) == codes


def test_a_revocation_list_that_is_gone_is_said(forge: Forge, keys: Keys) -> None:
    """Else a revoked key would be good again."""
    forge.signed({**ROOT, **A}, forge.commit(ROOT))
    run_git(forge.repository.top, "config", "gpg.ssh.revocationFile", str(keys.folder / "nowhere"))
    with pytest.raises(UsageError, match="nowhere"):
        found(forge, keys.allow(f"ada {keys.public('ada')}"))


def test_a_key_for_another_purpose_signs_no_commits(forge: Forge, keys: Keys) -> None:
    """The namespace of a git signature is git."""
    forge.signed({**ROOT, **A}, forge.commit(ROOT))
    allowed = keys.allow(f'ada namespaces="file" {keys.public("ada")}')
    assert found(forge, allowed)[0][0] in ("signature-expired-key", "signature-bad")


def test_only_the_range_is_asked_for_signatures(forge: Forge, keys: Keys) -> None:
    """What was on the ledger before signing was required stays as it is."""
    base(forge, REQUIRED)
    first = forge.commit({**ROOT, **A})
    last = forge.signed({**ROOT, **A, **B}, first)
    allowed = keys.allow(f"ada {keys.public('ada')}")
    assert found(forge, allowed) == [("signature-missing", "fail")]
    assert found(forge, allowed, f"{first}..{last}") == []


def test_a_signers_file_that_cannot_be_read_is_the_caller_s_fault(forge: Forge, keys: Keys) -> None:
    """Neither is one that the base lacks a finding."""
    forge.signed({**ROOT, **A}, forge.commit(ROOT))
    with pytest.raises(UsageError, match="nowhere"):
        found(forge, keys.folder / "nowhere")
    base(forge, f"{REQUIRED}, signers: .signers")
    with pytest.raises(UsageError, match=r"\.signers"):
        found(forge)


APPROVED = f"{REQUIRED}, author_not_approver: true"


def merged(forge: Forge, approver: Path | None) -> None:
    """A pull request of ada's, merged by somebody."""
    root = forge.commit(ROOT)
    proposed = forge.signed({**ROOT, **A}, root)
    trunk = forge.commit({**ROOT, ".dvc/config": b"x"}, root)
    files = {**ROOT, **A, ".dvc/config": b"x"}
    if approver is None:
        forge.commit(files, trunk, proposed)
    else:
        use(forge, approver).signed(files, trunk, proposed)


def test_somebody_else_has_to_approve(forge: Forge, keys: Keys) -> None:
    """By a signed merge; neither the author, nor nobody, nor a stranger."""
    keys.make("bob")
    keys.make("mallory")
    allowed = keys.allow(f"ada@x.org {keys.public('ada')}", f"bob@x.org {keys.public('bob')}")
    base(forge, APPROVED)
    merged(forge, keys.folder / "bob")
    assert found(forge, allowed) == []
    use(forge, keys.folder / "ada")
    merged(Forge(forge.repository.discover(forge.repository.top)), keys.folder / "ada")
    assert found(forge, allowed) == [("signature-own-approval", "fail")]
    forge = use(forge, keys.folder / "ada")
    merged(forge, None)
    assert found(forge, allowed) == [("signature-no-approver", "fail")]
    forge = use(forge, keys.folder / "ada")
    merged(forge, keys.folder / "mallory")
    assert found(forge, allowed) == [("signature-no-approver", "fail")]
    forge = use(forge, keys.folder / "ada")
    forge.signed({**ROOT, **A}, forge.commit(ROOT))
    assert found(forge, allowed) == [("signature-no-approver", "fail")]


def test_a_commit_is_split_as_git_splits_it() -> None:
    """Continuation lines belong to the header before them."""
    head = b"tree 1\nauthor a\ngpgsig -----A\n b\n -----\nencoding x\n gpgsig y\n\ngpgsig not this\n"
    signature, rest = split_signature(head, "sha1")
    assert signature == b"-----A\nb\n-----"
    assert rest == b"tree 1\nauthor a\nencoding x\n gpgsig y\n\ngpgsig not this\n"
    assert split_signature(head.replace(b"gpgsig -", b"gpgsig-sha256 -"), "sha1") == (b"", rest)


@rows("junk", [b"", b"-----BEGIN SSH SIGNATURE-----\n****\n", b"AAAA", b"\xff\xfe"])
def test_junk_names_no_key(junk: bytes) -> None:
    """Nor does it raise."""
    assert public_key(junk) == ""


def test_the_ledger_branch_is_what_was_signed(forge: Forge, keys: Keys) -> None:
    """A run added twice, in two clones, needs both commits signed."""
    base(forge, REQUIRED)
    root = forge.commit(ROOT)
    left, right = forge.signed({**ROOT, **A}, root), forge.commit({**ROOT, **A, **B}, root)
    forge.signed({**ROOT, **A, **B}, left, right)
    allowed = keys.allow(f"ada {keys.public('ada')}")
    assert found(forge, allowed) == [("signature-missing", "fail")] * 2
    assert run_git(forge.repository.top, "rev-parse", BRANCH)
