"""gittrack.yaml: read strictly, given with defaults, cached for commands that must be quick."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gittrack.errors import ConfigError, RepositoryError
from gittrack.formats import config
from gittrack.formats.config import Config, ExperimentConfig, Gate, InputConfig, MetricConfig, PolicyConfig

FULL = b"""\
experiment: digits
ledger: {branch: lab/runs}
run: {pass: flags}
harvest: off
capture: {dirty: refuse, max_file_mb: 2.5, locks: [sub/uv.lock], console: false}
inputs: [{path: data/train.csv, role: train}]
outputs: [{path: model.pkl, role: model}]
dvc: {store_inputs: true}
live: {remote: origin, every: 20}
system_metrics: off
experiments:
  digits:
    question: Does more data help?
    metrics:
      acc: {direction: maximize, unit: "1", split: test, why: users see errors}
    gate: {metric: acc, threshold: 0.9, direction: maximize, confidence: 0.95, sided: two, runs: 5, why: x}
    reproducibility:
      level: numeric
      tolerance: {acc: 1e-3}
      why: GPU reductions
      factors: [gpu]
    inputs: [{path: /mnt/extra.csv, role: test}]
    outputs: []
training_commit:
  paths: [results]
  params: [conf/train.toml]
  metrics: [scores.json]
evidence:
  purpose: reads digits
  limitations: [not for children]
  datasheets: {data/train.csv: docs/train.md}
  links: {annex-iv.5: "https://example.org/risk"}
policy:
  preset: ai-act
  required: [hypothesis, tags.owner]
  data_roles: [train, test]
  clean_tree: true
  hashed_locks: true
  seed: true
  image: true
  signatures: required
  signers: keys/allowed_signers
  author_not_approver: true
"""


def write(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "gittrack.yaml").write_bytes(data)
    return tmp_path


def test_every_setting_is_read() -> None:
    """A file that sets everything differs from the defaults everywhere."""
    loaded = config.parse(FULL)
    defaults = Config()
    for name in Config.__dataclass_fields__:
        assert getattr(loaded, name) != getattr(defaults, name), name
    digits = loaded.experiment_config("digits")
    assert digits.gate == Gate(
        metric="acc", threshold=0.9, direction="maximize", confidence=0.95, sided="two", runs=5, why="x"
    )
    assert digits.metrics["acc"] == MetricConfig(
        direction="maximize", unit="1", split="test", why="users see errors"
    )
    assert digits.reproducibility.tolerance == {"acc": 0.001}
    assert digits.inputs == (InputConfig(path="/mnt/extra.csv", role="test"),)
    assert loaded.capture.locks == ("sub/uv.lock",)
    assert loaded.training_commit == config.TrainingCommitConfig(
        paths=("results",), params=("conf/train.toml",), metrics=("scores.json",)
    )
    assert loaded.policy == PolicyConfig(
        preset="ai-act",
        required=("hypothesis", "tags.owner"),
        data_roles=("train", "test"),
        clean_tree=True,
        hashed_locks=True,
        seed=True,
        image=True,
        signatures="required",
        signers="keys/allowed_signers",
        author_not_approver=True,
    )


def test_defaults_where_nothing_is_set(tmp_path: Path) -> None:
    """No file, no work tree, an empty file and one of comments all mean the defaults."""
    assert config.load(None) == config.load(tmp_path) == Config()
    for data in (b"", b"\n  # nothing yet\n\n", b"{}\n"):
        assert config.load(write(tmp_path, data)) == Config()
    assert Config().ledger.branch == "gittrack/runs"
    assert Config().capture.max_file_mb == 10
    assert Config().experiment_config("any") == ExperimentConfig()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"capture: {dirty: maybe}\n", "gittrack.yaml: capture.dirty: 'maybe' is not one of"),
        (b"legder: {}\n", "gittrack.yaml: Additional properties .*'legder'"),
        (b"a: [\n", "gittrack.yaml:2:1: malformed YAML"),
        (b"- a\n", "gittrack.yaml: should hold settings"),
        (b"ledger: {branch: -x}\n", "ledger.branch: '-x' does not fit: Name of the ledger branch"),
        (b"ledger: {branch: a..b}\n", "ledger.branch"),
        (b"ledger: {branch: a/.b}\n", "ledger.branch"),
        (b"ledger: {branch: a.lock}\n", "ledger.branch"),
        (b"capture: {locks: [../other/uv.lock]}\n", r"capture.locks\[0\]: .* does not fit: Path inside"),
        (b"inputs: [{path: x}]\n", r"inputs\[0\]: 'role' is a required property"),
        (b"experiments: {a: {gate: {metric: acc}}}\n", "experiments.a.gate: 'threshold' is a required"),
        (b"experiments: {a: {gate: {metric: m, threshold: 1, confidence: 1.0}}}\n", "gate.confidence: 1.0"),
        (b"experiments: {../x: {}}\n", "experiments: '../x' does not fit: Name of an experiment"),
        (b"experiment: 1\n", "experiment: 1 is not of type 'string'"),
    ],
)
def test_a_malformed_file_is_a_config_error(tmp_path: Path, data: bytes, message: str) -> None:
    """One line that names file, setting and fault, cached or not."""
    write(tmp_path, data)
    with pytest.raises(ConfigError, match=message) as caught:
        config.load(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=message):
        config.load_cached(tmp_path, tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_a_plain_dict_is_checked_like_the_file() -> None:
    """from_plain builds and refuses as parse does."""
    assert config.from_plain({"experiment": "a"}) == Config(experiment="a")
    with pytest.raises(ConfigError, match="here: experiment: "):
        config.from_plain({"experiment": "a b"}, "here")
    with pytest.raises(ConfigError, match="is of type"):
        config.from_plain({"inputs": ()})


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    """A link, a directory, a FIFO or a huge file of that name is refused at once."""
    place = tmp_path / "gittrack.yaml"
    (tmp_path / "secret").write_bytes(b"experiment: a\n")
    place.symlink_to("secret")
    with pytest.raises(ConfigError, match="symbolic link"):
        config.load(tmp_path)
    place.unlink()
    place.mkdir()
    with pytest.raises(ConfigError, match="not a regular file"):
        config.load(tmp_path)
    place.rmdir()
    os.mkfifo(place)
    with pytest.raises(ConfigError, match="not a regular file"):
        config.load(tmp_path)
    place.unlink()
    place.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match="larger than"):
        config.load(tmp_path)


def test_a_work_tree_that_cannot_be_searched_is_the_repositorys_fault(tmp_path: Path) -> None:
    """What is no missing file is not taken for one."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RepositoryError, match=r"cannot read .*: Not a directory"):
        config.load(tmp_path / "file")


