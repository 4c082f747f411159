"""Runs of a notebook: forgotten ones, nested ones, what a kernel of many runs keeps, and the cells."""

from __future__ import annotations

from pathlib import Path

import pytest

import gittrack
from gittrack.errors import UsageError
from gittrack.recording.notebook import notebook_file
from tests.recording import commands
from tests.recording.processes import records, run
from tests.recording.sessions import session


def test_a_second_run_ends_one_that_was_forgotten(project: Path) -> None:
    """With the duration that it was at work, and says so; later ones, too."""
    cells = [
        "import time\nrun = gittrack.start_run(name='first')\nrun.log_metric('a', 1)",
        "began = time.monotonic()",
        "while time.monotonic() - began < 2.5: time.sleep(0.1)",
        "run = gittrack.start_run(name='second')\nrun = gittrack.start_run(name='third')",
        "run.finish()",
    ]
    status, _, err = session(project, cells)
    assert status == 0 and err.count("was still open, and ends now as finished") == 2, err
    third, second, first = sorted(records(project), key=lambda record: record.started, reverse=True)
    assert [first.name, second.name, third.name] == ["first", "second", "third"]
    assert first.status == "finished" and first.ended_by == "process" and third.ended_by == "program"
    assert first.duration_s is not None and first.duration_s < 2.5
    assert second.ended is not None and third.ended is not None and second.ended <= third.ended


def test_a_forgotten_run_whose_cell_raised(project: Path) -> None:
    """Its status is what was seen of it."""
    cells = ["gittrack.start_run(name='first')\nraise ValueError('boom')", "gittrack.start_run().finish()"]
    _, _, err = session(project, cells)
    first = next(record for record in records(project) if record.name == "first")
    assert first.status != "finished" and first.failure is not None and first.failure.type == "ValueError", (
        err
    )


def test_a_prompt_is_a_session(project: Path) -> None:
    """Python's own, too; in a script both runs go on."""
    script = "a = gittrack.start_run()\nb = gittrack.start_run()\nprint(a.active, b.active)"
    assert run(project, "sys.ps1 = '>>> '\n" + script)[1] == "False True\n"
    assert run(project, script)[1] == "True True\n"


def test_a_block_is_not_forgotten(project: Path) -> None:
    """Its end is to come; nor is one that a nested run is begun in."""
    cells = [
        "with gittrack.start_run() as a:\n    gittrack.start_run().finish()\n    print(a.active)",
        "a = gittrack.start_run()\nwith gittrack.start_run(nested=True): print(a.active)\nprint(a.active)",
    ]
    status, out, err = session(project, cells)
    assert (status, out) == (0, "True\nTrue\nTrue\n"), err
    assert "still open" not in err


def test_the_run_of_another_thread_goes_on(project: Path) -> None:
    """Who begins a run ends no other thread's."""
    cells = [
        "import threading\nbegun, over = threading.Event(), threading.Event()",
        "def other():\n    globals()['theirs'] = gittrack.start_run()\n    begun.set()\n    over.wait()",
        "thread = threading.Thread(target=other)\nthread.start()\nbegun.wait()",
        "gittrack.start_run().finish()\nprint(theirs.active)\nover.set()\nthread.join()\ntheirs.finish()",
    ]
    status, out, err = session(project, cells)
    assert (status, out) == (0, "True\n") and "still open" not in err


def test_nested_runs_have_their_parent(inside: Path) -> None:
    """By `nested`, and by MLflow's words."""
    with gittrack.start_run() as outer:
        with gittrack.start_run(nested=True, run_name="inner") as inner:
            innermost = gittrack.start_run(nested=True)
            innermost.finish()
        with gittrack.start_run(parent_run_id=outer.id) as named, gittrack.start_run() as other:
            pass
    with gittrack.start_run(nested=True) as alone:
        pass
    parents = {found.id: found.record.parent for found in gittrack.search()}
    assert parents[inner.id] == parents[named.id] == outer.id and parents[innermost.id] == inner.id
    assert parents[outer.id] is None is parents[other.id] and parents[alone.id] is None
    assert inner.record is not None and inner.record.name == "inner"


