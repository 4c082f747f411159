"""gittrack log: light, complete, and safe whatever the ledger holds."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from gittrack.cli import execute
from gittrack.formats.plain import to_dict
from gittrack.formats.record import Code, Metric
from gittrack.git.repository import Repository
from tests.cli.terminals import Terminal
from tests.ledgers import commit_files, commit_records, make_record

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e|<img src=x>`x`\n=cmd()"

Capture = pytest.CaptureFixture[str]


def log(capsys: Capture, *arguments: str) -> str:
    assert execute(["log", *arguments]) == 0
    return capsys.readouterr().out


def test_starts_nothing_heavy(repo: Repository) -> None:
    """log -n 20 loads neither the scientific stack nor what only writing, validating or prettifying needs."""
    commit_records(repo, [make_record(n, params={"lr": n}, metrics={"acc": n}) for n in range(30)])
    script = (
        "import sys; from gittrack.cli import execute; code = execute(['log', '-n', '20']);"
        "print(code, *sorted(sys.modules), file=sys.stderr)"
    )
    for settings in (None, "experiment: digits\n"):
        if settings:
            (repo.top / "gittrack.yaml").write_text(settings)
        for _ in range(2):  # the first brings the index up to date, and remembers gittrack.yaml
            done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        code, *modules = done.stderr.split()
        assert code == "0"
        assert done.stdout.count("\n") == 21
        heavy = {
            "dvc",
            "scipy",
            "numpy",
            "pandas",
            "jsonschema",
            "jsonschema_rs",
            "yaml",
            "_yaml",
            "git",
            "rich",
            "tabulate",
            "orjson",
            "referencing",
            "threadpoolctl",
            "importlib.metadata",
            "urllib.request",
            "gittrack.formats.codec",
            "gittrack.formats.config",
            "gittrack.formats.record",
            "gittrack.ledger",
            "gittrack.recording.run",
            "gittrack.dvc",
            "gittrack.recording.capture",
            "gittrack.reading.index.follow",
        }
        assert heavy.isdisjoint(modules)


def test_one_line_a_run(repo: Repository, capsys: Capture) -> None:
    """Newest first: id, age, experiment, status, commit, metrics, differing parameters, seed, hypothesis."""
    commit_records(
        repo,
        [
            make_record(
                0, params={"lr": 0.1, "same": 1}, metrics={"acc": 0.91234567}, seed=1, hypothesis="why\nnot"
            ),
            make_record(
                1,
                params={"lr": 0.2, "same": 1},
                metrics={"acc": Metric(status="nan")},
                code=Code(commit="abc" + "0" * 37, tree="2" * 40, dirty=True, snapshot="5" * 40),
            ),
        ],
    )
    header, first, second = log(capsys).splitlines()
    assert header.split() == [
        "id",
        "age",
        "experiment",
        "status",
        "commit",
        "acc",
        "lr",
        "seed",
        "hypothesis",
    ]
    assert re.fullmatch(rf"{make_record(1).id}  .* ago  digits +finished  abc0000\*  +nan  +0.2", first)
    assert re.fullmatch(
        rf"{make_record(0).id}  .* ago  digits +finished  1111111   0.91235  0.1 +1  why not", second
    )


def test_only_differences_within_an_experiment(repo: Repository, capsys: Capture) -> None:
    """Two experiments with other parameters do not fill the table; a single run shows all of its own."""
    commit_records(
        repo,
        [
            make_record(0, experiment="a", params={"x": 1, "k": 1}),
            make_record(1, experiment="a", params={"x": 2, "k": 1}),
            make_record(2, experiment="b", params={"y": 1}),
        ],
    )
    assert log(capsys).splitlines()[0].split()[5:] == ["x"]
    assert log(capsys, "-e", "b").splitlines()[0].split()[5:] == ["y"]
    assert log(capsys, "--keep", "^params.[ky]$").splitlines()[0].split()[5:] == ["y", "k", "x"]


def test_runs_that_differ_in_a_masked_value(repo: Repository, capsys: Capture) -> None:
    """They have a column, with the beginnings of the digests."""
    digests = [f"{'a' * 16}:{digit * 64}" for digit in "12"]
    made = [
        make_record(at, params={"token": "***"}, masked={"params.token": digest})
        for at, digest in enumerate(digests)
    ]
    commit_records(repo, made)
    heading, *lines = log(capsys).splitlines()
    assert "token" in heading
    assert "***22222222" in lines[0] and "***11111111" in lines[1]


def test_columns_can_be_chosen(repo: Repository, capsys: Capture) -> None:
    """--only-changed drops what is equal everywhere, --drop what matches, --precision rounds."""
    records = [make_record(n, metrics={"acc": n / 3, "same": 1}, params={"lr": n}, seed=5) for n in range(3)]
    commit_records(repo, records)
    assert log(capsys, "--only-changed").splitlines()[0].split() == ["id", "age", "acc", "lr"]
    assert log(capsys, "--drop", "^(acc|age|seed)$").splitlines()[0].split()[-2:] == ["same", "lr"]
    assert "0.67 " in log(capsys, "--precision", "2")
    assert execute(["log", "--keep", "("]) == 2
    assert "no regular expression" in capsys.readouterr().err


def test_select_and_sort(repo: Repository, capsys: Capture) -> None:
    """-n, --all, -F, -e, --hide-failed and --sort-by choose runs as they say."""
    records = [
        make_record(n, metrics={"acc": (n * 7) % 25}, status="failed" if n == 24 else "finished")
        for n in range(25)
    ]
    commit_records(repo, records)

    def numbers(*arguments: str) -> list[int]:
        return [int(line.split()[0][-6:], 16) - 0x100000 for line in log(capsys, *arguments).splitlines()[1:]]

    assert numbers() == list(range(24, 4, -1))
    assert numbers("-n", "2") == [24, 23]
    assert numbers("-n", "0") == numbers("--all") == list(range(24, -1, -1))
    assert numbers("-n", "2", "--hide-failed") == [23, 22]
    assert numbers("-F", "metrics.acc > 23", "--hide-failed") == [7]
    assert numbers("-F", "metrics.acc > 23 or id like '%00000'", "--hide-failed", "-n", "5") == [7, 0]
    assert numbers("--sort-by", "metrics.acc", "--sort-order", "desc", "-n", "2") == [7, 14]
    assert numbers("--sort-by", "metrics.acc", "-n", "2") == [0, 18]


def test_json_is_whole_records(repo: Repository, capsys: Capture) -> None:
    """--json has every record as run.yaml has it, in full precision."""
    records = [make_record(n, params={"text": HOSTILE, "x": 0.1 + 0.2}) for n in range(2)]
    commit_records(repo, records)
    parsed = json.loads(log(capsys, "--json"))
    assert [r.pop("path") for r in parsed] == [f"{r.path}/run.yaml" for r in reversed(records)]
    assert parsed == [to_dict(r) for r in reversed(records)]


def test_csv_runs_no_formula(repo: Repository, capsys: Capture) -> None:
    """--csv has every parameter, metric and tag; text cannot become a formula, numbers stay numbers."""
    commit_records(
        repo,
        [
            make_record(
                0,
                params={"f": "=1+1", "n": -0.5, "deep": {"er": True}},
                tags={"t": "@x"},
                metrics={"acc": -1},
                hypothesis=HOSTILE,
            )
        ],
    )
    (row,) = csv.DictReader(io.StringIO(log(capsys, "--csv")))
    assert row["params.f"] == "'=1+1"
    assert (row["params.n"], row["params.deep.er"], row["tags.t"], row["metrics.acc"]) == (
        "-0.5",
        "true",
        "'@x",
        "-1",
    )
    assert row["started"] == "2026-11-22T00:00:00Z"
    assert "\x1b" not in row["hypothesis"]


def test_markdown_holds_no_markup(repo: Repository, capsys: Capture) -> None:
    """--md is one table whatever the records say."""
    commit_records(
        repo, [make_record(n, params={"a|b": HOSTILE, "n": n}, hypothesis=HOSTILE) for n in range(2)]
    )
    lines = log(capsys, "--md").splitlines()
    assert len(lines) == 4
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert not re.search(r"<|(?<!\\)`|\x1b|\u202e", "\n".join(lines))


def test_damaged_record_is_one_red_row(repo: Repository, terminal: Terminal, capsys: Capture) -> None:
    """It names the file and the fault, in every format, and the other runs are listed."""
    bad = make_record(1)
    commit_records(repo, [make_record(0, metrics={"acc": 1})])
    commit_files(repo, {f"{bad.path}/run.yaml": b"id: [\x1b[31m"})
    lines = terminal("log").splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("\x1b[31m")
    assert f"\x1b[31m{bad.path}/run.yaml" in lines[1]
    assert "100000" in lines[2]
    assert f"{bad.path}/run.yaml" in log(capsys).splitlines()[1]
    assert json.loads(log(capsys, "--json"))[0]["fault"].startswith(f"{bad.path}/run.yaml")
    assert bad.path in next(csv.DictReader(io.StringIO(log(capsys, "--csv"))))["fault"]
    assert bad.id in log(capsys, "--md")
    assert "run.yaml\\:" in log(capsys, "--md")


def test_terminal_is_not_steered(repo: Repository, terminal: Terminal) -> None:
    """On a terminal: colours and short ids, no line wider than it, and no control sequence of a record."""
    commit_records(
        repo,
        [
            make_record(
                n,
                name=None,
                hypothesis=HOSTILE * 3,
                params={"p": f"{HOSTILE}{n}", HOSTILE.strip()[:20]: n, "日本": "日本" * n},
                tags={"t": "x"},
                metrics={"m": n},
            )
            for n in range(3)
        ],
    )
    seen = terminal("log")
    assert "\x1b[33m100002\x1b[0m" in seen
    plain = re.sub(r"\x1b\[\d+m", "", seen)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", plain)
    assert all(len(line) <= 100 for line in plain.splitlines())
    for colourless in (
        terminal("--no-color", "log"),
        terminal("log", NO_COLOR="1"),
        terminal("log", TERM="dumb"),
    ):
        assert "\x1b" not in colourless


def test_what_is_asked_for_comes_first(repo: Repository, terminal: Terminal, capsys: Capture) -> None:
    """A column that sort, filter or --keep names comes first, then what gittrack.yaml declares."""
    declared = "experiments:\n  digits:\n    metrics:\n      f1: {direction: maximize}\n"
    (repo.top / "gittrack.yaml").write_text(declared)
    many = {f"parameter{i}": i for i in range(1, 20)}
    commit_records(
        repo,
        [
            make_record(
                n, params={**many, "lr": 0.1}, metrics={"a": n, "f1": n, "acc": n}, tags={"who": "me"}
            )
            for n in range(2)
        ],
    )

    def names(*arguments: str) -> list[str]:
        return log(capsys, *arguments).splitlines()[0].split()[5:]

    assert names() == ["f1", "a", "acc"]
    header = log(
        capsys, "--sort-by", "metrics.acc", "-F", "params.lr = 0.1 and tags.who = 'me'"
    ).splitlines()[0]
    assert header.split()[4:] == ["acc", "lr", "tags.who", "commit", "f1", "a"]
    assert log(capsys, "--keep", "parameter7").splitlines()[0].split()[4:] == [
        "commit",
        "parameter7",
        "f1",
        "a",
        "acc",
    ]
    assert log(capsys, "--sort-by", "duration").splitlines()[0].split()[4] == "duration"
    assert log(capsys, "--only-changed", "-F", "params.lr = 0.1").splitlines()[0].split()[:3] == [
        "id",
        "age",
        "lr",
    ]
    assert "tags.who" in log(capsys, "--keep", "tags.who").splitlines()[0]
    seen = terminal(
        "log", "--sort-by", "params.parameter19", "-F", "metrics.acc >= 0", columns=60, NO_COLOR="1"
    )
    assert {"parameter19", "acc"} <= set(seen.splitlines()[0].split())


def test_narrow_terminal_says_what_it_leaves_out(repo: Repository, terminal: Terminal) -> None:
    """Columns that do not fit are counted and named, never silently gone."""
    commit_records(
        repo, [make_record(n, params={f"parameter{i}": n * i for i in range(1, 20)}) for n in range(2)]
    )
    seen = terminal("log", columns=80, NO_COLOR="1").splitlines()
    line = "".join(seen[-3:])
    assert re.search(
        r"17 columns left out \(parameter11, .*, parameter18 and 9 more\): a wider terminal", line
    )


def test_pager_only_when_needed(repo: Repository, terminal: Terminal) -> None:
    """GIT_PAGER gets what is taller than the screen, unless --no-pager; a short list goes straight out."""
    commit_records(repo, [make_record(n) for n in range(60)])
    pager = f"{sys.executable} -c 'import sys; print(\"PAGED\", len(sys.stdin.readlines()))'"
    assert terminal("log", "--all", GIT_PAGER=pager).split() == ["PAGED", "61"]
    assert "PAGED" not in terminal("log", "-n", "5", GIT_PAGER=pager)
    assert terminal("log", "--all", "--no-pager", GIT_PAGER=pager).count("\n") == 61
    assert terminal("log", "--all", GIT_PAGER="no-such-pager").count("\n") == 61


@pytest.mark.parametrize(
    ("form", "out"), [([], ""), (["--json"], "[]\n"), (["--csv"], "id\n"), (["--md"], "")]
)
def test_no_runs_is_no_error(repo: Repository, capsys: Capture, form: list[str], out: str) -> None:
    """An empty repository is answered with what to do next, and a document that is empty."""
    assert execute(["log", *form]) == 0
    captured = capsys.readouterr()
    assert captured.out == out
    assert captured.err.startswith("no runs yet: gittrack run")


def test_nothing_matches(repo: Repository, capsys: Capture) -> None:
    """A filter that selects nothing is answered on standard error, and ends well."""
    commit_records(repo, [make_record(0)])
    assert execute(["log", "-F", "seed = 1"]) == 0
    assert capsys.readouterr().err == "no run matches; gittrack log lists the newest\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-e", "nope"], "no experiment 'nope': there are digits"),
        (["-F", "acc > "], "filter: unexpected 'acc' at column 1"),
        (["--sort-by", "bogus"], "sort order: unexpected 'bogus' at column 1"),
        (["--sort-by", "acc"], "did you mean metrics.acc?"),
        (["--sort-by", "metrics.ac"], "no run has metrics.ac; did you mean metrics.acc?"),
        (["--sort-by", "params.acc"], "did you mean metrics.acc?"),
        (
            ["-F", "not (params.lrr > 1 or status = 'failed')"],
            "no run has params.lrr; did you mean params.lr?",
        ),
        (["-F", "metrics.zzz is null"], "no run has metrics.zzz; there are metrics.acc, params.lr, tags.who"),
        (["-F", "tags.WHO = 'me'", "--json"], "did you mean tags.who?"),
        (["-e", "digits", "-F", "metrics.f1 > 0"], "no run of digits has metrics.f1; there are metrics.acc"),
        (["--keep", "accc"], "--keep 'accc' matches no column of any run; did you mean metrics.acc?"),
        (["--keep", "nope", "--csv"], "--keep 'nope' matches no column"),
        (["-n", "1", "--keep", "nope", "--md"], "--keep 'nope' matches no column"),
    ],
)
def test_wrong_questions(repo: Repository, capsys: Capture, arguments: list[str], said: str) -> None:
    """What cannot be read, and names that no run has, with the nearest: one line and exit code 2."""
    known = make_record(0, metrics={"acc": 1}, params={"lr": 1}, tags={"who": "me"})
    commit_records(
        repo,
        [known, make_record(1, experiment="other", metrics={"f1": 1})][: 2 if "digits" in arguments else 1],
    )
    assert execute(["log", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_names_that_are_known_are_no_error(repo: Repository, capsys: Capture) -> None:
    """What gittrack.yaml declares, what only runs that are not listed have; without runs, anything."""
    assert execute(["log", "-F", "metrics.acc > 1", "--keep", "x"]) == 0
    declared = "experiments:\n  digits:\n    metrics:\n      f1: {direction: maximize}\n"
    (repo.top / "gittrack.yaml").write_text(declared)
    commit_records(repo, [make_record(0, metrics={"acc": 1}), make_record(1)])
    assert execute(["log", "-F", "metrics.f1 > 1"]) == 0
    capsys.readouterr()
    assert execute(["log", "-n", "1", "--keep", "acc"]) == 0
    assert "no run that is listed has what --keep 'acc' matches" in capsys.readouterr().err


def test_reruns_are_marked(repo: Repository, capsys: Capture) -> None:
    """By the run that they repeat, in every form."""
    first = make_record(0)
    commit_records(repo, [first, replace(make_record(1), reproduces=first.id)])
    header, rerun, original = log(capsys).splitlines()
    assert header.split()[4:6] == ["rerun", "of"]
    assert first.id in rerun
    assert original.count(first.id) == 1
    assert [row["reproduces"] for row in csv.DictReader(io.StringIO(log(capsys, "--csv")))] == [first.id, ""]
    assert "rerun of" in log(capsys, "--md")


def test_a_list_that_was_cut_says_how_long_it_is(repo: Repository, capsys: Capture) -> None:
    """Unless so many were asked for."""
    commit_records(repo, [make_record(n) for n in range(25)])
    assert execute(["log", "--csv"]) == 0
    assert capsys.readouterr().err == "gittrack: 20 of 25 runs; --all lists all, -n N so many\n"
    for arguments in (["-n", "20"], ["--all"], ["-F", "seed is not null"]):
        assert execute(["log", *arguments]) == 0
        assert "of 25 runs" not in capsys.readouterr().err


def test_bare_repository_and_worktree(
    repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare clone and a linked work tree list the same runs."""
    from tests.repositories import run_git

    commit_records(repo, [replace(make_record(0), seed=3)])
    expected = log(capsys, "--csv")
    run_git(repo.top, "worktree", "add", "-q", "../linked")
    run_git(repo.top, "clone", "-q", "--bare", ".", "../bare.git")
    for place in ("linked", "bare.git"):
        monkeypatch.chdir(repo.top.parent / place)
        assert log(capsys, "--csv") == expected


def test_the_newest_runs_of_a_large_ledger_are_not_waited_for(
    repo: Repository, capsys: Capture, terminal: Terminal
) -> None:
    """They are shown, and said to be all that was read; a filter reads the rest, once."""
    commit_records(repo, [make_record(n, seed=n) for n in range(2010)])
    seen = terminal("log", "-n", "3")
    assert "the ledger is not indexed yet" in seen and make_record(2009).id in seen
    newest = log(capsys, "-n", "3", "--json")
    assert not list(repo.state_dir.glob("index-*"))
    assert [run["seed"] for run in json.loads(newest)] == [2009, 2008, 2007]
    assert json.loads(log(capsys, "-F", "seed = 1", "--json"))[0]["seed"] == 1
    assert list(repo.state_dir.glob("index-*"))
    assert log(capsys, "-n", "3", "--json") == newest
    assert "not indexed" not in terminal("log", "-n", "3")


def test_a_wait_is_counted_when_it_has_lasted_as_long_as_git_waits(
    repo: Repository, terminal: Terminal
) -> None:
    """And only on a terminal."""
    commit_records(repo, [make_record(n) for n in range(3)])
    assert "indexing runs: 3 of 3\n" in terminal("log", GIT_PROGRESS_DELAY="0")
