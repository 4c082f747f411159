"""gittrack diff: what differs between two runs, section by section, and between their code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gittrack.cli import execute
from gittrack.formats.codec import write_yaml
from gittrack.formats.record import Code, DataInput, Lock, Metric, Record
from gittrack.git.repository import Repository
from gittrack.reading.diff import MetricPair, environments
from tests.cli.terminals import Terminal
from tests.ledgers import commit_files, files_of, make_record
from tests.repositories import run_git
from tests.tables import rows

Capture = pytest.CaptureFixture[str]


def environment(**packages: str) -> bytes:
    return write_yaml(
        {
            "schema": "gittrack/environment/1",
            "os": {"name": "Linux", "kernel": packages.pop("kernel", "6.1")},
            "packages": packages,
        }
    )


def trees(project: Path) -> tuple[Code, Code]:
    """Two commits of the project: a file changed, one added, one deleted."""
    (project / "old.py").write_text("old\n")
    run_git(project, "add", ".")
    run_git(project, "commit", "-q", "-m", "one")
    first = run_git(project, "rev-parse", "HEAD", "HEAD^{tree}").split()
    (project / "train.py").write_text("print('training \x1b[2J more')\n")
    (project / "old.py").unlink()
    (project / "new.py").write_text("new\n")
    run_git(project, "add", "-A")
    run_git(project, "commit", "-q", "-m", "two")
    second = run_git(project, "rev-parse", "HEAD", "HEAD^{tree}").split()
    return Code(commit=first[0], tree=first[1], branch="main"), Code(
        commit=second[0], tree=second[1], branch="main"
    )


@pytest.fixture
def pair(repo: Repository, project: Path) -> tuple[Record, Record]:
    """Two runs on the ledger that differ in everything."""
    one, two = trees(project)
    up, down = {"direction": "maximize"}, {"direction": "minimize"}

    def data(digit: str) -> tuple[DataInput, ...]:
        return (DataInput(path="d.csv", role="train", source="file", sha256=digit * 64),)

    def lock(digit: str) -> tuple[Lock, ...]:
        return (Lock(path="uv.lock", kind="uv", sha256=digit * 64, pins="hashed"),)

    a = make_record(
        0,
        code=one,
        params={"lr": 0.1, "same": 1, "model": {"depth": 2}},
        seed=1,
        data=data("a"),
        locks=lock("c"),
        metrics={
            "acc": Metric(value=0.8, **up),
            "loss": Metric(value=2.0, **down),
            "n": 5,
            "bad": Metric(status="nan"),
        },
    )
    b = make_record(
        1,
        code=two,
        params={"lr": 0.2, "same": 1, "new": "x"},
        seed=2,
        data=data("b"),
        locks=lock("d"),
        metrics={
            "acc": Metric(value=0.9, **up),
            "loss": Metric(value=2.5, **down),
            "n": 5,
            "bad": Metric(value=1),
        },
    )
    commit_files(
        repo,
        {
            **files_of(a, environment_yaml=environment(numpy="1.0", scipy="2.0")),
            **files_of(b, environment_yaml=environment(numpy="1.1", pandas="3.0", scipy="2.0", kernel="6.2")),
        },
    )
    return a, b


def diff(capfd: Capture, *arguments: str) -> str:
    assert execute(["diff", *arguments]) == 0
    return capfd.readouterr().out


def test_null_is_a_value(repo: Repository, capfd: Capture) -> None:
    """A parameter that is null is not one that is absent, in diff and in show."""
    a, b = make_record(0, params={"lr": None, "widths": [1, None]}), make_record(1, params={})
    commit_files(repo, {**files_of(a), **files_of(b)})
    out = diff(capfd, a.id, b.id)
    assert re.search(r"lr +null +→ —", out)
    assert execute(["show", a.id]) == 0
    assert re.search(r"lr +null\n +widths +\[1, null\]", capfd.readouterr().out)


def test_what_one_does_not_know_is_no_difference() -> None:
    """A fact of Python that was not asked for, drift of unknown packages, no variable beside some."""
    record = make_record()
    known = {
        "python": {"version": "3.12.1", "compiler": "GCC", "executable": "python3"},
        "packages": {"six": "1.17.0"},
        "variables": {},
        "drift": {"uv.lock": [{"name": "six", "locked": "1.16.0"}]},
    }
    asked = {"python": {"version": "3.12.2"}, "variables": {"CI": "1"}}
    packages, machine = environments((known, record), (asked, record))
    assert packages == ()
    assert [(pair.name, pair.a, pair.b) for pair in machine if not pair.same] == [
        ("python.version", "3.12.1", "3.12.2"),
        ("variables.CI", None, "1"),
    ]


def test_everything_that_differs(pair: tuple[Record, Record], capfd: Capture) -> None:
    """Each section names what differs, with both values; what is equal is left out."""
    out = diff(capfd, "latest~1", "latest")
    for line in (
        r"    lr +0.1 → 0.2",
        r"    model.depth +2 +→ —",
        r"    new +— +→ x",
        r"    seed +1 +→ 2",
        r"    acc +0.8 → 0.9 +\+0.1 \(\+12.5 %\) better",
        r"    loss +2.0 → 2.5 +\+0.5 \(\+25 %\) worse",
        r"    bad +nan → 1",
        r"    d.csv \(train\) +a{12} → b{12}",
        r"    uv.lock +c{12} \(uv, pins hashed\) → d{12} .*",
        r"    numpy +1.0 → 1.1",
        r"    pandas +— +→ 3.0",
        r"    os.kernel +6.1 → 6.2",
        r"    D old.py",
        r"    A new.py",
        r"    M train.py",
    ):
        assert re.search(f"^{line}$", out, re.MULTILINE), line
    assert not re.search(r"^    (same|scipy|n) ", out, re.MULTILINE)
    assert re.search(r"^    scipy +2.0 += 2.0$", diff(capfd, "latest~1", "--all"), re.MULTILINE)


def test_json(pair: tuple[Record, Record], capfd: Capture) -> None:
    """--json has the values themselves."""
    plain = json.loads(diff(capfd, "latest~1", "latest", "--json"))
    assert plain["params"] == {
        "lr": {"a": 0.1, "b": 0.2},
        "model.depth": {"a": 2, "b": None},
        "new": {"a": None, "b": "x"},
    }
    assert plain["metrics"]["acc"]["verdict"] == "better"
    assert plain["metrics"]["bad"] == {"a": "nan", "b": 1}
    assert plain["code"] == [
        {"status": s, "path": p} for s, p in (("A", "new.py"), ("D", "old.py"), ("M", "train.py"))
    ]


def test_markdown(pair: tuple[Record, Record], capfd: Capture) -> None:
    """--md is a document with a table for each section."""
    out = diff(capfd, "latest~1", "--md")
    assert out.startswith(f"# {pair[0].id} → {pair[1].id}\n")
    assert "| lr | 0.1 | 0.2 |  |" in out
    assert "- deleted: old.py" in out


def test_code_can_be_applied(pair: tuple[Record, Record], project: Path, capfd: Capture) -> None:
    """--code into a file is git's own patch, byte for byte."""
    out = diff(capfd, "latest~1", "latest", "--code")
    assert out == run_git(project, "diff", "--no-color", "HEAD~1", "HEAD")


