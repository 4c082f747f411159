"""What is verified: runs by name, revisions, ranges; and what a ledger's tree may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.errors import ConfigError, NotFoundError, UsageError
from gittrack.formats.record import Code
from gittrack.reading.index import Index
from gittrack.verify import VerifyOptions
from gittrack.verify.source import MAX_PATH
from tests.ledgers import BRANCH, files_of, make_record
from tests.repositories import run_git
from tests.verify.forge import ROOT, Content, Forge, run_files

A, B, C = (run_files(number) for number in range(3))
IDS = [make_record(number).id for number in range(3)]
RUN_A = make_record(0).path


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    forge = Forge.at(tmp_path / "repo")
    forge.chain(ROOT, {**ROOT, **A}, {**ROOT, **A, **B}, {**ROOT, **A, **B, **C})
    return forge


def selected(forge: Forge, *selection: str, options: VerifyOptions | None = None) -> set[str | None]:
    """Ids of the runs that are looked at: each lacks its code, and so has a finding."""
    found = forge.verify(*selection, options=options).findings
    return {finding.run for finding in found if finding.code == "code-missing"}


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        ([], IDS),
        ([IDS[0]], IDS[:1]),
        ([IDS[1][-6:]], IDS[1:2]),
        ([IDS[0], IDS[2]], [IDS[0], IDS[2]]),
        (["latest"], IDS[2:]),
        (["latest~2"], IDS[:1]),
        (["digits/latest~1"], IDS[1:2]),
        (["1" * 8], IDS),
        ([BRANCH], IDS),
        ([f"{BRANCH}~1"], IDS[:2]),
        ([f"{BRANCH}~2..{BRANCH}"], IDS[1:]),
        ([f"{BRANCH}~1.."], IDS[2:]),
        ([f"..{BRANCH}~1"], []),
        ([f"{BRANCH}~2...{BRANCH}"], IDS[1:]),
    ],
    ids=" ".join,
)
def test_words_mean_what_they_mean_elsewhere(forge: Forge, words: list[str], runs: list[str]) -> None:
    """Run ids by beginning or end, latest, code commits, ledger commits and ranges."""
    assert selected(forge, *words) == set(runs)


def test_a_revision_is_counted_in_runs(forge: Forge) -> None:
    """The report says what was looked at."""
    tip = run_git(forge.repository.top, "rev-parse", f"{BRANCH}~1").strip()
    report = forge.verify(f"{BRANCH}~1")
    assert (report.runs, report.tip) == (2, tip)


@pytest.mark.parametrize(
    "word", ["nonsense", "latest~7", "", "--help", "-x..y", "nowhere..", "letters/latest", "9" * 40, "x\ny"]
)
def test_words_without_meaning_are_the_caller_s_fault(forge: Forge, word: str) -> None:
    """One line, no findings."""
    with pytest.raises(NotFoundError):
        forge.verify(word)


def test_an_ambiguous_name_lists_what_it_may_be(forge: Forge) -> None:
    """As in git."""
    with pytest.raises(UsageError, match=IDS[0]):
        forge.verify("20261122")


def test_an_ambiguous_end_of_an_id_is_not_taken_for_a_commit(tmp_path: Path) -> None:
    """verify says what show says, though git knows one commit of that abbreviation, which has a run."""
    forge = Forge.at(tmp_path / "repo")
    commit = run_git(forge.repository.top, "commit-tree", "-m", "code", forge.tree({"a": b"a"})).strip()
    end = commit[:4]
    code = Code(commit=commit, tree="2" * 40, branch="main", command=("train",))
    records = [make_record(n, id=f"{make_record(n).id[:-6]}{n}0{end}") for n in (1, 2)]
    records.append(make_record(3, code=code))
    forge.chain(ROOT, {**ROOT, **{path: data for r in records for path, data in files_of(r).items()}})
    with pytest.raises(NotFoundError, match=r"ambiguous.*" + records[1].id):
        forge.verify(end)


@pytest.mark.parametrize("length", [4, 6])
def test_an_end_of_an_id_is_not_taken_for_a_commit_of_the_ledger(tmp_path: Path, length: int) -> None:
    """verify checks the run that show shows, though git knows a ledger commit without it by that name."""
    forge = Forge.at(tmp_path / "repo")
    (*_, commit) = forge.chain(ROOT, {**ROOT, **A})
    record = make_record(1, id=make_record(1).id[:-6] + ("00" + commit[:length])[-6:])
    forge.chain({**ROOT, **A, **files_of(record)}, onto=commit)
    assert selected(forge, commit[:length]) == {record.id}
    assert selected(forge, commit[:12]) == selected(forge, commit) == {IDS[0]}


def test_ids_are_found_in_the_tree_that_is_verified(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is named by its id costs no index, and none has a say in it."""
    monkeypatch.setattr(Index, "open", None)
    for word in (IDS[1], IDS[1][-6:], IDS[1][:15], f"digits/{IDS[1]}"):
        assert selected(forge, word) == {IDS[1]}


