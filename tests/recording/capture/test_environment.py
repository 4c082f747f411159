"""environment.yaml says what a run ran on, follows its schema, and tells nothing about people."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.environment import summarise
from gittrack.recording.capture import environment, hardware
from gittrack.recording.capture.environment import (
    VARIABLES,
    capture_environment,
    installed_distributions,
    packages_of,
)
from tests.tables import rows

DIGEST = "sha256:" + "0a" * 32
SCHEMA = Path(__file__).parents[3] / "schemas/environment.schema.json"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SCHEMA.read_text("utf-8"))
    return loaded


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    validator = Draft202012Validator(schema, registry=Registry())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


# --- schema --------------------------------------------------------------------------------


def subschemas(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "type" in node or "enum" in node or "const" in node:
            yield node
        for entry in node.values():
            yield from subschemas(entry)


def test_the_schema_is_a_schema(schema: dict[str, Any]) -> None:
    """It follows the metaschema, and each part is described, closed and bounded."""
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == "https://gittrack.dev/schemas/environment/1"
    parts = list(subschemas(schema))
    assert len(parts) > 40
    for part in parts:
        assert part.get("description"), part
        assert "additionalProperties" in part or part.get("type") != "object", part
        assert part.get("type") != "string" or "maxLength" in part, part
        assert not re.search(r"\\[wdsbWDSB]", part.get("pattern", "")), part


def test_a_real_capture_follows_the_schema(schema: dict[str, Any]) -> None:
    """What this machine gives is valid, with and without numpy in the process."""
    pytest.importorskip("numpy")
    captured = capture_environment()
    assert faults(schema, captured) == []
    assert captured["blas"]
    assert next(iter(captured)) == "schema"


def test_a_full_capture_follows_the_schema(schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every section that a machine can have is valid."""
    gpu = {
        "name": "H100",
        "uuid": "GPU-1",
        "memory_mb": 1,
        "driver": "5",
        "compute_capability": "9.0",
        "cores": 9,
    }
    versions = dict.fromkeys(("driver", "runtime", "cudnn", "nccl", "hip"), "1.2")
    monkeypatch.setattr(hardware, "accelerators", lambda loaded: ([gpu], versions))
    monkeypatch.setattr(environment, "origins_of", lambda entries: {"a": "editable"})
    captured = capture_environment(env=dict.fromkeys(VARIABLES, "1"), image=f"host:5000/a/b:1@{DIGEST}")
    captured["drift"] = {
        "uv.lock": [{"name": "a", "locked": "1"}, {"name": "b", "locked": "1", "installed": "2"}]
    }
    assert faults(schema, captured) == []
    unseen = {"allocation", "host", "memory_mb", "interpreters", "imported"}
    assert set(captured) >= set(schema["properties"]) - unseen


@pytest.mark.parametrize(
    "change",
    [
        {"hostname": "x"},
        {"schema": "gittrack/environment/2"},
        {"container": "jail"},
        {"image": "latest"},
        {"gpus": [{"uuid": "x"}]},
        {"cpu": {"architecture": "x", "serial": "1"}},
        {"variables": {"path": "x"}},
        {"variables": {"TZ": "x" * 4097}},
        {"packages": {"a": 1}},
        {"packages": {"": "1"}},
        {"host": "workstation-of-me"},
    ],
)
def test_the_schema_refuses(schema: dict[str, Any], change: dict[str, Any]) -> None:
    """One wrong section is found."""
    assert faults(schema, capture_environment(env={}) | change)


# --- privacy -------------------------------------------------------------------------------


def test_only_the_listed_variables_are_recorded() -> None:
    """Everything else in the environment stays out, and secrets in a listed variable are masked."""
    env = dict.fromkeys(VARIABLES, "1") | {
        "HF_TOKEN": "planted-secret-1",
        "HOME": "/home/planted-person",
        "XLA_FLAGS": "--a=planted-secret-1 --b=1",
        "KUBERNETES_SERVICE_HOST": "planted-host",
    }
    captured = capture_environment(env=env)
    assert captured["variables"] == dict.fromkeys(VARIABLES, "1") | {"XLA_FLAGS": "--a=*** --b=1"}
    assert "planted" not in json.dumps(captured)


