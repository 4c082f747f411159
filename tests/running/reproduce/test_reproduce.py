"""A run had again with real git, real processes and real work trees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gittrack
from gittrack.errors import GittrackError, NotFoundError, UsageError
from gittrack.formats.config import Config, load
from gittrack.formats.reproduction import dump
from gittrack.git.repository import Repository
from gittrack.reading.index import Index
from gittrack.reading.reproductions import reproductions_of
from gittrack.running.reproduce import Refused, ReproduceOptions, has_consent, plan
from gittrack.running.reproduce.plan import choose_seeds, launched
from gittrack.verify import verify
from tests.ledgers import make_record
from tests.repositories import run_git
from tests.running.training import Run, again, left_behind


def state_of(where: Path) -> str:
    """Everything of the user's that must not move."""
    asked = (
        ("status", "--porcelain"),
        ("rev-parse", "HEAD"),
        ("stash", "list"),
        ("branch", "-v", "--no-abbrev"),
    )
    lines = [run_git(where, *words) for words in asked]
    return "\n".join(line for text in lines for line in text.splitlines() if "gittrack/runs" not in line)


def test_the_same_seed_gives_the_same_bytes(training: Path, make_run: Run) -> None:
    """Code, params and seed are the record's; rerun and verdict are on the ledger; nothing is left behind."""
    original = make_run(seed=7, params={"bonus": 0.05})
    before = state_of(training)
    found = again()
    repo = Repository.discover(training)
    assert found.statement.verdict.level == "bitwise-same-host", found.statement.verdict
    (rerun,) = found.statement.verdict.reruns
    record = gittrack.load(rerun.run).record
    assert (record.reproduces, record.seed, record.params) == (original.id, 7, original.params)
    assert record.spec == original.spec and record.code == original.code
    with repo.objects() as objects:
        kept = list(reproductions_of(objects, "gittrack/runs", original))
    assert kept == [found.statement]
    assert state_of(training) == before and not left_behind(repo)
    assert verify(repo).outcome == "PASS"


def test_uncommitted_code_and_a_moved_branch_do_not_matter(training: Path, make_run: Run) -> None:
    """The snapshot is what runs, whatever the work tree holds by now."""
    with (training / "train.py").open("a") as file:
        file.write("print('changed')\n")
    original = make_run(seed=3)
    assert original.code.dirty
    run_git(training, "checkout", "-q", "--", "train.py")
    (training / "train.py").write_text("raise SystemExit('another program')\n")
    run_git(training, "commit", "-q", "-am", "all is new")
    found = again(original.id)
    assert found.statement.verdict.level == "bitwise-same-host"
    record = gittrack.load(found.done[0].run_id).record
    assert record.code == original.code, "commit, branch, dirty and snapshot are the original's"


def test_a_script_that_calls_the_api_is_had_again(training: Path) -> None:
    """It joins, may read its record at the end, and logs its own seed and params."""
    (training / "api.py").write_text(
        "import gittrack\n"
        "with gittrack.start_run(params={'lr': 0.1, 'when': __import__('time').time()}, seed=4) as run:\n"
        "    for step in range(3):\n"
        "        run.log_metric('loss', 1 / (1 + step), step=step)\n"
        "    run.log_text('done', 'note.txt')\n"
        "print(run.record.metrics['loss'].value)\n"
    )
    run_git(training, "add", ".")
    run_git(training, "commit", "-q", "-m", "api")
    subprocess.run([sys.executable, "api.py"], check=True, capture_output=True)
    found = again()
    record = gittrack.load(found.done[0].run_id).record
    assert (record.status, record.seed) == ("finished", 4), gittrack.load(record.id).console()
    assert [o.path for o in record.outputs] == ["note.txt"] and found.done[0].complaint == ""
    differs = found.statement.verdict.reruns[0].differs
    assert len(differs) == 1 and differs[0].startswith("spec:"), (
        "the time of day among its params, and nothing else"
    )


def test_a_program_imports_what_lies_beside_it_and_a_worker_does_not(training: Path, make_run: Run) -> None:
    """-P is for our own start: the program has its folder first on its path, and modules of its own there."""
    (training / "beside.py").write_text("import sys\nassert not sys.flags.safe_path\n")
    with (training / "train.py").open("a") as file:
        file.write("import beside\nassert sys.path[0] == os.getcwd(), sys.path\n")
    original = make_run(seed=3)
    assert original.status == "finished"
    home = Repository.discover(training).state_dir / "reproduce"
    home.mkdir(parents=True, exist_ok=True)
    (home / "json.py").write_text(f"open({str(home / 'imported')!r}, 'w')\n")  # where the janitor is started
    rerun = again(original.id)
    assert rerun.statement.verdict.level == "bitwise-same-host"
    assert left_behind(Repository.discover(training)) == ["json.py"]


