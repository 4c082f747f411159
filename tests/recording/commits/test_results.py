"""What a record takes from a commit's files: each value with the file that it is from, losses by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gittrack.formats.config import Config, parse
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.recording.commits import record_commits
from gittrack.recording.commits.names import merge_params
from tests.cli.githooks import pipeline
from tests.repositories import run_git

HEAD = "schema: '2.0'\nstages:\n"


def recorded(top: Path, files: dict[str, str], config: Config | None = None) -> Record:
    """The record of a commit with these files and no others."""
    run_git(top, "rm", "-q", "-r", "--ignore-unmatch", ".")
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    run_git(top, "add", "-A", "-f")
    run_git(top, "commit", "-q", "-m", "train")
    head = run_git(top, "rev-parse", "HEAD").strip()
    (record,) = record_commits(Repository.discover(top), config or Config(), [head]).records
    return record


def values(record: Record) -> dict[str, Any]:
    return {name: metric.value for name, metric in record.metrics.items()}


def losses(record: Record) -> list[str]:
    return [loss.what for loss in record.not_recorded]


@pytest.mark.parametrize(
    ("lock", "command"), [({}, ()), ({"dvc.lock": HEAD + "  a:\n    cmd: a\n"}, ("dvc", "repro"))]
)
def test_a_command_is_recorded_only_where_stages_were_run(
    project: Path, lock: dict[str, str], command: tuple[str, ...]
) -> None:
    """dvc.yaml alone says what could be run."""
    stages = {"dvc.yaml": "stages:\n  a:\n    cmd: a\n", "params.yaml": "lr: 0.1\n"}
    assert recorded(project, {**stages, **lock}).code.command == command


def test_a_name_in_two_files_keeps_the_file(project: Path) -> None:
    """Neither wins silently, and no value stands beside the other file's score."""
    record = recorded(
        project,
        {
            "dvc.yaml": "stages:\n  a:\n    cmd: a\n    params: [lr, head.yaml:]\n    metrics: [a.json]\n"
            "  b:\n    cmd: b\n    metrics: [b.json]\n",
            "dvc.lock": HEAD + "  a:\n    cmd: a\n    params:\n      params.yaml:\n        lr: 0.1\n",
            "params.yaml": "lr: 0.1\nseed: 1\n",
            "head.yaml": "lr: 0.5\ndropout: 0.2\n",
            "a.json": '{"acc": 0.9, "loss": 1}',
            "b.json": '{"acc": 0.1}',
        },
    )
    assert record.params == {"params.yaml:lr": 0.1, "seed": 1, "head.yaml:lr": 0.5, "dropout": 0.2}
    assert values(record) == {"a.json:acc": 0.9, "loss": 1, "b.json:acc": 0.1}


def test_stages_that_ran_with_different_values_keep_the_stage(project: Path) -> None:
    """As after `dvc repro` of one stage alone; a stage that dvc.yaml has no more counts for nothing."""
    record = recorded(
        project,
        {
            "dvc.yaml": "stages:\n  a: {cmd: a, params: [m.lr]}\n  b: {cmd: b, params: [m.lr, m.n]}\n",
            "dvc.lock": HEAD
            + "".join(
                f"  {name}:\n    cmd: {name}\n    params:\n      params.yaml:\n        m.lr: {lr}\n"
                for name, lr in (("a", 0.1), ("b", 0.2), ("gone", 0.3))
            ),
            "params.yaml": "m: {lr: 0.7, n: 3}\n",
        },
    )
    assert record.params == {"a:m": {"lr": 0.1}, "b:m": {"lr": 0.2}, "m": {"n": 3}}


def test_a_deeper_name_meets_the_name_that_it_begins_with() -> None:
    """`model` and `model.depth` cannot be one nested mapping."""
    merged = merge_params({"a.yaml": {"model": "cnn"}, "b.yaml": {"model": {"depth": 3}, "x": {}}})
    assert merged == {"a.yaml:model": "cnn", "b.yaml:model": {"depth": 3}, "x": {}}


TEMPLATES = {
    "params.yaml": "report: scores.json\nnames: [a, b]\n",
    "paths.toml": 'out = "model.bin"\n',
}


