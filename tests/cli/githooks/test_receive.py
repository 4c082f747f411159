"""A server takes what adds valid runs to its ledger, and nothing else; whoever pushes sees why."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

import gittrack
from gittrack import cli
from gittrack.cli.githooks.receive import Judge, Update, quarantined
from gittrack.errors import LedgerError
from gittrack.git.objects import GitObject, TreeEntry, make, make_commit, make_tree
from gittrack.git.repository import Repository
from gittrack.ledger import ANCHOR
from tests.cli.githooks.served import LEDGER, push, record, rewritten
from tests.ledgers import SIGNATURE
from tests.repositories import run_git


def test_an_honest_push_is_taken_and_a_tampered_one_refused_with_the_reason(
    inside: Path, server: tuple[Path, str]
) -> None:
    """Over smart HTTP, into a real bare repository: the pusher reads why."""
    bare, _ = server
    folder = record()
    assert cli.execute(["push"]) == 0
    assert run_git(bare, "rev-parse", LEDGER) == run_git(inside, "rev-parse", LEDGER)
    record()
    assert push(inside, "-q", "origin", LEDGER).returncode == 0, "stock git may push as well"
    text = run_git(inside, "show", f"gittrack/runs:{folder}/run.yaml")
    forged = rewritten(inside, {f"{folder}/run.yaml": text.replace("lr: 0.1", "lr: 0.2")})
    done = push(inside, "origin", f"{forged}:{LEDGER}")
    assert done.returncode != 0 and f"remote: gittrack: {folder}/run.yaml: modified" in done.stderr
    for spec, reason in (
        (f":{LEDGER}", "cannot be deleted"),
        (f"+{LEDGER}~1:{LEDGER}", "only moves forward"),
    ):
        done = push(inside, "origin", spec)
        assert done.returncode != 0 and reason in done.stderr
    done = push(inside, "origin", f"{forged}:refs/replace/{'1' * 40}")
    assert done.returncode != 0 and "replace" in done.stderr
    assert push(inside, "-q", "origin", "main").returncode == 0, "code is none of its business"
    assert run_git(bare, "rev-parse", LEDGER) == run_git(inside, "rev-parse", LEDGER)


def refusal(top: Path, new: str, old: str = "", seconds: float = 20) -> str:
    """Why a server with this repository's ledger would refuse to move it to `new`; empty if it would not."""
    repo = Repository.discover(top)
    before = old or run_git(top, "rev-parse", LEDGER).strip()
    try:
        Judge(repo, LEDGER, seconds=seconds).check([Update(before, new, LEDGER)])
    except LedgerError as error:
        return str(error)
    return ""


def test_what_gittrack_wrote_is_taken(two: tuple[Path, str]) -> None:
    """From nothing, and onto what is there; merges of two ledgers as well."""
    top, _ = two
    tip = run_git(top, "rev-parse", LEDGER).strip()
    assert refusal(top, tip, old="0" * 40) == "" and refusal(top, tip, old=f"{tip}") == ""
    root = run_git(top, "rev-list", "--max-parents=0", LEDGER).strip()
    assert refusal(top, tip, old=root) == ""


def test_all_that_may_lie_beside_a_record_is_taken(two: tuple[Path, str]) -> None:
    """Texts and the use of the machine, and that is not what the record says once it was edited."""
    top, _ = two
    before = run_git(top, "rev-parse", LEDGER).strip()
    with gittrack.start_run("digits", system_metrics=False) as run:
        assert run._journal is not None
        run.log({"sample": "seven", "loss": 1.0})
        head = {"every": 10, "limits": {}, "rapl": {}, "gpus": {}, "has_processes": True}
        lines = [json.dumps(head), json.dumps([0.0, None, {"processes.memory_bytes": 5}])]
        (run._journal.folder / "system-000-1.jsonl").write_text("\n".join(lines) + "\n")
    record = run.record
    assert record is not None and record.texts is not None and record.system_series is not None
    assert refusal(top, run_git(top, "rev-parse", LEDGER).strip(), old=before) == ""
    edited = rewritten(top, {f"{record.path}/system.csv": "step,time,processes.memory_bytes\n,0.000,4\n"})
    squashed = run_git(top, "commit-tree", "-p", before, "-m", "edited", f"{edited}^{{tree}}").strip()
    assert "system.csv: is not the file whose digest the record gives" in refusal(top, squashed, old=before)
    run_git(top, "update-ref", LEDGER, squashed)
    assert cli.execute(["verify", "-q"]) == 1