def test_the_list_of_variables() -> None:
    """The list is part of the promise: a change to it is a change to what is told."""
    assert " ".join(VARIABLES) == (
        "CUBLAS_WORKSPACE_CONFIG CUDA_VISIBLE_DEVICES LC_ALL LOCAL_RANK MKL_CBWR MKL_DYNAMIC MKL_NUM_THREADS "
        "NCCL_ALGO NCCL_PROTO NPY_DISABLE_CPU_FEATURES NVIDIA_TF32_OVERRIDE OMP_DYNAMIC OMP_NUM_THREADS "
        "OPENBLAS_CORETYPE OPENBLAS_NUM_THREADS PYTHONHASHSEED RANK TF_DETERMINISTIC_OPS "
        "TF_ENABLE_ONEDNN_OPTS TZ WORLD_SIZE XLA_FLAGS"
    )


def test_neither_names_nor_folders_are_recorded() -> None:
    """The host's name, the home folder and the interpreter's folder do not appear."""
    captured = capture_environment(env={})
    assert os.uname().nodename not in set(texts(captured))
    for folder in (Path.home(), sys.prefix, Path(sys.executable).parent):
        assert not any(f"{folder}/" in text or text == str(folder) for text in texts(captured))


def texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, (dict, list)):
        for entry in node.values() if isinstance(node, dict) else node:
            yield from texts(entry)


def test_the_host_is_a_digest(tmp_path: Path) -> None:
    """The machine-id is not in the record; where there is none, there is no host."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    host = environment._host(tmp_path)
    assert host is not None and re.fullmatch("[0-9a-f]{16}", host)
    assert host not in "0123456789abcdef0123456789abcdef"
    (tmp_path / "etc/machine-id").write_text("uninitialized\n")
    assert environment._host(tmp_path) is None


def test_the_same_state_gives_the_same_bytes() -> None:
    """Two captures are equal to the order of their keys, whatever the hash seed."""
    script = (
        "import json; from gittrack.recording.capture.environment import capture_environment;"
        "print(json.dumps(capture_environment(env={'TZ': 'UTC', 'RANK': '0'})))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_text_is_made_writable() -> None:
    """Undecodable bytes, control characters and endless values cannot make a capture invalid."""
    captured = capture_environment(env={"TZ": "a\udc80\n\x1b[1m", "LC_ALL": "x" * 9999})
    assert captured["variables"]["TZ"] == "a\\udc80 [1m"
    assert len(captured["variables"]["LC_ALL"]) == 4096


# --- cost ----------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sysctl is asked on macOS")
def test_no_process_and_no_heavy_import() -> None:
    """On Linux nothing is started, and neither numpy nor threadpoolctl is imported for the capture."""
    script = (
        "import subprocess, os, sys; from gittrack.recording.capture.environment import capture_environment;"
        "before = set(sys.modules); subprocess.Popen.__init__ = None; os.posix_spawn = os.fork = None;"
        "capture_environment(); added = set(sys.modules) - before;"
        "heavy = {'numpy', 'threadpoolctl', 'importlib.metadata', 'jsonschema', 'torch', 'yaml'};"
        "assert not heavy & added, heavy & added"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_it_is_quick() -> None:
    """A capture takes milliseconds; the bound is wide, for machines that are busy."""
    capture_environment(env={})
    best = min(_seconds() for _ in range(20))
    assert best < 0.1


def _seconds() -> float:
    start = time.perf_counter()
    capture_environment(env={})
    return time.perf_counter() - start


# --- summary, system, container ------------------------------------------------------------


def test_summary() -> None:
    """run.yaml takes the first facts of environment.yaml."""
    captured = capture_environment(env={}, image=DIGEST)
    captured["gpus"] = [{"name": "A"}, {"name": "B"}]
    summary = summarise(captured, "0" * 64)
    assert summary.sha256 == "0" * 64
    assert summary.python == ".".join(map(str, sys.version_info[:3]))
    assert summary.os == captured["os"]["name"]
    assert summary.cpu == captured["cpu"].get("model")
    assert summary.gpus == ("A", "B")
    assert summary.image == DIGEST
    pypy = captured | {"python": {"version": "3.11.1", "implementation": "PyPy"}}
    assert summarise(pypy, "0" * 64).python == "PyPy 3.11.1"


def test_operating_system(tmp_path: Path) -> None:
    """The distribution's name and version come from os-release, quoted or not."""
    (tmp_path / "etc").mkdir()
    release = tmp_path / "etc/os-release"
    release.write_text(
        'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n'
    )
    assert environment._operating_system(tmp_path)["name"] == "Debian GNU/Linux 12"
    release.write_text("NAME=Arch\n")
    assert environment._operating_system(tmp_path)["name"] == "Arch"
    release.unlink()
    assert environment._operating_system(tmp_path)["name"] == "Linux"