def test_without_a_ledger_there_is_nothing_to_verify(tmp_path: Path) -> None:
    """No PASS for nothing."""
    with pytest.raises(NotFoundError, match="no ledger"):
        Forge.at(tmp_path / "empty").verify()


def test_a_ledger_known_from_a_remote_alone_is_verified(forge: Forge) -> None:
    """A fresh clone has no local branch."""
    where = forge.repository.top.parent / "clone"
    run_git(where.parent, "clone", "-q", "--no-checkout", forge.repository.top.as_uri(), str(where))
    run_git(where, "update-ref", "-d", f"refs/heads/{BRANCH}")
    assert selected(Forge(forge.repository.discover(where))) == set(IDS)


def test_rules_come_from_the_trusted_base(forge: Forge) -> None:
    """A configuration that a pull request brings has no say; a broken one that is trusted does."""
    top = forge.repository.top
    trusted = forge.tree({"gittrack.yaml": b"policy: {seed: true}\n"})
    proposed = forge.tree({"gittrack.yaml": b"policy: {seed: false}\n"})
    for name, tree in (("trusted", trusted), ("proposed", proposed)):
        run_git(top, "branch", name, run_git(top, "commit-tree", "-m", name, tree).strip())
    run_git(top, "symbolic-ref", "HEAD", "refs/heads/proposed")
    assert forge.codes("policy") == []
    assert forge.codes("policy", options=VerifyOptions(base="trusted")) == ["policy-seed"] * 3
    run_git(top, "update-ref", "refs/remotes/origin/main", "trusted")
    run_git(top, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    assert forge.codes("policy") == ["policy-seed"] * 3
    with pytest.raises(NotFoundError, match="nowhere"):
        forge.verify(options=VerifyOptions(base="nowhere"))
    broken = run_git(top, "commit-tree", "-m", "x", forge.tree({"gittrack.yaml": b"polcy: 1\n"})).strip()
    with pytest.raises(ConfigError, match=r"gittrack\.yaml"):
        forge.verify(options=VerifyOptions(base=broken))


# --- the tree ---------------------------------------------------------------------------------


def faults(tmp_path: Path, files: dict[str, Content]) -> list[tuple[str, str, str | None]]:
    forge = Forge.at(tmp_path / "repo")
    forge.commit({**ROOT, **A, **files})
    found = forge.verify(options=VerifyOptions(fsck=False)).findings
    return [(f.code, f.severity, f.path) for f in found if f.code.startswith("ledger")]


OID = "1" * 40


@pytest.mark.parametrize(
    ("path", "content", "code", "severity"),
    [
        ("runs/README", b"x", "ledger-stray-file", "fail"),
        ("runs/digits/2026-11-22/x", b"x", "ledger-stray-file", "fail"),
        ("train.py", b"x", "ledger-foreign-file", "note"),
        (f"{RUN_A}/inputs/x.dvc", (0o120000, OID), "ledger-mode", "fail"),
        (f"{RUN_A}/inputs/x.dvc", (0o160000, OID), "ledger-mode", "fail"),
        (f"{RUN_A}/inputs/x.dvc", (0o100755, OID), "ledger-mode", "fail"),
        ("README.md", (0o120000, OID), "ledger-mode", "fail"),
        (f"{RUN_A}/inputs/../x.dvc", b"x", "ledger-path", "fail"),
        (f"{RUN_A}/inputs/.GIT/x.dvc", b"x", "ledger-path", "fail"),
        (f"{RUN_A}/inputs/\x1b[2J.dvc", b"x", "ledger-path", "fail"),
        (f"{RUN_A}/inputs/a\nb.dvc", b"x", "ledger-path", "fail"),
        (f"{RUN_A}/inputs/{'x' * 256}.dvc", b"x", "ledger-path", "fail"),
    ],
)
def test_what_no_ledger_has_is_found(
    tmp_path: Path, path: str, content: Content, code: str, severity: str
) -> None:
    """Links, programs, submodules, names that steer, files out of place."""
    assert (code, severity, path) in faults(tmp_path, {path: content})


@pytest.mark.parametrize(
    "folder",
    [
        "runs/-rf/2026-11-22/20261122-000000-100000",
        "runs/digits/2026-11-23/20261122-000000-100000",
        "runs/digits/2026-11-22/--help",
        "runs/digits/2026-11-22/20261122-000000-10000",
        "runs/a b/2026-11-22/20261122-000000-100000",
        "runs/digits/2026-11-22/20261122-000000-100000\n",
    ],
)
def test_a_folder_that_is_not_named_as_a_run_is_found(tmp_path: Path, folder: str) -> None:
    """Options, wrong days, short ids."""
    assert ("ledger-layout", "fail", folder) in faults(tmp_path, {f"{folder}/run.yaml": b"x"})


def test_an_honest_tree_has_no_fault(tmp_path: Path) -> None:
    """With inputs, decisions, and names in any script."""
    honest: dict[str, Content] = {
        f"{RUN_A}/inputs/données/Ünï 1.csv.dvc": b"x",
        "decisions/digits/2026-11-22/20261122-142233-7f3a2c.yaml": b"x",
        "README.md": b"x",
    }
    assert faults(tmp_path, honest) == []


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("inputs/Data.csv.dvc", "inputs/data.csv.dvc"),
        ("inputs/stra\u00dfe.dvc", "inputs/STRASSE.dvc"),
        ("inputs/caf\u00e9.dvc", "inputs/cafe\u0301.dvc"),
        ("inputs/X.dvc", "inputs/x.dvc/y.dvc"),
    ],
)
def test_names_that_fall_together_are_found(tmp_path: Path, one: str, two: str) -> None:
    """On file systems that ignore case or normalise, one of the two is lost."""
    found = faults(tmp_path, {f"{RUN_A}/{one}": b"x", f"{RUN_A}/{two}": b"y"})
    assert [code for code, _, _ in found] == ["ledger-case-collision"]


