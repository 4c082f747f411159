"""What comes of an offline session of ClearML."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from gittrack.importers.clearml import events
from gittrack.importers.foreign import Final
from tests.importers.clearml.looks import content, losses, only, points
from tests.importers.clearml.writer import (
    DATA,
    ELSEWHERE,
    ID,
    START,
    image,
    param,
    plot,
    says,
    scalar,
    write,
    zipped,
)

NAN = "2026-01-01 - clearml - INFO - NaN value encountered. Reporting it as '-1.0'. Use clearml.Logger"


TYPED: dict[str, tuple[dict[str, Any], Any]] = {
    "int": (param("3", "int"), 3),
    "whole": (param("3.0", "float"), 3.0),
    "bool": (param("False", "bool"), False),
    "text of a number": (param("1", "str"), "1"),
    "list": (param("[1, 2]", "list/int"), [1, 2]),
    "tuple": (param('[1, "x", null]', "tuple"), [1, "x", None]),
    "dict": (param('{"a": {"b": [1.5]}}', "dict/dict"), {"a": {"b": [1.5]}}),
    "old list": (param("('a', 1)", "tuple"), ["a", 1]),
    "nothing": (param("", "int"), None),
    "none": (param(""), None),
    "empty": (param("", "str"), ""),
    "no type": (param("x"), "x"),
    "old": (param("1", "legacy"), "1"),
}
NOT_TYPED = {
    "None of a search": param("None", "int"),
    "kind": param("A", "Kind"),
    "code": param("__import__('os').getcwd()", "list"),
    "deep": param("[" * 300, "list"),
    "other": param("1", "list/int"),
    "great": param("1e999", "float"),
}


def test_parameters(tmp_path: Path) -> None:
    """Each has the type that is stated beside its text; what is none such stays text, which is said."""
    section = {name: item for name, (item, _) in TYPED.items()} | NOT_TYPED
    nested = ["a", "a//e", "a/b", "c/d/e", "c/f"]
    run = only(
        write(
            tmp_path,
            hyperparams={
                "General": section | {"nan": param("nan", "float"), "inf": param("-inf", "float")},
                "Args": {name: param("1", "int") for name in nested},
                "properties": {"stage": param("tuning", description="why")},
            },
        )
    )
    general: Any = run.params["General"]
    assert math.isnan(general.pop("nan")) and general.pop("inf") == -math.inf
    expected = {name: value for name, (_, value) in TYPED.items()}
    expected |= {name: item["value"] for name, item in NOT_TYPED.items()}
    assert {name: repr(value) for name, value in general.items()} == {
        name: repr(value) for name, value in expected.items()
    }
    assert run.params["Args"] == {"a": 1, "c": {"d": {"e": 1}, "f": 1}}
    assert (run.params["Args/a/b"], run.params["Args/a//e"]) == (1, 1)
    assert run.tags == {"stage": "tuning"}
    assert losses(run) == {
        **{f"type of param General/{name}": 1 for name in NOT_TYPED}, "descriptions of params": 1
    }  # fmt: skip


def test_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Iterations as they came; the machine, models and single values apart."""
    monkeypatch.setattr(events, "_HELD", 3)
    model = {"id": "offline-m", "init": {"name": "net é"}, "weights": {}}
    run = only(
        write(
            tmp_path,
            scalar("loss", "é", 1.5, 0),
            scalar("loss", "é", 2.5, -5, 10),
            scalar("loss", "é", 3.5, 7, 20),
            scalar("loss", "é", 4.5, 7, 20),
            scalar("loss", "é", "x", 8),
            {**scalar("n", "s", 1, timestamp=None), "iter": None},
            scalar("n", "s", 2, 1, timestamp=-5),
            scalar("a/b", "c", 1.0),
            scalar("a", "b/c", 2.0),
            scalar(":monitor:gpu", "use", 50.0, 30),
            scalar("loss", "é", 9.0, 99, task="offline-m", model_event=True),
            scalar("loss", "é", 9.0, 99, task="another"),
            scalar("Summary", "best", 0.25, -(2**31)),
            scalar("Summary", "best", 0.75, -(2**31)),
            scalar("Summary", "a/b/c", 7.0, -(2**31)),
            {**scalar("v", "s", None), "type": "unheard-of"},
            offline_output_models=[model],
        )
    )
    assert points(run.curves()) == {
        "loss/é": [(0, 0, 1.5), (-5, 10, 2.5), (7, 20, 3.5), (7, 20, 4.5)],
        "n/s": [(None, None, 1), (1, None, 2)],
        "a/b/c": [(0, 0, 1.0)],
        "a//b/c": [(0, 0, 2.0)],
        "models/net é/loss/é": [(99, 0, 9.0)],
    }
    assert points(run.system_curves()) == {":monitor:gpu/use": [(30, 0, 50.0)]}
    assert {name: final.value for name, final in run.finals.items() if final.rule == "given"} == {
        "best": 0.75, "Summary/a/b/c": 7.0,
    }  # fmt: skip
    assert run.finals["loss/é"] == Final(rule="greatest-step") and ":monitor:gpu/use" not in run.finals
    assert losses(run) == {"events of other tasks": 1, "events of type unheard-of": 1, "points of loss/é": 1}


