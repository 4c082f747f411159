"""gittrack show: the record in sections, charts, and the exact bytes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gittrack
from gittrack.cli import execute
from gittrack.formats.codec import dump_record
from gittrack.formats.plain import to_dict
from gittrack.formats.record import (
    BaseModel,
    Code,
    Console,
    DataInput,
    EnvironmentSummary,
    Failure,
    Installed,
    LeftOut,
    Lock,
    Metric,
    Output,
    Record,
    Series,
    Submodule,
)
from gittrack.git.repository import Repository
from tests.cli.terminals import Terminal
from tests.ledgers import commit_files, commit_records, files_of, make_record

HOSTILE = "\x1b]0;owned\x07\u202e|<img>"
Capture = pytest.CaptureFixture[str]
Show = Callable[..., str]


@pytest.fixture
def show(capfd: Capture) -> Show:
    def run(*arguments: str) -> str:
        assert execute(["show", *arguments]) == 0
        return capfd.readouterr().out

    return run


def full(**changes: object) -> Record:
    """A record with something in every section."""
    facts: dict[str, object] = {
        "name": "base",
        "status": "failed",
        "failure": Failure(type="ValueError", message="no\ndata"),
        "seed": 7,
        "seeds": {"numpy": 8},
        "hypothesis": "Deeper nets\ngeneralise better.",
        "tags": {"team": "vision"},
        "params": {"lr": 0.001, "model": {"depth": 3, "wide": True}},
        "determinism": {"torch": {"deterministic": True}},
        "metrics": {
            "acc": Metric(value=0.9123456789, step=3, split="test", direction="maximize"),
            "loss": Metric(status="nan", unit="nats", direction="minimize"),
        },
        "code": Code(
            commit="1" * 40,
            tree="2" * 40,
            branch="main",
            dirty=True,
            snapshot="5" * 40,
            remote="https://example.org/x.git",
            command=("python", "train it.py"),
            cwd="src",
            entry="train it.py",
            submodules=(Submodule(path="lib", commit="6" * 40, dirty=True),),
            left_out=(LeftOut(path="big.bin", size=20_000_000, reason="larger than 10 MB"),),
        ),
        "data": (
            DataInput(
                path="data/train.csv",
                role="train",
                source="dvc",
                md5="7" * 32,
                hash="md5",
                sha256="8" * 64,
                size=1234,
                pointer="inputs/data/train.csv.dvc",
                differs_from="data/train.csv.dvc",
            ),
        ),
        "locks": (
            Lock(
                path="uv.lock",
                kind="uv",
                sha256="9" * 64,
                pins="hashed",
                installed=Installed(same=3, differs=1, missing=0),
            ),
        ),
        "environment": EnvironmentSummary(
            sha256="3" * 64, python="3.11.2", os="Linux", cpu="EPYC", gpus=("H100",)
        ),
        "outputs": (
            Output(
                path="model.pkl",
                role="model",
                pointer="outputs/model.pkl.dvc",
                md5="a" * 32,
                sha256="b" * 64,
                size=5,
            ),
        ),
        "series": Series(rows=4, columns=("step", "time", "acc", "loss"), sha256="c" * 64),
        "console": Console(sha256="d" * 64, size=10, truncated=True),
        "base_models": (BaseModel(name="bert", revision="v1", modification="fine-tuned"),),
        "reproduces": "20261121-000000-abcdef",
    }
    return make_record(0, **{**facts, **changes})


SERIES = b"step,time,acc,loss\n0,0.1,0.5,1.0\n1,0.2,0.7,nan\n2,0.3,0.8,0.5\n3,0.4,0.9,0.25\n"


def test_every_section(repo: Repository, show: Show) -> None:
    """Everything that the record says can be read, each thing under its heading."""
    commit_files(repo, files_of(full(), metrics_csv=SERIES, console_txt=b"epoch 1\nepoch 2\x1b[2J\n"))
    out = show()
    titles = re.findall(r"^([A-Z][a-z ]+)\b", out, re.MULTILINE)
    assert titles == [
        "Parameters",
        "Seeds",
        "Metrics",
        "Tags",
        "Code",
        "Data",
        "Base models",
        "Locks",
        "Environment",
        "Determinism",
        "Outputs",
        "Series",
        "Provenance",
        "Console",
    ]
    for said in (
        "failed  digits, ",
        'took 12.5 s, by Ada, named "base": ValueError: no data',
        "    Deeper nets\n    generalise",
        "lr           0.001",
        "model.depth  3",
        "0.9123456789  test, step 3, higher is better",
        "nan nats",
        "with uncommitted changes",
        "snapshot",
        "python 'train it.py'",
        "big.bin 20 MB: larger than 10 MB",
        "888888888888  1.23 kB  differs from data/train.csv.dvc",
        "pinned with hashes",
        "installed: 1 in another version, 0 not",
        "[H100]",
        "torch.deterministic  true",
        "bbbbbbbbbbbb  5 B",
        "fine-tuned",
        "reproduces",
        "epoch 2\\x1b[2J",
        "console.txt has more",
        "acc  min 0.5, max 0.9, last 0.9, 4 points",
        "loss  min 0.25, max 1.0, last 0.25, 4 points; 1 not finite, left out",
    ):
        assert said in out, said
    assert "⠀" not in out
    assert re.search(r"0\.9 ┤ +[⠀-⣿]", out)


def test_media_are_counted_by_name(inside: Path, capsys: Capture) -> None:
    """With their steps and their size, also while the run goes on."""
    run = gittrack.start_run("e")
    for step in range(3):
        run.log_html("<p>", "a\x1b page", step)
    run.log_html("<p>", "other")
    for name in (run.id, "latest"):
        assert execute(["show", name]) == 0
        lines = capsys.readouterr().out.splitlines()
        at = lines.index("Media")
        assert lines[at + 1].startswith(r"    a\x1b page ")
        assert lines[at + 1].split()[2:] == ["html", "3", "files", "steps", "0", "to", "2", "9", "B"]
        assert lines[at + 2].split() == ["other", "html", "1", "file", "3", "B"]
        run.finish()


def test_yaml_is_the_bytes(repo: Repository, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """--yaml prints run.yaml byte for byte, even of a record that is damaged."""
    commit_records(repo, [full()])
    assert execute(["show", "--yaml"]) == 0
    assert capfdbinary.readouterr().out == dump_record(full())
    bad = make_record(5)
    commit_files(repo, {f"{bad.path}/run.yaml": b"\xff: [\r\n"})
    assert execute(["show", "--yaml", bad.id]) == 0
    assert capfdbinary.readouterr().out == b"\xff: [\r\n"


def test_json_and_markdown(repo: Repository, show: Show) -> None:
    """--json is the record, --md a document without live markup."""
    record = full(hypothesis=HOSTILE, params={HOSTILE: HOSTILE})
    commit_records(repo, [record])
    assert json.loads(show("--json")) == to_dict(record)
    document = show("--md")
    assert document.startswith(f"# Run {record.id}\n")
    assert "## Metrics" in document
    assert not re.search(r"\x1b|\u202e|<", document)


def test_terminal_is_not_steered(repo: Repository, terminal: Terminal) -> None:
    """No text of a record, its series or its console output reaches the terminal as a control."""
    record = full(hypothesis=HOSTILE, params={"p": HOSTILE}, name=None, series=None)
    commit_files(repo, files_of(record, console_txt=HOSTILE.encode() * 3))
    seen = re.sub(r"\x1b\[\d+m", "", terminal("show", "--no-pager"))
    assert "owned" in seen
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", seen)


def test_starts_nothing_heavy(repo: Repository) -> None:
    """show, too, needs no YAML, no schema and no scientific stack."""
    commit_files(repo, files_of(full(), metrics_csv=SERIES))
    script = (
        "import sys; from gittrack.cli import execute; code = execute(['show']);"
        "print(code, *sys.modules, file=sys.stderr)"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = done.stderr.split()
    assert modules[0] == "0"
    assert {
        "dvc",
        "scipy",
        "numpy",
        "jsonschema",
        "jsonschema_rs",
        "yaml",
        "git",
        "tabulate",
        "rich",
    }.isdisjoint(modules)


@pytest.mark.parametrize(
    ("series", "said"),
    [
        (b"a,b\n", "has to begin with step,time"),
        (b"step,time,x\n1,2\n", "line 2 has 2 cells, not 3"),
        (b"step,time,x\n1,2,z\n", "could not convert"),
        (b'step,time,x\n"', "metrics.csv"),
    ],
)
def test_damaged_series(repo: Repository, capsys: Capture, series: bytes, said: str) -> None:
    """A metrics.csv that is none is one line that names the file."""
    commit_files(repo, files_of(full(), metrics_csv=series))
    assert execute(["show"]) == 2
    err = capsys.readouterr().err
    assert "/metrics.csv: " in err
    assert said in err


def test_missing_files_are_no_error(repo: Repository, show: Show) -> None:
    """A ledger that lacks metrics.csv or console.txt still shows the record."""
    commit_records(repo, [full()])
    assert "Provenance" in show()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("zzz", "no run 'zzz'"),
        ("latest~9", "no run 'latest~9'"),
        ("2026", "ambiguous"),
        ("x/latest", "no experiment 'x'"),
    ],
)
def test_unknown_runs(repo: Repository, capsys: Capture, name: str, said: str) -> None:
    """A name that means no run, or several, is one line and exit code 2."""
    commit_records(repo, [make_record(0), make_record(1)])
    assert execute(["show", name]) == 2
    assert said in capsys.readouterr().err


def test_damaged_record(repo: Repository, capsys: Capture) -> None:
    """A damaged record cannot be shown: its file and fault are."""
    bad = make_record(5)
    commit_files(repo, {f"{bad.path}/run.yaml": b"x"})
    assert execute(["show"]) == 2
    assert f"{bad.path}/run.yaml" in capsys.readouterr().err