def test_experiments_may_differ_in_case(tmp_path: Path) -> None:
    """Their runs have different ids, so no file is lost."""
    other = {path.replace("/digits/", "/Digits/"): data for path, data in B.items()}
    assert faults(tmp_path, dict(other)) == []


def test_a_branch_without_the_mark_is_no_ledger(tmp_path: Path) -> None:
    """A newer one cannot be judged."""
    forge = Forge.at(tmp_path / "repo")
    forge.commit({**A, ".gitattributes": b"* -text\n"})
    assert forge.codes("ledger") == ["ledger-format"]
    forge.commit(A)
    assert forge.codes("ledger") == ["ledger-format"]
    forge.commit({**A, ".gitattributes": b"# gittrack ledger, format 2: something\n"})
    report = forge.verify()
    assert [f.severity for f in report.findings if f.code == "ledger-newer-format"] == ["incomplete"]


def test_a_range_is_judged_by_what_it_adds(tmp_path: Path) -> None:
    """Not by what is on the ledger for good."""
    forge = Forge.at(tmp_path / "repo")
    stray: dict[str, Content] = {**ROOT, **A, "runs/README": b"x"}
    forge.chain(stray, {**stray, **B}, {**stray, **B, "runs/more": b"x"})
    assert forge.codes("ledger", selection=[f"{BRANCH}~2..{BRANCH}~1"]) == []
    found = forge.verify(f"{BRANCH}~2..{BRANCH}").findings
    assert [f.path for f in found if f.code == "ledger-stray-file"] == ["runs/more"]


def test_a_tree_that_holds_itself_many_times_is_not_walked(tmp_path: Path) -> None:
    """Ten folders of ten folders and so on: 10^10 files in eleven objects."""
    forge = Forge.at(tmp_path / "repo")
    below = forge.tree({f"f{n}": b"x" for n in range(10)})
    for _ in range(9):
        below = forge.tree({f"d{n}": (0o40000, below) for n in range(10)})
    import gittrack.verify.source as source

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "MAX_ENTRIES", 20_000)
        forge.commit({**ROOT, "runs": (0o40000, below)})
        report = forge.verify(options=VerifyOptions(fsck=False))
    assert [f.code for f in report.findings] == ["repository-unreadable"]
    assert report.outcome == "FAIL"


def test_a_path_without_end_is_not_read(tmp_path: Path) -> None:
    """Folders within folders within folders."""
    forge = Forge.at(tmp_path / "repo")
    below = forge.tree({"f": b"x"})
    for _ in range(MAX_PATH // 100):
        below = forge.tree({"d" * 200: (0o40000, below)})
    forge.commit({**ROOT, "runs": (0o40000, below)})
    assert forge.codes(options=VerifyOptions(fsck=False)) == ["repository-unreadable"]