def test_an_argument_of_two_names_is_given_once(inside: Path) -> None:
    """Twice the same is the same."""
    gittrack.start_run(name="a", run_name="a").finish()
    with pytest.raises(UsageError, match="'a' and run_name is 'b', which is the same argument"):
        gittrack.start_run(name="a", run_name="b")


def test_many_runs_of_a_kernel_leave_nothing(project: Path) -> None:
    """Neither threads nor journals nor descriptors, forgotten or not."""
    count = "print(threading.active_count(), len(os.listdir(fds)) if os.path.isdir(fds) else 0)"
    one = "run = gittrack.start_run()\nrun.log_metric('a', 1)\n"
    cells = [
        "import os, threading\nfds = '/proc/self/fd'",
        one + "run.finish()",
        count,
        one * 12 + "run.finish()",
        count,
    ]
    status, out, err = session(project, cells)
    before, after = out.splitlines()
    assert status == 0 and before == after, err
    assert len(records(project)) == 13
    assert not list((project / ".git" / "gittrack" / "journal").iterdir())


TRAINING = [
    "import gittrack, json",
    "run = gittrack.start_run(seed=3)",
    "for step in range(5): run.log_metric('loss', 1 / (step + 1), step=step)",
    "run.finish()",
]


def test_the_cells_of_a_notebook_are_kept(project: Path) -> None:
    """Those that were executed until the run ended, without secrets; the notebook is the entry."""
    (project / "study.ipynb").write_text("{}")
    variables = {"__vsc_ipynb_file__": str(project / "study.ipynb")}
    token = "ghp_" + "a1B2" * 9
    status, _, err = session(project, [f"token = '{token}'", *TRAINING, "late = 1"], variables)
    assert status == 0, err
    (record,) = records(project)
    assert record.code.entry == "study.ipynb"
    (output,) = record.outputs
    assert (output.role, output.path) == ("cells", "_gittrack/cells.py")
    text = next((project / ".git").rglob(output.md5[2:])).read_text()
    assert text.count("# %%") == 6 and token not in text and "late" not in text


def test_a_run_of_a_notebook_is_had_again_without_it(project: Path) -> None:
    """Its cells are executed, headless; the verdict is that of any run."""
    status, _, err = session(project, TRAINING)
    assert status == 0, err
    again = commands.gittrack(project, "reproduce", "latest", "--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    newest, original = records(project)
    assert newest.reproduces == original.id and newest.metrics == original.metrics


def test_why_a_run_of_a_notebook_cannot_be_had_again(project: Path) -> None:
    """Its cells are gone."""
    status, _, err = session(project, TRAINING)
    assert status == 0, err
    (record,) = records(project)
    kept = next((project / ".git").rglob(record.outputs[0].md5[2:]))
    kept.chmod(0o644)
    kept.write_text("print('others')")
    refused = commands.gittrack(project, "reproduce", "latest", "--yes")
    assert refused.returncode == 2 and "in the DVC cache are others" in refused.stderr
    kept.unlink()
    refused = commands.gittrack(project, "reproduce", "latest", "--yes")
    assert refused.returncode == 2 and "are not in the DVC cache: run gittrack pull" in refused.stderr


def test_what_jupyter_calls_a_notebook(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is from where the server was started; one that is no file is not known."""
    (inside / "a.ipynb").write_text("{}")
    for name, known in (("work/a.ipynb", "a.ipynb"), ("work/b.ipynb", None), ("train.py", None)):
        monkeypatch.setenv("JPY_SESSION_NAME", name)
        assert notebook_file() == (None if known is None else Path(known))


IPYTHON = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in CELLS:
    result = shell.run_cell(cell, store_history=True)
    assert result.success, result
"""


def test_ipython_itself(project: Path) -> None:
    """Its cells, magics as calls of Python, and what it shows of a run."""
    pytest.importorskip("IPython")
    cells = ["import gittrack", "%time run = gittrack.start_run()", "run", "run.finish()"]
    status, out, err = run(project, f"CELLS = {cells!r}\n{IPYTHON}")
    assert status == 0 and "running>" in out, err
    (record,) = records(project)
    text = next((project / ".git").rglob(record.outputs[0].md5[2:])).read_text()
    assert "get_ipython().run_line_magic('time'" in text and record.ended_by == "program"