@pytest.mark.parametrize(
    ("stage", "files", "expected"),
    [
        (
            'train:\n    cmd: x\n    outs: ["${out}"]\n    metrics: ["${report}"]',
            {"scores.json": 1},
            {"acc": 1},
        ),
        (
            'train:\n    foreach: ${names}\n    do: {cmd: "echo ${HOME}", metrics: ["${item}.json"]}',
            {"a.json": 1, "b.json": 2},
            {"a.json:acc": 1, "b.json:acc": 2},
        ),
        (
            'train:\n    matrix: {n: "${names}", k: [1]}\n    metrics: ["${item.n}${item.k}.json"]',
            {"a1.json": 1, "b1.json": 2},
            {"a1.json:acc": 1, "b1.json:acc": 2},
        ),
        ("train:\n    cmd: x\n    wdir: ${folder}\n    metrics: [m.json]", {"sub/m.json": 3}, {"acc": 3}),
        ("train:\n    cmd: x\n    metrics:\n      - eval: {cache: false}", {"eval/m.json": 3}, {"acc": 3}),
        ("&a train:\n    cmd: x\n    live:\n      logs: {html: false}", {"logs.json": 4}, {"acc": 4}),
    ],
)  # fmt: skip
def test_templates_are_resolved_as_dvc_does(
    project: Path, stage: str, files: dict[str, int], expected: dict[str, int]
) -> None:
    """From vars of dvc.yaml, of files and of params.yaml. Other files of the commit are no metrics."""
    text = f"vars:\n- paths.toml\n- folder: sub\nstages:\n  {stage}\n"
    metrics = {name: json.dumps({"acc": acc}) for name, acc in files.items()}
    other = {"other.json": '{"wrong": 1}', "model.bin": "x"}
    record = recorded(project, {"dvc.yaml": text, **TEMPLATES, **metrics, **other})
    assert (values(record), losses(record)) == (expected, [])


def test_what_no_template_gives_costs_its_own_entry(project: Path) -> None:
    """It is named; the other entries, the model and the history are recorded."""
    record = recorded(
        project,
        {
            "dvc.yaml": "stages:\n  a:\n    cmd: a\n    outs: [m]\n    metrics: [\"${nowhere}\"]\n"
            "    params: [p.json:]\n  many: {matrix: {a: [1, 2], b: 7}, cmd: x}\nmetrics: [top.json]\n",
            "dvc.lock": HEAD + "  a:\n    cmd: a\n    outs:\n" + pipeline.entry("m", b"model"),
            "top.json": '{"acc": 1}',
            "p.json": '{"lr": 1}',
        },
    )  # fmt: skip
    assert values(record) == {"acc": 1} and record.params == {"lr": 1}
    assert [out.path for out in record.outputs] == ["m"]
    assert losses(record) == ["dvc.yaml: stage a", "dvc.yaml: metrics of stage a", "dvc.yaml: stage many"]


def test_parameters_of_every_kind_of_file(project: Path) -> None:
    """A Python file is parsed, not run; what is no parameter file at all is named."""
    record = recorded(
        project,
        {
            "dvc.yaml": "stages:\n  a:\n    params:\n    - a.toml: [x]\n    - b.json:\n    - c.py:\n"
            "    - gone.yaml: [z]\n    - bad.json: [q]\n",
            "a.toml": "[t]\nx = 1\n",
            "b.json": '{"y": [1, 2]}',
            "c.py": "import os\nraise SystemExit\nLR = 0.1\nclass Net:\n    depth = 3\n"
            "    def __init__(self):\n        self.width = 4\n        self.now = os.times()\n",
            "bad.json": "{",
        },
    )
    assert record.params == {"t": {"x": 1}, "y": [1, 2], "LR": 0.1, "Net": {"depth": 3, "width": 4}}
    assert sorted(losses(record)) == ["c.py: Net.now", "params bad.json", "params gone.yaml"]


def test_dependencies_and_outputs_that_lie_elsewhere_are_named(project: Path) -> None:
    """What cannot be represented costs that field; a folder that a remote versions can be."""
    record = recorded(
        project,
        {
            "dvc.lock": HEAD + "  a:\n    cmd: a\n    deps:\n"
            "    - {path: 's3://b/x', etag: abc}\n    - {path: /data/x, md5: " + "a" * 32 + "}\n"
            "    - {path: ../x, md5: "
            + "b" * 32
            + "}\n    - {path: 'https://h/x', checksum: d}\n    outs:\n"
            + pipeline.entry("model", b"m")
            + "    - path: data\n      hash: md5\n      files:\n"
            "      - {relpath: b, md5: " + "c" * 32 + ", size: 2}\n"
            "      - {relpath: a, md5: " + "d" * 32 + ", size: 1}\n",
            "metrics.json": '{"acc": 1}',
        },
    )
    assert losses(record) == ["data s3://b/x", "data /data/x", "data ../x", "data https://h/x"]
    assert record.not_recorded[0].why == "lies outside the repository (etag abc)"
    folder = json.dumps([{"md5": "d" * 32, "relpath": "a"}, {"md5": "c" * 32, "relpath": "b"}])
    assert [(o.path, o.md5, o.nfiles, o.size) for o in record.outputs] == [
        ("model", pipeline.md5(b"m"), None, 1),
        ("data", pipeline.md5(folder.encode()) + ".dir", 2, 3),
    ]
    assert values(record) == {"acc": 1}


