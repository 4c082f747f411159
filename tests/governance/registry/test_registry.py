"""Tags made by gittrack are read by stock gto, and the other way round; what lies is no run."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from gittrack.errors import NotFoundError, UsageError
from gittrack.governance.registry import Registry, parse_reference
from gittrack.governance.registry.tags import OUTPUT, RUN, SHA256, read_path, write_path
from gittrack.governance.registry.write import Made, promote, register
from gittrack.reading.entry import open_index
from tests.governance.registry.shop import Shop
from tests.repositories import run_git


def registered(shop: Shop, at: int = 0, model: str = "churn", **options: Any) -> Made:
    with open_index(shop.top) as index:
        return register(index.repository, index, shop.records[at].id, model, **options)


def promoted(shop: Shop, word: str, stage: str = "prod", **options: Any) -> Made:
    with open_index(shop.top) as index:
        return promote(index.repository, index, word, stage, **options)


def stages(shop: Shop, model: str = "churn") -> dict[str, str | None]:
    """As gittrack has them; gto has to agree."""
    found = shop.registry().models[model].stages
    ours = {name: stage.version.version if stage.version else None for name, stage in found.items()}
    theirs = shop.gto_json("show")[model]["stage"]
    assert {k: v for k, v in theirs.items() if v} == ours
    return ours


def test_a_version_is_an_annotated_tag_on_the_commit_that_added_the_run(shop: Shop) -> None:
    """It names the run, the output and its sha256; stock gto lists it."""
    made = registered(shop, message="with\nnew data\n\nGittrack-Run: 20200101-000000-ffffff")
    assert made.tag == "churn@v0.0.1"
    assert run_git(shop.top, "rev-parse", "churn@v0.0.1^{commit}").strip() == shop.commit_of(shop.records[0])
    text = run_git(shop.top, "cat-file", "tag", "churn@v0.0.1")
    output = shop.records[0].outputs[0]
    assert text.endswith(f"\n\n{RUN}: {shop.records[0].id}\n{OUTPUT}: model.bin\n{SHA256}: {output.sha256}\n")
    assert "new data" in text and "Ada Lovelace <ada@example.com>" in text
    (version,) = shop.gto_json("show", "churn")
    assert (version["version"], version["commit_hexsha"]) == ("v0.0.1", shop.commit_of(shop.records[0]))
    assert version["author_email"] == "ada@example.com" and "new data" in version["message"]
    assert shop.gto("check-ref", "churn@v0.0.1", "--event").strip() == "registration"
    registry = shop.registry()
    claim = registry.claim(registry.models["churn"].versions[0])
    assert claim.row is not None and claim.row.id == shop.records[0].id


def test_the_next_version_is_that_of_gto(shop: Shop) -> None:
    """v0.0.1, then the patch is raised; or the part that is asked for."""
    shop.train()
    shop.train()
    made = [registered(shop, n).version for n in (0, 1)]
    made += [registered(shop, 2, bump="minor").version, registered(shop, 3, bump="major").version]
    assert made == ["v0.0.1", "v0.0.2", "v0.1.0", "v1.0.0"]
    assert shop.gto("show", "churn@latest", "--version").strip() == "v1.0.0"
    last = shop.train()
    shop.gto("register", "churn", shop.commit_of(last))
    assert shop.registry().models["churn"].newest.version == "v1.0.1"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"at": 0}, "is churn v1.0.0 already"),
        ({"at": 1, "version": "v1.0.0"}, "registered already"),
        ({"at": 1, "version": "v0.9.0"}, "--force"),
        ({"at": 1, "version": "1.2.3"}, "no version"),
        ({"at": 1, "version": "v1.1.0", "bump": "minor"}, "choose one"),
        ({"at": 1, "model": "other", "bump": "minor"}, "no version yet"),
        ({"at": 1, "model": "-d"}, "no name for a model"),
        ({"at": 1, "path": "nothing.bin"}, "no output 'nothing.bin': it has model.bin"),
        ({"at": 1, "message": "-----BEGIN SSH SIGNATURE-----\n"}, "no signature"),
    ],
)
def test_what_is_refused(shop: Shop, options: dict[str, Any], says: str) -> None:
    """With a line that says why, and no tag."""
    registered(shop, version="v1.0.0")
    before = shop.tags()
    with pytest.raises(UsageError, match=says):
        registered(shop, **options)
    assert shop.tags() == before


def test_a_lower_version_by_force(shop: Shop) -> None:
    """A correction of an older line."""
    registered(shop, version="v1.0.0")
    assert registered(shop, 1, version="v0.9.1", force=True).version == "v0.9.1"
    assert shop.registry().models["churn"].newest.version == "v1.0.0"  # type: ignore[union-attr]


def test_which_output_is_the_model(shop: Shop) -> None:
    """None of the role model, or several: one line that says what there is."""
    plot = shop.train(role="plot", name="roc.bin")
    with pytest.raises(UsageError, match=r"no output of the role model: name one with --path \(roc.bin\)"):
        registered(shop, 2)
    assert registered(shop, 2, path="roc.bin").row.id == plot.id
    for name in ("a.bin", "b.bin"):
        (shop.top / name).write_text(name)
    import gittrack

    with gittrack.start_run("digits") as run:
        run.log_model("a.bin")
        run.log_model("b.bin")
    assert run.record is not None
    shop.records.append(run.record)
    with pytest.raises(UsageError, match=r"has 2 models: name one with --path \(a.bin, b.bin\)"):
        registered(shop, 3)
    registered(shop, 3, model="b", path="b.bin")
    registry = shop.registry()
    assert registry.claim(registry.models["b"].versions[0]).output["path"] == "b.bin"  # type: ignore[index]


def test_a_failed_run_is_refused(shop: Shop) -> None:
    """It has no model that anybody should use."""
    import gittrack

    (shop.top / "half.bin").write_text("half")
    with pytest.raises(ValueError), gittrack.start_run("digits") as run:
        run.log_model("half.bin")
        raise ValueError("no data")
    assert run.record is not None
    shop.records.append(run.record)
    with pytest.raises(UsageError, match="failed: only a finished run"):
        registered(shop, 2)


def test_stages_are_those_of_gto(shop: Shop) -> None:
    """Promoted, promoted over, rolled back, taken out: each step as stock gto shows it."""
    registered(shop, 0)
    registered(shop, 1)
    assert promoted(shop, "churn@v0.0.1").tag == "churn#prod#1"
    assert stages(shop) == {"prod": "v0.0.1"}
    promoted(shop, "churn")  # the newest; in the same second, and yet after it
    assert stages(shop) == {"prod": "v0.0.2"}
    assert shop.gto("show", "churn#prod", "--version").strip() == "v0.0.2"
    promoted(shop, "churn@v0.0.1")
    assert stages(shop) == {"prod": "v0.0.1"}
    promoted(shop, "churn@v0.0.2", "staging/eu")
    assert promoted(shop, "churn@v0.0.1", remove=True).tag == "churn#prod!#5"
    assert stages(shop) == {"prod": "v0.0.2", "staging/eu": "v0.0.2"}
    promoted(shop, "churn@prod", remove=True)
    assert stages(shop) == {"staging/eu": "v0.0.2"}
    history = shop.gto_json("history", "churn")
    assert [event["event"] for event in history].count("assignment") == 4
    assert [event["event"] for event in history].count("unassignment") == 2
    assert shop.gto("check-ref", "churn#prod!#5", "--event").strip() == "unassignment"


def test_what_stock_gto_does_is_read(shop: Shop) -> None:
    """Assigned, taken out, deregistered and deprecated by gto."""
    registered(shop, 0)
    registered(shop, 1)
    shop.gto("assign", "churn", "--version", "v0.0.1", "--stage", "dev")
    assert stages(shop) == {"dev": "v0.0.1"}
    shop.gto("deprecate", "churn", "v0.0.2")
    assert shop.registry().models["churn"].newest.version == "v0.0.1"  # type: ignore[union-attr]
    with pytest.raises(NotFoundError, match="deregistered"):
        promoted(shop, "churn@v0.0.2")
    shop.gto("deprecate", "churn", "v0.0.1", "dev")
    assert stages(shop) == {}
    assert not shop.registry().models["churn"].deprecated
    run_git(shop.top, "tag", "-d", "churn@v0.0.2!")
    import time

    time.sleep(1.1)  # gto orders by whole seconds
    shop.gto("deprecate", "churn")
    assert shop.registry().models["churn"].deprecated
    assert "churn" not in shop.gto_json("show")


def test_promoting_twice_or_taking_out_what_is_not_in(shop: Shop) -> None:
    """One line each."""
    registered(shop, 0)
    promoted(shop, "churn@v0.0.1")
    with pytest.raises(UsageError, match="already"):
        promoted(shop, "churn@v0.0.1")
    with pytest.raises(UsageError, match="not in stage dev"):
        promoted(shop, "churn@v0.0.1", "dev", remove=True)
    with pytest.raises(NotFoundError, match=r"v9\.0\.0: registered are v0.0.1"):
        promoted(shop, "churn@v9.0.0")
    with pytest.raises(NotFoundError, match="no model 'chrun': there are churn"):
        promoted(shop, "chrun")


def test_doubts_are_said(shop: Shop) -> None:
    """No decision selected it; it was rejected; it was selected."""
    from gittrack.formats.config import load
    from gittrack.governance.decide import decide

    made = registered(shop, 0)
    assert "no decision selected" in made.warnings[0]
    with open_index(shop.top) as index:
        decide(index.repository, load(shop.top), shop.records[0].id, "rejected", "too slow")
    assert "was rejected" in promoted(shop, "churn").warnings[0]
    with open_index(shop.top) as index:
        decide(index.repository, load(shop.top), shop.records[0].id, "selected", "after all")
    assert promoted(shop, "churn", "dev").warnings == ()
    assert promoted(shop, "churn", "dev", remove=True).warnings == ()


def test_a_clock_that_runs_ahead(shop: Shop) -> None:
    """A tag of the future would outrank every later one."""
    registered(shop, 0)
    registered(shop, 1)
    env = {"GIT_COMMITTER_DATE": "4000000000 +0000"}
    import os

    subprocess.run(
        ["git", "tag", "-a", "-m", "x", "churn#prod#1", "churn@v0.0.1^{}"],
        cwd=shop.top, check=True, env={**os.environ, **env},
    )  # fmt: skip
    with pytest.raises(UsageError, match="date in the future"):
        promoted(shop, "churn")


# --- what lies -------------------------------------------------------------------------------------


def trailers(shop: Shop, at: int = 0, **changes: str) -> str:
    record = shop.records[at]
    fields = {RUN: record.id, OUTPUT: "model.bin", SHA256: record.outputs[0].sha256 or ""}
    fields |= {key.replace("_", "-"): value for key, value in changes.items()}
    return "by hand\n\n" + "\n".join(f"{key}: {value}" for key, value in fields.items())


def lies(shop: Shop) -> dict[str, tuple[str, str, str]]:
    """Name: commit, message, what is said."""
    commit, head = shop.commit_of(shop.records[0]), run_git(shop.top, "rev-parse", "HEAD").strip()
    later = shop.commit_of(shop.records[1])
    return {
        "no trailers": (commit, "by hand", "names no run"),
        "on code": (head, trailers(shop), "does not point to the commit"),
        "on a later commit": (later, trailers(shop), "does not point to the commit"),
        "of no run": (commit, trailers(shop, Gittrack_Run="20200101-000000-abcdef"), "not on the ledger"),
        "no id": (commit, trailers(shop, Gittrack_Run="../../x\x1b[31m"), "not on the ledger"),
        "other bytes": (commit, trailers(shop, Gittrack_Sha256="0" * 64), "is not that of model.bin"),
        "other output": (commit, trailers(shop, Gittrack_Output="/etc/passwd"), "no output '/etc/passwd'"),
        "twice": (commit, trailers(shop) + f"\n{RUN}: {shop.records[1].id}", "names no run"),
    }


@pytest.mark.parametrize(
    "name",
    [
        "no trailers",
        "on code",
        "on a later commit",
        "of no run",
        "no id",
        "other bytes",
        "other output",
        "twice",
    ],
)
def test_a_tag_that_lies_is_not_a_run(shop: Shop, name: str) -> None:
    """Nothing can be promoted or fetched by it."""
    commit, message, says = lies(shop)[name]
    shop.tag("churn@v6.6.6", commit, message)
    registry = shop.registry()
    assert says in registry.claims["churn@v6.6.6"].fault
    with pytest.raises(NotFoundError, match="is not a run"):
        promoted(shop, "churn")


def forged_tag(shop: Shop, ref: str, data: bytes) -> None:
    """A ref to any bytes as a tag object."""
    done = subprocess.run(
        ["git", "hash-object", "-t", "tag", "-w", "--stdin", "--literally"], cwd=shop.top, input=data,
        check=True, capture_output=True,
    )  # fmt: skip
    (shop.top / ".git" / "refs" / "tags" / ref).write_bytes(done.stdout)  # git itself would look at it


def test_a_tag_under_another_name(shop: Shop) -> None:
    """A signed tag, put into another stage or version by moving a ref, is found out."""
    registered(shop, 0)
    promoted(shop, "churn", "dev")
    run_git(shop.top, "update-ref", "refs/tags/churn#prod#9", "refs/tags/churn#dev#1")
    run_git(shop.top, "update-ref", "refs/tags/churn@v7.0.0", "refs/tags/churn@v0.0.1")
    registry = shop.registry()
    assert "under another name" in registry.claims["churn@v7.0.0"].fault
    with pytest.raises(NotFoundError, match="under another name"):
        registry.version(parse_reference("churn@prod"))


def test_objects_that_are_no_tags(shop: Shop) -> None:
    """Lightweight, of a tree, of a tag, malformed, huge: each is said, none counts, none breaks the rest."""
    registered(shop, 0)
    commit = shop.commit_of(shop.records[0])
    run_git(shop.top, "tag", "churn@v2.0.0", commit)
    run_git(shop.top, "tag", "-a", "-m", "x", "churn@v3.0.0", f"{commit}^{{tree}}")
    run_git(shop.top, "tag", "-a", "-m", "x", "churn@v4.0.0", "churn@v0.0.1")
    head = f"object {commit}\ntype commit\ntag churn@v5.0.0\n".encode()
    forged_tag(shop, "churn@v5.0.0", head + b"\nno tagger\n")
    forged_tag(shop, "churn#prod#8", head + b"tagger A <a@b> 99999999999999 +0000\n\nx\n")
    forged_tag(shop, "churn#prod#9", b"\xff\x00\n\n\n")
    forged_tag(shop, "big@v1.0.0", head + b"tagger A <a@b> 1 +0000\n\n" + b"x" * 100_000)
    registry = shop.registry()
    assert [v.version for v in registry.models["churn"].versions] == ["v0.0.1"]
    assert len(registry.models["churn"].strays) == 6
    assert "larger" in registry.models["big"].strays[0].fault
    assert registry.models["churn"].stages == {}


def test_odd_paths_survive_the_trailer() -> None:
    """A line break in the name of an output ends no trailer."""
    for path in ("model.bin", "a b/ü.pt", "x\ny: z", ' lead"', '"quoted"', "tab\t", "\u2028"):
        line = write_path(path)
        assert "\n" not in line and line.isprintable() and read_path(line) == path
    assert read_path('"broken') == '"broken'


# --- signatures --------------------------------------------------------------------------------------


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.mark.parametrize("setting", ["tag.gpgSign", "commit.gpgSign", "--sign"])
def test_signed_as_git_is_told(shop: Shop, key: Path, tmp_path: Path, setting: str) -> None:
    """By the settings for tags or for commits, or when asked; git itself verifies it."""
    run_git(shop.top, "config", "gpg.format", "ssh")
    run_git(shop.top, "config", "user.signingKey", str(key))
    allowed = tmp_path / "allowed"
    allowed.write_text(f"ada@example.com {key.with_suffix('.pub').read_text()}")
    run_git(shop.top, "config", "gpg.ssh.allowedSignersFile", str(allowed))
    if setting != "--sign":
        run_git(shop.top, "config", setting, "true")
    registered(shop, sign=setting == "--sign")
    promoted(shop, "churn", sign=setting == "--sign")
    for tag in ("churn@v0.0.1", "churn#prod#1"):
        run_git(shop.top, "verify-tag", tag)
    registry = shop.registry()
    version = registry.models["churn"].versions[0]
    assert version.tag.signed and version.stages == ("prod",) and not registry.claims[version.tag.ref].fault
    assert "SIGNATURE" not in version.tag.message
    assert shop.gto("show", "churn#prod", "--version").strip() == "v0.0.1"


def test_reading_is_two_processes(shop: Shop) -> None:
    """However many tags there are."""
    registered(shop, 0)
    for n in range(30):
        shop.tag(f"m{n}@v1.0.0", "HEAD")
    with open_index(shop.top) as index:
        before = index.repository.process_count
        Registry.read(index.repository, index)
        assert index.repository.process_count - before == 2