def test_new_seeds_vary_the_seed_and_say_so(
    training: Path, make_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three replicates of one spec with seeds that none had; statistical, by the interval that they give."""
    # New seeds follow from the run's id, and one id in fourteen is unlucky.
    with monkeypatch.context() as patch:
        patch.setattr("gittrack.recording.begin.new_id", lambda _: "20261122-142233-7f3a2c")
        original = make_run(seed=1)
    found = again(seeds="new", repeats=3, jobs=2)
    verdict = found.statement.verdict
    assert verdict.varied == "seed" and verdict.level == "statistical", verdict
    seeds = [rerun.seed for rerun in verdict.reruns]
    assert len({*seeds, 1}) == 4
    assert {gittrack.load(rerun.run).record.spec for rerun in verdict.reruns} == {original.spec}
    more = plan(Repository.discover(), load(training), original.id, ReproduceOptions(seeds="new", repeats=3))
    assert not {task.seed for task in more.tasks} & {*seeds, 1}, "used ones are not drawn again"


def test_a_program_that_draws_without_a_seed_is_not_bitwise(training: Path, make_run: Run) -> None:
    """It lands on statistical, and what can make runs differ is named."""
    make_run("chance")
    verdict = again(repeats=5).statement.verdict
    assert verdict.level in ("statistical", "not-reproduced") and verdict.varied == "nothing"
    assert any("no" in text or "none" in text for text in verdict.factors if text.startswith("seed"))


def test_a_failing_rerun_is_a_failed_run_and_the_verdict_says_so(
    training: Path, make_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded as failed, with the end of its output."""
    make_run(seed=1)
    monkeypatch.setenv("FAIL", "1")
    found = again()
    assert found.statement.verdict.level == "not-reproduced"
    entry = gittrack.load(found.done[0].run_id)
    assert entry.record.status == "failed" and "no luck today" in (entry.console() or "")
    assert verify(Repository.discover()).outcome == "PASS"


def test_a_rerun_that_hangs_is_ended(training: Path, make_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """--timeout: killed, recorded as that, with the reason."""
    make_run(seed=1)
    monkeypatch.setenv("NAP", "600")
    started = time.monotonic()
    found = again(timeout_s=1.0)
    assert time.monotonic() - started < 120
    record = gittrack.load(found.done[0].run_id).record
    assert record.status == "killed" and record.failure is not None
    assert (record.failure.type, record.failure.message) == ("timeout", "it ran longer than 1 s")
    assert not left_behind(Repository.discover())


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "gittrack", "reproduce", *arguments]


def wait_for(what: str, found: object, patience_s: float = 30) -> None:
    until = time.monotonic() + patience_s
    while not found():  # type: ignore[operator]
        assert time.monotonic() < until, what
        time.sleep(0.05)


def test_killed_at_once_it_leaves_nothing_behind(
    training: Path, make_run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """kill -9 while a rerun works: the program ends, its run is recorded, the work tree is gone."""
    make_run(seed=1)
    repo = Repository.discover()
    monkeypatch.setenv("NAP", "600")
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    process = subprocess.Popen(command("latest", "--yes", "-q"), stderr=subprocess.DEVNULL)
    logs = repo.state_dir / "reproduce"
    wait_for("the rerun to start", (tmp_path / "mark").exists)
    assert left_behind(repo)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for("the folder to be removed", lambda: not list(logs.glob("*")))
    assert not left_behind(repo)
    wait_for("the rerun to be recorded", lambda: gittrack.load("latest").record.reproduces is not None)
    assert gittrack.load("latest").record.status == "killed"


def test_an_interrupt_ends_the_rerun_and_is_one(
    training: Path, make_run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ctrl-C: exit code 130, the run recorded as killed."""
    make_run(seed=1)
    repo = Repository.discover()
    monkeypatch.setenv("NAP", "600")
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    process = subprocess.Popen(command("latest", "--yes", "-q"), stderr=subprocess.DEVNULL)
    wait_for("the rerun to start", (tmp_path / "mark").exists)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert gittrack.load("latest").record.status == "killed" and not left_behind(repo)


# --- consent and trust -------------------------------------------------------------------------


def test_nothing_is_run_without_consent(training: Path, make_run: Run) -> None:
    """Not on a terminal, no --yes: the plan, one line, exit code 2, no run."""
    make_run(seed=1)
    done = subprocess.run(
        command("latest"), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "train.py" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "gittrack: error: not run: a record can name any command; look at the plan, then add --yes"
    )
    assert len(gittrack.search()) == 1


def test_ones_own_runs_can_be_agreed_to_once_and_for_all(
    training: Path, make_run: Run, tmp_path: Path
) -> None:
    """A git setting of the user's, and only for what this clone recorded itself."""
    made = make_run(seed=1)
    repo = Repository.discover()
    ours = plan(repo, load(training), made.id, ReproduceOptions())
    assert ours.own and not has_consent(repo, ours)
    run_git(training, "config", "gittrack.reproduce", "own")
    assert has_consent(Repository.discover(), ours)
    run_git(tmp_path, "clone", "-q", str(training), "other")
    other = Repository.discover(tmp_path / "other")
    run_git(tmp_path / "other", "config", "gittrack.reproduce", "own")
    run_git(
        tmp_path / "other",
        "fetch",
        "-q",
        "origin",
        "gittrack/runs:gittrack/runs",
        "+refs/gittrack/*:refs/gittrack/*",
    )
    theirs = plan(other, Config(), made.id, ReproduceOptions())
    assert not theirs.own and not has_consent(other, theirs), "its author's name proves nothing"


def test_a_record_that_was_altered_is_not_run(training: Path, make_run: Run) -> None:
    """A command edited on the ledger: verify says FAIL, and nothing starts."""
    made = make_run(seed=1)
    run_git(training, "worktree", "add", "-q", "../ledger", "gittrack/runs")
    file = training.parent / "ledger" / made.path / "run.yaml"
    file.write_text(file.read_text().replace("- train.py", "- evil.py"))
    run_git(file.parent, "commit", "-q", "-am", "nothing to see")
    run_git(training, "worktree", "remove", "../ledger")
    with pytest.raises(Refused, match="is not run: verify says FAIL") as caught:
        again(made.id)
    assert caught.value.exit_code == 1
    assert len(gittrack.search()) == 1


# --- what is missing ---------------------------------------------------------------------------


def test_data_that_is_nowhere_to_be_had_is_named(training: Path) -> None:
    """Path and digest, before anything is run."""
    (training / "data.csv").write_text("1,2\n")
    (training / ".git" / "info" / "exclude").write_text("data.csv\n")
    with gittrack.start_run(inputs={"data.csv": "train"}) as run:
        run.log_metric("a", 1)
    md5 = run.record.data[0].md5  # type: ignore[union-attr]
    (training / "data.csv").write_text("3,4\n")
    with pytest.raises(NotFoundError, match=f"data data.csv \\({md5}\\) is nowhere to be had"):
        again()
    assert not left_behind(Repository.discover())


def test_untracked_data_comes_from_the_users_own_disk_while_it_is_the_same(training: Path) -> None:
    """Nobody keeps it, but the bytes still are those of the record."""
    (training / "data.csv").write_text("1,2\n")
    (training / ".git" / "info" / "exclude").write_text("data.csv\n")
    (training / "read.py").write_text("print(open('data.csv').read())\n")
    run_git(training, "add", "read.py")
    run_git(training, "commit", "-q", "-m", "read")
    subprocess.run(
        [sys.executable, "-m", "gittrack", "run", "--input", "data.csv:train", "--",
         sys.executable, "read.py"], check=True, capture_output=True,
    )  # fmt: skip
    found = again()
    assert gittrack.load(found.done[0].run_id).record.status == "finished"


def test_code_that_this_clone_lacks_is_said(training: Path, make_run: Run, tmp_path: Path) -> None:
    """A clone without the code anchor: what to do is part of the line."""
    with (training / "train.py").open("a") as file:
        file.write("# uncommitted\n")
    made = make_run(seed=1)
    run_git(tmp_path, "clone", "-q", "--single-branch", f"file://{training}", "other")
    other = tmp_path / "other"
    run_git(other, "fetch", "-q", "origin", "gittrack/runs:gittrack/runs")
    done = subprocess.run(
        command(made.id, "--yes", "-q"), cwd=other, capture_output=True, text=True, check=False
    )
    assert done.returncode in (1, 2) and len(done.stderr.splitlines()) == 1
    assert "run gittrack pull" in done.stderr


def test_a_command_that_is_not_there_is_said(training: Path) -> None:
    """The worker's own error is the caller's, exit code included."""
    subprocess.run(
        [sys.executable, "-m", "gittrack", "run", "--", "./there.sh"], cwd=_with_script(training), check=True,
        capture_output=True,
    )  # fmt: skip
    run_git(training, "rm", "-q", "--cached", "there.sh")
    repo = Repository.discover()
    made = plan(repo, load(training), "latest", ReproduceOptions())
    assert made.program == "./there.sh"


def _with_script(where: Path) -> Path:
    script = where / "there.sh"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    run_git(where, "add", "there.sh")
    run_git(where, "commit", "-q", "-m", "script")
    return where


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seeds": "1,1"}, "names a seed twice"),
        ({"seeds": "one"}, "takes same, new or numbers"),
        ({"seeds": "1,2", "repeats": 3}, "give one of them"),
        ({"executor": "moon"}, "takes local, ray, slurm"),
    ],
)
def test_wrong_options_are_refused(
    training: Path, make_run: Run, options: dict[str, object], said: str
) -> None:
    """In one line, before anything is run."""
    make_run(seed=1)
    with pytest.raises(UsageError, match=said):
        again(**options)
    assert len(gittrack.search()) == 1


def test_a_failed_run_has_nothing_to_be_had_again(
    training: Path, monkeypatch: pytest.MonkeyPatch, make_run: Run
) -> None:
    """Only a finished run has a result."""
    monkeypatch.setenv("FAIL", "1")
    make_run(seed=1)
    with pytest.raises(UsageError, match="it has no result"):
        again()


def test_a_lock_that_no_longer_resolves_ends_in_one_line(
    training: Path, make_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pip said, no run, no work tree left."""
    (training / "requirements.txt").write_text("no-such-package-anywhere==1.0\n")
    run_git(training, "add", ".")
    run_git(training, "commit", "-q", "-m", "lock")
    make_run(seed=1)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(GittrackError, match="no-such-package-anywhere") as caught:
        again(environment="pip")
    assert caught.value.exit_code == 5 and "\n" not in str(caught.value)
    assert len(gittrack.search()) == 1 and not left_behind(Repository.discover())


def test_an_interpreter_of_an_environment_in_the_work_tree_is_that_one(tmp_path: Path) -> None:
    """No work tree but the user's own has .venv/bin/python; where that has none it is called by its name."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python3.11").symlink_to(sys.executable)
    own = str(tmp_path / ".venv/bin/python3.11")
    assert launched([".venv/bin/python3.11", "train.py"], tmp_path) == (own, "train.py")
    assert launched([".venv/bin/python3.11", "train.py"], tmp_path / "other") == ("python3.11", "train.py")
    assert launched([".venv/bin/python3.11", "train.py"]) == ("python3.11", "train.py")
    assert launched(["bin/train"]) == ("bin/train",)


# --- plans -------------------------------------------------------------------------------------


def test_the_plan_runs_nothing_and_says_all(training: Path, make_run: Run) -> None:
    """--dry-run as JSON."""
    made = make_run(seed=5)
    done = subprocess.run(
        command("-n", "--json", "--repeats", "2"), capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout)
    assert said["run"] == made.id and said["seeds"] == [5, 5] and said["command"][1:] == ["train.py"]
    assert said["variables"] == {"PYTHONHASHSEED": "5"} and said["commit"] == made.code.commit
    assert len(gittrack.search()) == 1


def test_the_number_of_reruns_follows_from_the_claim() -> None:
    """As gittrack.yaml says; 3 where it claims statistical; else 1."""
    from gittrack.formats.config import ExperimentConfig, Reproducibility

    def number(**claim: object) -> int:
        protocol = ExperimentConfig(reproducibility=Reproducibility(**claim))  # type: ignore[arg-type]
        return len(choose_seeds(make_record(seed=1), ReproduceOptions(), protocol))

    assert (number(), number(level="statistical"), number(level="statistical", runs=5), number(runs=2)) == (
        1,
        3,
        5,
        2,
    )


def test_a_dvc_pipeline_is_made_to_run() -> None:
    """`dvc repro` alone would find that nothing has changed, or take what its run cache has."""
    assert launched(["dvc", "repro", "train"]) == ("dvc", "repro", "--force", "--no-run-cache", "train")
    assert launched(["python", "train.py"]) == ("python", "train.py")


# --- --check -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "code"), [("statistical", 0), ("bitwise-cross-host", 1)])
def test_check_fails_where_the_claim_is_not_reached(
    training: Path, level: str, code: int, make_run: Run
) -> None:
    """Bitwise on this host bears out statistical, not bitwise across hosts."""
    config = training / "gittrack.yaml"
    config.write_text(config.read_text() + f"    reproducibility: {{level: {level}, runs: 1}}\n")
    run_git(training, "commit", "-q", "-am", "claim")
    make_run(seed=1)
    done = subprocess.run(command("--check", "--yes"), capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert ("NOT reached" in done.stdout) == bool(code)


def test_check_without_a_claim_is_a_usage_error(training: Path, make_run: Run) -> None:
    """There is nothing to check against."""
    make_run(seed=1)
    done = subprocess.run(command("--check", "--yes", "-q"), capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "claims no level" in done.stderr


# --- the ledger --------------------------------------------------------------------------------


def test_in_review_mode_everything_goes_to_one_proposal(training: Path, make_run: Run) -> None:
    """Reruns and verdict on gittrack/review/NAME; the ledger stays as it was."""
    make_run(seed=1)
    before = run_git(training, "rev-parse", "gittrack/runs")
    found = again(repeats=2, proposal="again")
    assert found.branch == "gittrack/review/again"
    assert run_git(training, "rev-parse", "gittrack/runs") == before
    paths = run_git(training, "diff", "--name-only", "gittrack/runs", "gittrack/review/again").splitlines()
    assert sum(path.endswith("/run.yaml") for path in paths) == 2
    assert sum(path.endswith("/reproduction.yaml") for path in paths) == 1


FORGERIES = [
    ("level: bitwise-same-host", "level: bitwise-cross-host", "reproduction-verdict"),
    ("status: finished", "status: failed", "reproduction-verdict"),
    ("claim: none", "claim: statistical", "reproduction-protocol"),
    ("made: ", "made:  ", "reproduction-canonical"),
    ("experiment: digits", "experiment: other", "reproduction-path"),
    ("schema: gittrack/reproduction/1", "schema: gittrack/reproduction/x", "reproduction-unreadable"),
]


def test_verify_works_the_verdict_out_again(training: Path, make_run: Run) -> None:
    """A statement that was edited before it got onto the ledger, so that history shows nothing."""
    from gittrack.ledger import Addition, Ledger

    make_run(seed=1)
    statement = again().statement
    repo = Repository.discover()
    honest = run_git(training, "rev-parse", "gittrack/runs").strip()
    other = statement.id[:-6] + "abcdef"
    text = dump(statement).decode().replace(statement.id, other)
    folder = statement.path.replace(statement.id, other)
    for before, after, code in FORGERIES:
        assert before in text
        run_git(training, "update-ref", "refs/heads/gittrack/runs", honest)
        forged = {"reproduction.yaml": text.replace(before, after).encode()}
        Ledger(repo).append([Addition(folder, forged, "forged")])
        report = verify(repo)
        assert code in {f.code for f in report.findings if f.severity == "fail"}, report.findings


def test_statements_are_add_only_and_travel_with_the_ledger(
    training: Path, make_run: Run, tmp_path: Path
) -> None:
    """Push and pull bring them; a change of one fails verify."""
    made = make_run(seed=1)
    again()
    run_git(tmp_path, "init", "-q", "--bare", "origin.git")
    run_git(training, "remote", "add", "origin", str(tmp_path / "origin.git"))
    subprocess.run([sys.executable, "-m", "gittrack", "push"], check=True, capture_output=True)
    run_git(tmp_path, "clone", "-q", str(tmp_path / "origin.git"), "other", "-b", "gittrack/runs")
    other = tmp_path / "other"
    (file,) = other.rglob("reproduction.yaml")
    assert made.id in file.parts
    file.write_text(file.read_text().replace("bitwise-same-host", "bitwise-cross-host"))
    run_git(other, "commit", "-q", "-am", "better")
    codes = {f.code for f in verify(Repository.discover(other)).findings if f.severity == "fail"}
    assert {"history-modified", "reproduction-verdict"} <= codes


def test_show_lists_what_is_known(training: Path, make_run: Run) -> None:
    """Level and number of reruns beside the record."""
    made = make_run(seed=1)
    again()
    done = subprocess.run(
        [sys.executable, "-m", "gittrack", "show", made.id], capture_output=True, text=True, check=True
    )
    assert "Reproductions" in done.stdout and "bitwise-same-host  1 rerun" in done.stdout


def test_the_index_takes_no_notice_of_statements(training: Path, make_run: Run) -> None:
    """log lists runs alone."""
    make_run(seed=1)
    again()
    with Index.open(Repository.discover(), "gittrack/runs") as index:
        assert index.count() == 2


def test_an_environment_that_git_exports_to_hooks_does_no_harm(
    training: Path, make_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Called from a hook, where GIT_DIR and GIT_INDEX_FILE are set."""
    make_run(seed=1)
    monkeypatch.setenv("GIT_DIR", str(training / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    assert again().statement.verdict.level == "bitwise-same-host"
    assert os.environ["GIT_INDEX_FILE"] == ".git/index"
    assert isinstance(GittrackError("x"), Exception)