def test_code_on_a_terminal(pair: tuple[Record, Record], terminal: Terminal) -> None:
    """On a terminal the patch is coloured, and the code cannot steer it."""
    seen = terminal("diff", "latest~1", "latest", "--code")
    assert "\x1b[32m+print('training \\x1b[2J more')\x1b[0m" in seen
    assert "\x1b[2J" not in seen


def test_exit_code(pair: tuple[Record, Record], capfd: Capture) -> None:
    """As git diff: 0 unless asked, then 1 when something differs."""
    assert execute(["diff", "latest~1", "latest"]) == 0
    assert execute(["diff", "latest~1", "latest", "--exit-code"]) == 1
    assert execute(["diff", "latest", "latest", "--exit-code"]) == 0
    assert "no differences" in capfd.readouterr().out
    assert execute(["diff", "latest~1", "latest", "--code", "--exit-code"]) == 1


def test_code_that_is_not_here(repo: Repository, capfd: Capture) -> None:
    """A commit that this clone lacks is said to be missing; the rest is compared."""
    a = make_record(0, code=Code(commit="1" * 40, tree="2" * 40), params={"x": 1})
    b = make_record(1, code=Code(commit="3" * 40, tree="4" * 40), params={"x": 2})
    commit_files(repo, {**files_of(a), **files_of(b)})
    out = diff(capfd, "latest~1")
    assert re.search(
        r"^Code not available: commit 111111111111 of run .* is not in this clone", out, re.MULTILINE
    )
    assert "Packages not available: run" in out
    assert re.search(r"x +1 → 2", out)
    assert execute(["diff", "latest~1", "latest", "--code"]) == 2
    assert "is not in this clone" in capfd.readouterr().err


@rows(
    ("a", "b", "direction", "difference", "percent", "verdict"),
    [
        (1.0, 2.0, "maximize", 1.0, 100.0, "better"),
        (1.0, 2.0, "minimize", 1.0, 100.0, "worse"),
        (-2.0, -1.0, "maximize", 1.0, 50.0, "better"),
        (0, 1, None, 1, None, None),
        (1, 1, "maximize", 0, 0.0, None),
        ("nan", 1.0, "maximize", None, None, None),
        (None, 1.0, "maximize", None, None, None),
        (1e308, -1e308, "maximize", None, None, None),
        (10**400, 0.5, "maximize", None, None, None),
    ],
)
def test_metric_pairs(
    a: object, b: object, direction: object, difference: object, percent: object, verdict: object
) -> None:
    """Differences, their share, and what they mean by the metric's direction, at the edges too."""
    pair = MetricPair("m", a, b, None, direction)  # type: ignore[arg-type]
    assert (pair.difference, pair.percent, pair.verdict) == (difference, percent, verdict)


def test_hostile_names(repo: Repository, terminal: Terminal, capfd: Capture) -> None:
    """Names and values of records reach neither a terminal nor Markdown as anything but text."""
    bad = "\x1b]0;x\x07\u202e|<b>"
    for n in range(2):
        commit_files(repo, files_of(make_record(n, params={bad: f"{bad}{n}"}, tags={"t": f"{bad}{n}"})))
    seen = re.sub(r"\x1b\[\d+m", "", terminal("diff", "latest~1", "latest"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", seen)
    assert not re.search(r"\x1b|\u202e|<", diff(capfd, "latest~1", "--md"))