def test_a_manifest_of_media_is_taken(inside: Path) -> None:
    """As the record gives its digest."""
    with gittrack.start_run("digits") as run:
        run.log_html("<p>seven</p>", "page", step=1)
    assert run.record is not None
    tip = run_git(inside, "rev-parse", LEDGER).strip()
    assert refusal(inside, tip, old="0" * 40) == ""


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("{folder}/run.yaml", None, "deleted"),
        ("{folder}/run.yaml", "schema: x\n", "modified"),
        ("{folder}/extra.txt", "x", "has no run.yaml"),
        ("train.py", "import os\n", "is no file of a ledger"),
        (".gitattributes", None, "deleted"),
        ("runs/digits/2026-11-22/20261122-000000-abcdef/run.yaml", "a: &a [*a]\n", "anchor"),
        ("runs/digits/2026-11-23/20261122-000000-abcdef/run.yaml", "schema: x\n", "neither in the folder"),
        ("runs/-x/2026-11-22/20261122-000000-abcdef/run.yaml", "schema: x\n", "neither in the folder"),
        ("runs/digits/2026-11-22/20261122-000000-abcdef/run.yaml", "x" * (5 << 20), "bytes are more than"),
        ("decisions/digits/2026-11-22/d1.yaml", "[1]\n", "not a decision"),
        ("decisions/../x.yaml", "a: 1\n", None),
    ],
)  # fmt: skip
def test_what_is_not_add_only_and_valid_is_refused(
    two: tuple[Path, str], path: str, text: str | None, reason: str | None
) -> None:
    """Each with a reason that names the path."""
    top, folder = two
    where = path.format(folder=folder)
    if reason is None:
        with pytest.raises(subprocess.CalledProcessError):  # git itself makes no such tree
            rewritten(top, {where: text})
        return
    said = refusal(top, rewritten(top, {where: text}))
    assert reason in said and where.rpartition("/")[0] in said


def test_a_copied_run_with_other_numbers_is_refused(two: tuple[Path, str]) -> None:
    """Its record has to be at its path, canonical, and its files those that it gives the digests of."""
    top, folder = two
    # An id that looks like a number (digits and an e) is quoted in YAML: stay with the same kind.
    other = folder[:-6] + ("fedcba" if set(folder[-6:]) & set("abcdf") else "90e869")
    names = run_git(top, "ls-tree", "-r", "--name-only", "gittrack/runs", folder + "/").split()
    files = {n.replace(folder, other): run_git(top, "show", f"gittrack/runs:{n}") for n in names}
    assert f"belongs to {folder}" in refusal(top, rewritten(top, dict(files)))
    ids = {n: t.replace(folder[-22:], other[-22:]) for n, t in files.items()}
    assert refusal(top, rewritten(top, dict(ids))) == ""
    loose = {n: t.replace("lr: 0.1", "lr:  0.1") for n, t in ids.items()}
    assert "canonical" in refusal(top, rewritten(top, dict(loose)))
    forged = {**ids, f"{other}/environment.yaml": ids[f"{other}/environment.yaml"] + "\n"}
    assert "is not the file whose digest" in refusal(top, rewritten(top, dict(forged)))
    assert "is no file of a run" in refusal(top, rewritten(top, {**ids, f"{other}/model.bin": "x"}))
    assert "is missing" in refusal(
        top, rewritten(top, {n: t for n, t in ids.items() if not n.endswith("environment.yaml")})
    )


