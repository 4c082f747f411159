"""What verify says of the registry's tags: honest ones pass, and each lie has its code."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from gittrack.git.repository import Repository
from gittrack.governance.registry.tags import OUTPUT, RUN, SHA256
from gittrack.verify import VerifyOptions, VerifyReport, verify
from tests.governance.registry.shop import Shop, do, shop
from tests.repositories import run_git
from tests.verify.gnupg import gnupg

__all__ = ["shop"]


@pytest.fixture
def churn(shop: Shop) -> Shop:
    """Two versions, of which one went into a stage and out of it again."""
    do("register", "latest~1", "--model", "churn", "-q")
    do("register", "latest", "--model", "churn", "-q")
    do("promote", "churn@v0.0.1", "--stage", "prod", "-q")
    do("promote", "churn@v0.0.1", "--stage", "prod", "--demote", "-q")
    return shop


def report(shop: Shop, *selection: str, **options: Any) -> VerifyReport:
    return verify(
        Repository.discover(shop.top), selection=selection, options=VerifyOptions(fsck=False, **options)
    )


def codes(shop: Shop, *selection: str, **options: Any) -> list[tuple[str, str]]:
    """Code and severity of what is said of the registry, by the tag."""
    found = [f for f in report(shop, *selection, **options).findings if f.code.startswith("registry")]
    assert all(f.path is not None and f.path.startswith("refs/tags/") for f in found)
    return [(f.code, f.severity) for f in found]


def claim(shop: Shop, at: int = 0, **changes: str) -> str:
    record = shop.records[at]
    fields = {RUN: record.id, OUTPUT: "model.bin", SHA256: record.outputs[0].sha256 or ""}
    fields |= {key.replace("_", "-"): value for key, value in changes.items()}
    return "by hand\n\n" + "\n".join(f"{key}: {value}" for key, value in fields.items())


def test_an_honest_registry_passes(churn: Shop) -> None:
    """As does one that stock gto wrote into."""
    assert report(churn).outcome == "PASS" and codes(churn) == []
    churn.gto("assign", "churn", "--version", "v0.0.2", "--stage", "dev")
    churn.gto("deprecate", "churn", "v0.0.1")
    assert codes(churn) == []


def lie(shop: Shop, name: str) -> str:
    """Make the tag of that name; the code that it gets."""
    first, second = (shop.commit_of(record) for record in shop.records[:2])
    third = shop.commit_of(shop.train())
    head = run_git(shop.top, "rev-parse", "HEAD").strip()
    tags = {
        "other sha256": (third, claim(shop, 2, Gittrack_Sha256="0" * 64), "registry-output"),
        "other output": (third, claim(shop, 2, Gittrack_Output="nothing"), "registry-output"),
        "later commit": (third, claim(shop, 0), "registry-commit"),
        "on code": (head, claim(shop, 2), "registry-commit"),
        "no run of ours": (third, claim(shop, 2, Gittrack_Run="20200101-000000-abcdef"), "registry-run"),
        "no run": (third, "by hand", "registry-run"),
        "no run on code": (head, "by hand", "registry-run"),
        "twice": (first, claim(shop, 0), "registry-twice"),
        "stage on no version": (third, "by hand", "registry-stage"),
        "stage on code": (head, "by hand", "registry-stage"),
        "renamed": (second, "", "registry-tag"),
        "lightweight": (second, "", "registry-tag"),
    }
    commit, message, code = tags[name]
    ref = "churn#prod#9" if name.startswith("stage") else "churn@v9.0.0"
    if name == "renamed":
        run_git(shop.top, "update-ref", f"refs/tags/{ref}", "refs/tags/churn@v0.0.2")
    elif name == "lightweight":
        run_git(shop.top, "tag", ref, commit)
    else:
        shop.tag(ref, commit, message)
    return code


LIES = (
    "other sha256", "other output", "later commit", "on code", "no run of ours", "no run", "no run on code",
    "twice", "stage on no version", "stage on code", "renamed", "lightweight",
)  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_lie_fails(churn: Shop, name: str) -> None:
    """By the code that the page documents."""
    code = lie(churn, name)
    found = codes(churn)
    assert (code, "fail") in found
    assert report(churn).outcome == "FAIL"


def test_a_run_that_failed_is_no_model(shop: Shop) -> None:
    """Whoever tagged it by hand."""
    import gittrack

    (shop.top / "half.bin").write_text("half")
    with pytest.raises(ValueError), gittrack.start_run("digits") as run:
        run.log_model("half.bin")
        raise ValueError("no data")
    assert run.record is not None
    shop.records.append(run.record)
    text = claim(shop, 2, Gittrack_Output="half.bin")
    shop.tag("churn@v1.0.0", shop.commit_of(run.record), text)
    assert codes(shop) == [("registry-run", "fail")]


def test_the_tags_of_others_are_not_ours(churn: Shop) -> None:
    """GTO may register other things of the same repository, on code; releases are no models."""
    churn.gto("register", "dataset", "HEAD")
    run_git(churn.top, "tag", "dataset@v2.0.0")
    run_git(churn.top, "tag", "v1.0.0")
    assert codes(churn) == []


def test_only_those_of_the_selected_runs(churn: Shop) -> None:
    """A run, or what a range adds."""
    lie(churn, "other sha256")
    assert codes(churn, churn.records[0].id) == []
    assert codes(churn, churn.records[2].id) == [("registry-output", "fail")]
    before = churn.commit_of(churn.records[1])
    assert codes(churn, f"{before}..gittrack/runs") == [("registry-output", "fail")]
    assert codes(churn, f"gittrack/runs..{before}") == []


def test_a_shallow_clone_cannot_tell(churn: Shop) -> None:
    """What it lacks is incomplete, not wrong."""
    churn.train()
    where = churn.top.parent / "shallow"
    origin = f"file://{churn.top}"
    run_git(churn.top.parent, "clone", "-q", "--depth=1", "-b", "gittrack/runs", origin, "shallow")
    run_git(where, "fetch", "-q", "--depth=1", "origin", "refs/tags/churn@v0.0.1:refs/tags/churn@v0.0.1")
    found = codes(Shop(where))
    assert ("registry-unchecked", "incomplete") in found
    assert not [code for code, severity in found if severity == "fail"]


# --- signatures --------------------------------------------------------------------------------------


class Signing:
    """SSH keys, and a policy that asks for signatures on the trusted base."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop, self.folder = shop, folder
        self.allowed = folder / "allowed"
        run_git(shop.top, "config", "gpg.format", "ssh")
        for name in ("ada", "eve"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
            )
        self.allowed.write_text(f"ada@example.com {(folder / 'ada.pub').read_text()}")

    def use(self, name: str) -> None:
        run_git(self.shop.top, "config", "user.signingKey", str(self.folder / name))

    def require(self) -> None:
        """By gittrack.yaml of the revision that is trusted; runs are not looked at here."""
        (self.shop.top / "gittrack.yaml").write_text("policy: {signatures: required}\n")
        run_git(self.shop.top, "add", "-A")
        run_git(self.shop.top, "commit", "-q", "-m", "policy")