def test_a_zero_may_stand_for_no_number(tmp_path: Path) -> None:
    """The client writes NaN and infinity as 0, or as the program has chosen: no such value comes unnamed."""
    written = [scalar("loss", "s", value, step) for step, value in enumerate([1.0, 0.0, -0.0, -1.0, 0.0])]
    single = scalar("Summary", "best", 0.0, -(2**31))
    run = only(write(tmp_path / "a", *written, single))
    assert [value for _, _, value in points(run.curves())["loss/s"]] == [1.0, 0.0, -0.0, -1.0, 0.0]
    assert losses(run) == {"points of loss/s": 2, "points of best": 1}
    assert {loss.why for loss in run.lost} == {
        "the client writes 0.0 also for NaN and infinity: these points may be such"
    }
    run = only(write(tmp_path / "b", *written, log=(says(f"epoch 1\n{NAN}"),)))
    assert losses(run) == {"points of loss/s": 3}
    assert run.lost[0].why.startswith("the client's log says that it wrote -1.0, 0.0 for NaN or infinity")


def test_what_a_run_was(tmp_path: Path) -> None:
    """A session written offline never knows how its task ended; one that was exported from a server does."""
    script = {
        "repository": "https://ada:secret@example.org/x.git", "version_num": "a" * 40, "branch": "main",
        "entry_point": "train.py", "working_dir": "src", "diff": "--- a\n+++ b\n",
        "requirements": {"pip": "# Python 3.11.7 (main)\n\ntorch == 2.1\n", "conda": ["x=1", "y"]},
    }  # fmt: skip
    log = (
        says(f"ClearML running in offline mode, session stored in {ELSEWHERE}", -500),
        says("Parameters must be of builtin type (General/path[PosixPath], General/x[float32])"),
    )
    changes: dict[str, Any] = {
        "project_name": "p é/sub", "comment": "a\nb", "tags": ["ä", "b"], "parent": "c" * 32,
        "status": "created", "status_message": "offline", "script": script, "runtime": {"progress": "50"},
        "configuration": {"net": {"type": "dictionary", "value": "a = 1", "description": "d"}},
        "execution": {"model_labels": {"cat": 0}, "docker_cmd": "img"},
    }  # fmt: skip
    run = only(write(tmp_path / "a", scalar("a", "b", 1), log=log, **changes))
    assert (run.id, run.experiment, run.name, run.note) == (ID, "p é/sub", "t", "a\nb")
    assert (run.labels, run.parent, run.job_type, run.status) == (("ä", "b"), "c" * 32, "training", "unknown")
    assert (run.started, run.ended, run.user) == (START / 1000 - 0.5, None, None)
    assert run.code is not None and run.environment is not None
    assert (run.code.entry, run.code.dirty, run.code.commit) == ("src/train.py", True, "a" * 40)
    assert run.environment.python == "3.11.7"
    files = {file.path: file for file in run.files}
    assert {path: file.kind for path, file in files.items()} == {
        "console.txt": "console", "requirements.txt": "requirements", "requirements-conda.txt": "other",
        "diff.patch": "patch", "configuration/net.conf": "other", "model_labels.json": "other",
    }  # fmt: skip
    assert content(files["console.txt"]).decode().splitlines()[0].endswith(f"stored in {ID}")
    assert content(files["requirements-conda.txt"]) == b"x=1\ny"
    assert losses(run).keys() == {
        "param General/path[PosixPath]", "param General/x[float32]", "descriptions of configuration",
        "runtime", "execution: docker_cmd",
    }  # fmt: skip

    exported = {
        "status": "stopped",
        "started": "2026-01-01T00:00:00+00:00",
        "completed": "2026-01-01T00:01:00Z",
    }
    run = only(
        write(
            tmp_path / "b",
            script={"diff": "print()", "entry_point": "solo.py"},
            comment="Auto-generated at 2026-01-01 00:00:00 UTC by ada@vm",
            user="ada",
            **exported,
        )
    )
    assert (run.status, run.started, run.ended) == ("killed", 1767225600.0, 1767225660.0)
    assert (run.note, run.user, run.code and run.code.dirty) == (None, None, None)
    assert [(file.path, content(file)) for file in run.files] == [("code/solo.py", b"print()")]
    assert only(tmp_path / "b", people=True).user == "ada"