# --- the cache -----------------------------------------------------------------------------------


def cache(state: Path) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads((state / "config-cache.json").read_bytes())
    return stored


def test_the_second_load_needs_no_yaml(tmp_path: Path) -> None:
    """In a fresh process, a cached configuration is the same and imports no parser or validator."""
    state = tmp_path / "state"
    expected = config.load_cached(write(tmp_path, FULL), state)
    assert expected == config.parse(FULL)
    code = (
        "import sys, pathlib, gittrack.formats.config as c\n"
        "top = pathlib.Path(sys.argv[1])\n"
        "print(repr(c.load_cached(top, top / 'state')))\n"
        "sys.exit(bool({'yaml', 'jsonschema', 'jsonschema_rs'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(expected)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """The cache goes by content."""
    state = tmp_path / "state"
    config.load_cached(write(tmp_path, b"experiment: a\n"), state)
    assert config.load_cached(write(tmp_path, b"experiment: b\n"), state).experiment == "b"
    assert cache(state)["config"] == {"experiment": "b"}
    assert [path.name for path in state.iterdir()] == ["config-cache.json"]


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: b"",
        lambda stored: json.dumps(stored).encode()[:-5],
        lambda stored: b"\xff",
        lambda stored: b"[]",
        lambda stored: b"{}",
        lambda stored: json.dumps({**stored, "gittrack": "0.0.0", "config": {"experiment": "old"}}).encode(),
        lambda stored: json.dumps({**stored, "sha256": "0" * 64, "config": {"experiment": "old"}}).encode(),
        lambda stored: json.dumps({**stored, "config": {"odd": 1}}).encode(),
        lambda stored: json.dumps({**stored, "config": [1]}).encode(),
    ],
)
def test_an_unusable_cache_is_built_anew(tmp_path: Path, change: Any) -> None:
    """Cut short, of another version or of another shape: the file itself is read."""
    state = tmp_path / "state"
    config.load_cached(write(tmp_path, b"experiment: a\n"), state)
    good = cache(state)
    (state / "config-cache.json").write_bytes(change(good))
    assert config.load_cached(tmp_path, state).experiment == "a"
    assert cache(state) == good


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    """The state directory cannot be made, or its name is taken: the configuration comes all the same."""
    write(tmp_path, b"experiment: a\n")
    (tmp_path / "file").write_bytes(b"")
    assert config.load_cached(tmp_path, tmp_path / "file" / "state").experiment == "a"
    taken = tmp_path / "state" / "config-cache.json"
    taken.mkdir(parents=True)
    assert config.load_cached(tmp_path, taken.parent).experiment == "a"
    assert [path.name for path in taken.parent.iterdir()] == ["config-cache.json"]


def test_a_gate_says_which_way_its_metric_gets_better() -> None:
    """Else the metric's own declaration does; a gate says nothing of other metrics."""
    metrics = {"loss": {"direction": "minimize"}, "acc": {"direction": "maximize"}, "n": {}}
    gate = {"metric": "loss", "threshold": 1.0, "direction": "maximize"}
    plain = {"metrics": metrics, "gate": gate}
    experiment = config.from_plain({"experiments": {"e": plain}}).experiment_config("e")
    assert [experiment.direction_of(name) for name in ("loss", "acc", "n", "other")] == [
        "maximize", "maximize", None, None,
    ]  # fmt: skip