@pytest.fixture
def signing(shop: Shop, tmp_path: Path) -> Signing:
    return Signing(shop, tmp_path)


def test_a_signed_tag_is_judged_by_the_list(signing: Signing) -> None:
    """Good, of somebody whom nobody allowed, missing; with a policy and without."""
    shop = signing.shop
    signing.use("ada")
    do("register", "latest", "--model", "churn", "-q", "--sign")
    assert codes(shop, signers=signing.allowed) == []
    assert codes(shop) == [("registry-unjudged", "note")]
    signing.use("eve")
    do("promote", "churn", "--stage", "prod", "-q", "--sign")
    do("promote", "churn", "--stage", "dev", "-q")
    assert codes(shop, signers=signing.allowed) == [("registry-untrusted", "note")]
    signing.require()
    assert sorted(codes(shop, signers=signing.allowed)) == [
        ("registry-unsigned", "fail"), ("registry-untrusted", "fail"),
    ]  # fmt: skip
    assert ("registry-unjudged", "incomplete") in codes(shop)


def test_a_signed_tag_that_was_changed(signing: Signing) -> None:
    """Fails, whether or not signatures are required: also where only its message differs."""
    shop = signing.shop
    signing.use("ada")
    do("register", "latest", "--model", "churn", "-q", "--sign", "-m", "for the trial")
    data = run_git(shop.top, "cat-file", "tag", "churn@v0.0.1").replace("for the trial", "for good")
    done = subprocess.run(
        ["git", "mktag"], cwd=shop.top, input=data, text=True, check=True, capture_output=True
    )
    run_git(shop.top, "update-ref", "refs/tags/churn@v0.0.1", done.stdout.strip())
    assert codes(shop, signers=signing.allowed) == [("registry-signature", "fail")]


def test_a_signed_tag_put_under_another_name(signing: Signing) -> None:
    """The signature is good, and yet it is not what was signed."""
    shop = signing.shop
    signing.use("ada")
    do("register", "latest", "--model", "churn", "-q", "--sign")
    do("promote", "churn", "--stage", "dev", "-q", "--sign")
    run_git(shop.top, "update-ref", "refs/tags/churn#prod#7", "refs/tags/churn#dev#1")
    assert codes(shop, signers=signing.allowed) == [("registry-tag", "fail")]


def test_openpgp(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of the list, of nobody, and a tag that was changed."""
    with gnupg() as keys:
        monkeypatch.setenv("GNUPGHOME", str(keys.home))
        keys.make("ada")
        keys.make("bob")
        keys.set_up(shop.top, "ada")
        do("register", "latest", "--model", "churn", "-q", "--sign")
        allowed = tmp_path / "allowed"
        allowed.write_bytes(keys.public("ada"))
        assert codes(shop, signers=allowed) == []
        allowed.write_bytes(keys.public("bob"))
        assert codes(shop, signers=allowed) == [("registry-untrusted", "note")]
        allowed.write_text("ada@example.com ssh-ed25519 AAAA\n")
        assert codes(shop, signers=allowed) == [("registry-untrusted", "note")]
        assert codes(shop) == []  # by one's own keyring
        allowed.write_bytes(keys.public("ada"))
        data = run_git(shop.top, "cat-file", "tag", "churn@v0.0.1").replace("Register", "register")
        done = subprocess.run(
            ["git", "mktag"], cwd=shop.top, input=data, text=True, check=True, capture_output=True
        )
        run_git(shop.top, "update-ref", "refs/tags/churn@v0.0.1", done.stdout.strip())
        assert codes(shop, signers=allowed) == [("registry-signature", "fail")]