@pytest.mark.parametrize(
    ("trace", "content", "kind"),
    [
        ("etc/hosts", "", "none"),
        (".dockerenv", "", "docker"),
        ("proc/1/cgroup", "12:pids:/docker/0a1b\n", "docker"),
        ("run/.containerenv", 'engine="podman-4"\n', "podman"),
        ("proc/1/cgroup", "0::/machine.slice/libpod-0a1b.scope\n", "podman"),
        ("proc/1/cgroup", "11:cpu:/kubepods/besteffort/pod1/0a1b\n", "kubernetes"),
        ("var/run/secrets/kubernetes.io/serviceaccount/namespace", "default", "kubernetes"),
        ("run/systemd/container", "lxc\n", "lxc"),
        ("proc/1/cgroup", "4:memory:/lxc/web\n", "lxc"),
        (".singularity.d/runscript", "", "apptainer"),
        ("proc/1/cgroup", "0::/init.scope\n", "none"),
    ],
)
def test_container(tmp_path: Path, trace: str, content: str, kind: str) -> None:
    """Each kind of container is known by a trace that it leaves."""
    (tmp_path / trace).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / trace).write_text(content)
    assert environment._container(tmp_path) == kind


@rows("stated", [DIGEST, f"python@{DIGEST}", f"localhost:5000/team/a_b:1.2@{DIGEST}"])
def test_image(stated: str) -> None:
    """A digest, with or without a name, is recorded; the argument goes before GITTRACK_IMAGE."""
    assert capture_environment(env={"GITTRACK_IMAGE": stated})["image"] == stated
    assert capture_environment(env={"GITTRACK_IMAGE": "sha256:bad"}, image=stated)["image"] == stated


@rows(
    "stated", ["python:3.11", "sha256:abc", DIGEST.upper(), f"{DIGEST}\n", f"u:p@h@{DIGEST}", f"a b@{DIGEST}"]
)
def test_a_bad_image(stated: str) -> None:
    """A tag is no digest: the caller is told."""
    with pytest.raises(UsageError, match="give \\[name@\\]sha256"):
        capture_environment(env={"GITTRACK_IMAGE": stated})