def artifact(key: str, uri: str, sha256: str | None = None, **more: Any) -> dict[str, Any]:
    return {"key": key, "uri": uri, "mode": "output", **({"hash": sha256} if sha256 else {}), **more}


FILES = {
    f"{DATA}/artifacts/good/m.pkl": "cos\nsystem\n(S'touch /tmp/x'\ntR.",
    f"{DATA}/artifacts/other/o.txt": "changed",
    f"{DATA}/metrics/im/s/im_0.jpeg": "later",
    f"{DATA}/metrics/im/s/in_plot.png": "png",
    "models/m.bin": "last",
}


def with_files(folder: Path) -> Path:
    good = hashlib.sha256(FILES[f"{DATA}/artifacts/good/m.pkl"].encode()).hexdigest()
    windows = f"C:\\Users\\ada\\{ID}\\data\\p\\t.{ID}\\artifacts\\other\\o.txt"
    artifacts = [
        artifact("good", f"{ELSEWHERE}/{DATA}/artifacts/good/m.pkl", good, display_data=[["a", "b"]]),
        artifact("other", windows, "f" * 64),
        artifact("late", f"{ELSEWHERE}/{DATA}/artifacts/late/x.bin", "a" * 64),
        artifact("link", "https://ada:secret@example.org/d.csv"),
        artifact("own", "/home/ada/secret.bin"),
        artifact("out", f"{ELSEWHERE}/../../../etc/passwd"),
        "no mapping",
    ]
    models = [
        {
            "id": f"offline-{step}",
            "init": {"name": "net", "framework": "PyTorch", "config_text": "a = 1" if step else ""},
            "weights": {"weights_filename": f"{ELSEWHERE}/models/m.bin", "iteration": step},
        }
        for step in range(2)
    ]
    return write(
        folder,
        image("im_0.jpeg", 0),
        image("im_0.jpeg", 5),
        {**image("x", 1), "metric": "far", "key": "/a.mp4", "url": "https://example.org/a.mp4"},
        plot("tab/é x", 3, '{"data": []}'),
        plot("tab/é x", 4, '{"data": [1]}'),
        files=FILES,
        execution={"artifacts": artifacts},
        offline_output_models=models,
    )


@pytest.mark.parametrize("as_zip", [False, True])
def test_files(tmp_path: Path, as_zip: bool) -> None:
    """By what the session has, wherever it was written; what is not there, or is another, is named."""
    folder = with_files(tmp_path / ID)
    run = only(zipped(folder, tmp_path / "a.zip", "up/") if as_zip else folder)
    present = {file.path: file for file in run.files if not file.missing}
    assert {path: (file.kind, file.name, file.step, content(file)) for path, file in present.items()} == {
        "artifacts/good/m.pkl": ("artifact", "good", None, FILES[f"{DATA}/artifacts/good/m.pkl"].encode()),
        "artifacts/other/o.txt": ("artifact", "other", None, b"changed"),
        "models/net.conf": ("other", "net", None, b"a = 1"),
        "models/m.bin": ("model", "net", 1, b"last"),
        "metrics/im/s/im_0.jpeg": ("media", "im/s", 5, b"later"),
        "metrics/im/s/in_plot.png": ("media", None, None, b"png"),
        "plots/tab/é_x/s_3.json": ("media", "tab/é x/s", 3, b'{"data": []}'),
        "plots/tab/é_x/s_4.json": ("media", "tab/é x/s", 4, b'{"data": [1]}'),
    }
    missing = {(file.path, file.missing) for file in run.files if file.missing}
    assert missing == {
        ("artifacts/late/x.bin", "its bytes are not in the session"),
        ("artifacts/link", "a reference to elsewhere: https://example.org/d.csv"),
        ("artifacts/artifact", "its bytes are not in the session"),
        ("artifacts/own", "its bytes are not in the session"),
        ("artifacts/out", "its bytes are not in the session"),
        ("models/net", "the client wrote a later one over its file"),
        ("metrics/far/s", "a reference to elsewhere: https://example.org/a.mp4"),
    }
    assert losses(run) == {
        "artifact good: metadata": 1, "model net: framework": 2, "media im/s": 1,
        "output artifacts/other/o.txt": 1,
    }  # fmt: skip


def test_many_plots_are_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_PLOTS", 1)
    (plots,) = only(write(tmp_path, plot("a", 0, "{}"), plot("b", 1, "[1]"))).files
    told = [json.loads(line) for line in content(plots).splitlines()]
    assert [(plot["metric"], plot["iter"], plot["plot_str"]) for plot in told] == [
        ("a", 0, "{}"),
        ("b", 1, "[1]"),
    ]