def test_what_is_deleted_and_put_back_is_seen(two: tuple[Path, str]) -> None:
    """Every commit counts, not only the difference of the ends."""
    top, folder = two
    tip = run_git(top, "rev-parse", LEDGER).strip()
    gone = rewritten(top, {f"{folder}/run.yaml": None})
    tree = run_git(top, "rev-parse", f"{tip}^{{tree}}").strip()
    back = run_git(top, "commit-tree", "-p", gone, "-m", "as if nothing", tree).strip()
    assert f"{folder}/run.yaml: deleted" in refusal(top, back)


def test_a_merge_that_drops_a_run_is_refused(two: tuple[Path, str]) -> None:
    """Against each parent: a forged merge with the tree of one side."""
    top, _ = two
    tip = run_git(top, "rev-parse", LEDGER).strip()
    tree = run_git(top, "rev-parse", f"{tip}~1^{{tree}}").strip()
    merge = run_git(top, "commit-tree", "-p", f"{tip}~1", "-p", tip, "-m", "merge", tree).strip()
    assert "deleted" in refusal(top, merge)


def write(top: Path, *objects: GitObject) -> None:
    """Objects that git's porcelain would not make."""
    repo = Repository.discover(top)
    for one in objects:
        repo.git("hash-object", "-w", "--literally", "-t", one.kind, "--stdin", doing="write", data=one.data)


def grown(top: Path, name: str, entry: TreeEntry) -> str:
    """A commit that adds one entry to the root's runs/ folder."""
    with Repository.discover(top).objects() as objects:
        root = dict(objects.tree(f"{LEDGER}^{{tree}}") or {})
        runs = {**(objects.tree(f"{LEDGER}:runs") or {}), name: entry}
    folder = make_tree(runs, "sha1")
    tree = make_tree({**root, "runs": TreeEntry(0o40000, folder.oid)}, "sha1")
    parent = run_git(top, "rev-parse", LEDGER).strip()
    commit = make_commit(tree.oid, [parent], SIGNATURE, SIGNATURE, "hostile", "sha1")
    write(top, folder, tree, commit)
    return commit.oid


def test_a_tree_bomb_is_refused_in_bounded_time(two: tuple[Path, str]) -> None:
    """A million million paths in a dozen objects: git is stopped, by its memory or its time."""
    top, _ = two
    blob = make("blob", b"x", "sha1")
    tree = make_tree({"f": TreeEntry(0o100644, blob.oid)}, "sha1")
    write(top, blob, tree)
    for _ in range(12):
        tree = make_tree({str(n): TreeEntry(0o40000, tree.oid) for n in range(10)}, "sha1")
        write(top, tree)
    began = time.monotonic()
    said = refusal(top, grown(top, "bomb", TreeEntry(0o40000, tree.oid)), seconds=1)
    assert "asks for too much" in said or "took too long" in said
    assert time.monotonic() - began < 120


def test_a_tree_of_many_levels_is_refused(two: tuple[Path, str]) -> None:
    """3,000 folders in each other end in no path of a ledger."""
    top, _ = two
    blob = make("blob", b"x", "sha1")
    trees = [make_tree({"f": TreeEntry(0o100644, blob.oid)}, "sha1")]
    for _ in range(3000):
        trees.append(make_tree({"d": TreeEntry(0o40000, trees[-1].oid)}, "sha1"))
    Repository.discover(top).write_objects([blob, *trees])
    assert refusal(top, grown(top, "deep", TreeEntry(0o40000, trees[-1].oid)))


@pytest.mark.parametrize("mode", [0o120000, 0o100755, 0o160000])
def test_links_programs_and_submodules_are_refused(two: tuple[Path, str], mode: int) -> None:
    """A ledger holds plain files."""
    top, _ = two
    blob = make("blob", b"/etc/passwd", "sha1")
    write(top, blob)
    assert "plain files only" in refusal(top, grown(top, "x", TreeEntry(mode, blob.oid)))