def test_a_lock_of_dvc_1_is_read(project: Path) -> None:
    """It has no schema, no sizes, and md5 of text without carriage returns."""
    text = f"a:\n  cmd: a\n  params: {{params.yaml: {{lr: 1}}}}\n  outs: [{{path: m, md5: {'a' * 32}}}]\n"
    record = recorded(project, {"dvc.lock": text, "params.yaml": "lr: 2\n"})
    assert record.params == {"lr": 1}
    assert [(o.path, o.md5, o.size) for o in record.outputs] == [("m", "a" * 32, None)]


def test_projects_below_the_top_are_kept_apart(project: Path) -> None:
    """The one that the commit changes is recorded; where it changes both, names keep their file."""
    both = {
        f"{name}/{file}": text
        for name, acc in (("one", 1), ("two", 2))
        for file, text in {
            "dvc.yaml": "stages:\n  t: {cmd: t, params: [lr], metrics: [m.json: {cache: false}]}\n",
            "dvc.lock": HEAD + f"  t:\n    cmd: t\n    params: {{params.yaml: {{lr: {acc}}}}}\n",
            "params.yaml": f"lr: {acc}\n",
            "m.json": f'{{"acc": {acc}}}',
        }.items()
    }
    record = recorded(project, both)
    assert record.params == {"one/params.yaml:lr": 1, "two/params.yaml:lr": 2}
    assert values(record) == {"one/m.json:acc": 1, "two/m.json:acc": 2}
    changed = {
        **both,
        "two/m.json": '{"acc": 3}',
        "two/dvc.lock": both["two/dvc.lock"].replace("lr: 2", "lr: 3"),
    }
    record = recorded(project, changed)
    assert (record.params, values(record), record.code.cwd) == ({"lr": 3}, {"acc": 3}, "two")


def test_a_plot_without_steps_has_no_final_value(project: Path) -> None:
    """The last point of a ROC curve is no result; a table by epoch is a series, beside the metric's name."""
    plots = {"roc.csv": "fpr,tpr\n0,0\n1,1\n", "loss.csv": "epoch,loss,acc\n0,2,0.1\n1,1,0.2\n"}
    text = "metrics: [m.json]\nplots: [roc.csv, loss.csv, top.png]\n"
    record = recorded(project, {"dvc.yaml": text, "m.json": '{"acc": 0.9}', **plots})
    assert values(record) == {"acc": 0.9, "loss": 1, "loss.csv:acc": 0.2}


def test_metrics_inside_a_tracked_folder(project: Path) -> None:
    """DVC's own get-started layout: the folder is an out without cache, its files lie in git."""
    listing = "[]"
    record = recorded(
        project,
        {
            "dvc.yaml": "stages:\n  e: {cmd: e, outs: [eval: {cache: false}]}\nmetrics: [eval/m.json]\n",
            "dvc.lock": HEAD + "  e:\n    cmd: e\n    outs:\n    - {path: eval, hash: md5, md5: "
            + pipeline.md5(listing.encode()) + ".dir, size: 9, nfiles: 2}\n",
            "eval/m.json": '{"acc": 1}',
            "eval/p.png": "x",
        },
    )  # fmt: skip
    assert (values(record), record.outputs, losses(record)) == ({"acc": 1}, (), [])


def test_a_configured_file_of_a_commit_counts_as_before(project: Path) -> None:
    """training_commit of gittrack.yaml adds to what dvc.yaml names."""
    config = parse(b"training_commit: {params: [p.toml], metrics: [m.yaml]}")
    record = recorded(project, {"p.toml": "lr = 1", "m.yaml": "acc: 0.5"}, config)
    assert (record.params, values(record)) == ({"lr": 1}, {"acc": 0.5})


def test_a_project_below_the_top_has_a_cache_of_its_own(project: Path) -> None:
    """As `dvc init --subdir` makes it."""
    (project / "sub" / ".dvc").mkdir(parents=True)
    pipeline.store(project / "sub", b'{"acc": 7}')
    entry = pipeline.entry("m.json", b'{"acc": 7}')
    record = recorded(
        project,
        {
            "sub/.dvc/config": "",
            "sub/dvc.yaml": "stages:\n  t: {cmd: t, metrics: [m.json]}\n",
            "sub/dvc.lock": HEAD + "  t:\n    cmd: t\n    outs:\n" + entry,
        },
    )
    assert (values(record), losses(record)) == ({"acc": 7}, [])


def test_a_commit_without_results_is_not_said_to_have_finished(project: Path) -> None:
    """Nobody saw a training; a lock, a metric or an output is what one leaves."""
    stage = "stages:\n  a:\n    cmd: a\n    metrics: [a.json]\n"
    files = {"dvc.yaml": stage, "params.yaml": "lr: 0.1\n"}
    assert recorded(project, files).status == "unknown"
    assert recorded(project, {**files, "a.json": "{}"}).status == "finished"
    assert recorded(project, {**files, "dvc.lock": HEAD + "  a:\n    cmd: a\n"}).status == "finished"
    assert recorded(project, {"metrics.json": '{"acc": 1}'}).status == "finished"