def test_podman_says_its_image(tmp_path: Path) -> None:
    """Podman writes the image's id into the container."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.containerenv").write_text(f'engine="podman"\nimageid="{"0b" * 32}"\nrootless=1\n')
    assert environment._image(None, tmp_path) == "sha256:" + "0b" * 32
    (tmp_path / "run/.containerenv").write_text('imageid="zz"\n')
    assert environment._image(None, tmp_path) is None


# --- distributions -------------------------------------------------------------------------


def test_distributions_agree_with_importlib() -> None:
    """The quick scan finds what importlib.metadata finds, version by version."""
    expected: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        if distribution.metadata["Name"]:
            expected.setdefault(environment.normalise(distribution.metadata["Name"]), distribution.version)
    found = installed_distributions()
    assert found == expected
    assert list(found) == sorted(found)


def add(site: Path, folder: str, name: str = "", version: str = "", **files: str) -> None:
    (site / folder).mkdir(parents=True)
    if name:
        (site / folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: no\n"
        )
    for file, text in files.items():
        (site / folder / f"{file}.json").write_text(text)


def test_odd_folder_names(tmp_path: Path) -> None:
    """A name that cannot be read is replaced by the metadata, the first folder on the path wins."""
    first, second = tmp_path / "a/site-packages", tmp_path / "b/site-packages"
    add(first, "Typing_Extensions-4.1.dist-info")
    add(first, "ruamel.yaml-0.18.6.dist-info")
    add(first, "local-1.0+cu121.dist-info")
    add(first, "old-2.0-py3.11.egg-info")
    add(first, "bare.egg-info", "Bare", "0.5")
    add(first, "dashes-1.0-rc1.dist-info", "dashes", "1.0rc1")
    add(first, "~umpy-1.0.dist-info", "numpy", "1.0")
    add(first, "empty.dist-info")
    (first / "flat.egg-info").write_text("Name: flat\nVersion: 3\n")
    add(second, "typing.extensions-9.9.dist-info")
    add(second, "more-1!2.0.dist-info")
    assert packages_of(first) == {
        "bare": "0.5",
        "dashes": "1.0rc1",
        "flat": "3",
        "local": "1.0+cu121",
        "old": "2.0",
        "ruamel-yaml": "0.18.6",
        "typing-extensions": "4.1",
    }
    both = environment.versions_of(environment.distributions_on([str(first), "/nowhere", str(second)]))
    assert both == packages_of(first) | {"more": "1!2.0"}


@pytest.mark.parametrize("folder", ["lib/python3.12/site-packages", "Lib/site-packages"])
def test_packages_of_a_virtual_environment(tmp_path: Path, folder: str) -> None:
    """Another environment's packages are found from its folder."""
    add(tmp_path / folder, "a-1.0.dist-info")
    assert packages_of(tmp_path) == {"a": "1.0"}


def test_packages_of_nothing(tmp_path: Path) -> None:
    """A folder that is no environment is named."""
    with pytest.raises(NotFoundError, match=re.escape(str(tmp_path))):
        packages_of(tmp_path)


@pytest.mark.parametrize(
    ("stated", "origin"),
    [
        ({"url": "file:///home/me/a", "dir_info": {"editable": True}}, "editable"),
        ({"url": "file:///home/me/a", "dir_info": {}}, "local"),
        ({"url": "/home/me/a"}, "local"),
        (
            {"url": "file:///home/me/a.whl", "archive_info": {"hashes": {"sha256": "0a"}}},
            "local#sha256=0a",
        ),
        (
            {"url": "https://me:pw@host/a.git", "vcs_info": {"vcs": "git", "commit_id": "0a1b"}},
            "git+https://host/a.git@0a1b",
        ),
        ({"url": "file:///home/me/a", "vcs_info": {"vcs": "git", "commit_id": "0a1b"}}, "git+local@0a1b"),
        ({"url": "https://host/a.whl?token=abc", "archive_info": {}}, "https://host/a.whl"),
        ({}, "unreadable"),
        ([], "unreadable"),
        ({"url": "https://host/a", "archive_info": []}, "https://host/a"),
        ({"url": "https://host/a", "vcs_info": 5}, "unreadable"),
        ({"url": "https://host/a", "dir_info": None}, "unreadable"),
    ],
)
def test_origins(tmp_path: Path, stated: Any, origin: str) -> None:
    """An installation from elsewhere than an index says where, without folders and credentials."""
    add(tmp_path, "a-1.0.dist-info", direct_url=json.dumps(stated))
    add(tmp_path, "b-1.0.dist-info")
    assert environment.origins_of(environment.distributions_on([str(tmp_path)])) == {"a": origin}


def test_a_hostile_origin(tmp_path: Path) -> None:
    """Text that is no JSON, or is nested without end, is unreadable and nothing worse."""
    add(tmp_path, "a-1.0.dist-info", direct_url="[" * 50_000)
    add(tmp_path, "b-1.0.dist-info", direct_url="not json")
    found = environment.origins_of(environment.distributions_on([str(tmp_path)]))
    assert found == {"a": "unreadable", "b": "unreadable"}