def test_time_is_bounded(two: tuple[Path, str]) -> None:
    """A push that takes longer than it may is refused, whatever is in it."""
    top, _ = two
    tip = run_git(top, "rev-parse", LEDGER).strip()
    root = run_git(top, "rev-list", "--max-parents=0", LEDGER).strip()
    judge = Judge(Repository.discover(top), LEDGER, seconds=0.0)
    with pytest.raises(LedgerError, match=r"took too long|damaged"):
        judge.check([Update(root, tip, LEDGER)])


def test_the_anchor_only_moves_forward(two: tuple[Path, str]) -> None:
    """It keeps code commits from being lost."""
    top, _ = two
    judge = Judge(Repository.discover(top), LEDGER)
    anchor = run_git(top, "rev-parse", ANCHOR).strip()
    tip = run_git(top, "rev-parse", LEDGER).strip()
    judge.check([Update("0" * 40, anchor, ANCHOR)])
    for new, reason in (("0" * 40, "cannot be deleted"), (tip, "only moves forward")):
        with pytest.raises(LedgerError, match=reason):
            judge.check([Update(anchor, new, ANCHOR)])


@pytest.mark.parametrize("name", ["churn@v1.0.0", "churn#prod#1", "v1.0.0"])
def test_tags_of_the_registry_stay(two: tuple[Path, str], name: str) -> None:
    """New ones are taken, moved and deleted ones are not; other tags are nobody's business here."""
    judge = Judge(Repository.discover(two[0]), LEDGER)
    null, ref = judge.repo.null_oid, f"refs/tags/{name}"
    judge.check([Update(null, "1" * 40, ref)])
    for new in (null, "2" * 40):
        if name == "v1.0.0":
            judge.check([Update("1" * 40, new, ref)])
        else:
            with pytest.raises(LedgerError, match="stays as it is"):
                judge.check([Update("1" * 40, new, ref)])


def test_only_the_receiving_room_sees_the_quarantine(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else reads the repository's own objects, whatever the environment says."""
    elsewhere = tmp_path / "quarantine"
    (elsewhere / "pack").mkdir(parents=True)
    oid = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], input="pushed", cwd=repository.top, capture_output=True,
        text=True, check=True, env={**os.environ, "GIT_OBJECT_DIRECTORY": str(elsewhere)},
    ).stdout.strip()  # fmt: skip
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(elsewhere))
    monkeypatch.setenv("GIT_QUARANTINE_PATH", str(elsewhere))
    monkeypatch.setenv("GIT_ALTERNATE_OBJECT_DIRECTORIES", str(repository.common_dir / "objects"))
    with repository.objects() as objects, quarantined(repository).objects() as pushed:
        assert objects.get(oid) is None
        found = pushed.get(oid)
        assert found is not None and found.data == b"pushed" and pushed.get("HEAD") is not None


def test_pre_push_checks_the_ledger_and_takes_the_anchor_along(inside: Path, tmp_path: Path) -> None:
    """Without a hook on the server: a plain git push of a tampered ledger stops here."""
    bare = tmp_path / "plain.git"
    run_git(inside, "init", "-q", "--bare", str(bare))
    run_git(inside, "remote", "add", "origin", str(bare))
    assert cli.execute(["hooks", "install"]) == 0
    folder = record()
    done = push(inside, "origin", LEDGER)
    assert done.returncode == 0, done.stderr
    assert run_git(bare, "rev-parse", ANCHOR) == run_git(inside, "rev-parse", ANCHOR)
    forged = rewritten(inside, {f"{folder}/run.yaml": None})
    done = push(inside, "origin", f"{forged}:{LEDGER}")
    assert done.returncode != 0 and "deleted" in done.stderr
    record()
    assert cli.execute(["push"]) == 0
    record()
    assert push(inside, "-q", "origin", "main").returncode == 0
    assert run_git(bare, "rev-parse", LEDGER) != run_git(inside, "rev-parse", LEDGER)
    run_git(inside, "config", "gittrack.pushLedger", "true")
    run_git(inside, "commit", "-q", "--allow-empty", "-m", "more")
    done = push(inside, "-q", "origin", "main")
    assert done.returncode == 0, done.stderr
    assert run_git(bare, "rev-parse", LEDGER) == run_git(inside, "rev-parse", LEDGER)
