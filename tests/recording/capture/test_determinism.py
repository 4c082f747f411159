"""Flags are read from what is loaded, and nothing is loaded for it."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gittrack.recording.capture.determinism import VARIABLES, capture_determinism

LIBRARIES = ("torch", "tensorflow", "tensorflow.python.framework.config", "jax")


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIBRARIES:
        monkeypatch.delitem(sys.modules, name, raising=False)


def load(monkeypatch: pytest.MonkeyPatch, name: str, **attributes: Any) -> None:
    module = ModuleType(name)
    module.__dict__.update(attributes)
    monkeypatch.setitem(sys.modules, name, module)


def broken(*_: Any) -> None:
    raise RuntimeError("mix of the legacy and new APIs")


def test_flags_of_the_environment() -> None:
    """Of the environment only the variables that change numbers are flags."""
    env = dict.fromkeys(VARIABLES, "1") | {"HOME": "/home/me", "API_KEY": "planted-secret"}
    assert capture_determinism(env) == {f"env.{name}": "1" for name in sorted(VARIABLES)}


def test_flag_values_are_scrubbed() -> None:
    """A secret that ends up in a flag's value is replaced."""
    flags = capture_determinism({"XLA_FLAGS": "--x=planted-secret", "API_KEY": "planted-secret"})
    assert flags == {"env.XLA_FLAGS": "--x=***"}


def test_nothing_is_imported() -> None:
    """A process without these libraries stays without them, and without numpy."""
    script = (
        "import sys; from gittrack.recording.capture.determinism import capture_determinism as c;"
        "before = set(sys.modules);"
        "assert c({}) == {}, c({}); assert set(sys.modules) == before;"
        "assert not {'torch', 'tensorflow', 'jax', 'numpy'} & before"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switches of a loaded torch are read; a dtype is text."""
    backends = SimpleNamespace(
        cudnn=SimpleNamespace(enabled=True, deterministic=True, benchmark=False, allow_tf32=True),
        cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=False)),
    )
    load(
        monkeypatch,
        "torch",
        are_deterministic_algorithms_enabled=lambda: True,
        is_deterministic_algorithms_warn_only_enabled=lambda: False,
        backends=backends,
        get_float32_matmul_precision=lambda: "high",
        get_default_dtype=lambda: SimpleNamespace,
        is_autocast_enabled=lambda device: device == "cuda",
        get_autocast_dtype=lambda device: "torch.bfloat16",
        get_num_threads=lambda: 4,
    )
    assert capture_determinism({}) == {
        "torch.autocast.cpu": False,
        "torch.autocast.cuda": "torch.bfloat16",
        "torch.cuda.matmul.allow_tf32": False,
        "torch.cudnn.allow_tf32": True,
        "torch.cudnn.benchmark": False,
        "torch.cudnn.deterministic": True,
        "torch.cudnn.enabled": True,
        "torch.default_dtype": "<class 'types.SimpleNamespace'>",
        "torch.deterministic_algorithms": True,
        "torch.deterministic_warn_only": False,
        "torch.float32_matmul_precision": "high",
        "torch.num_threads": 4,
    }


def test_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow's op determinism is asked of the private module that alone knows it."""
    threading = SimpleNamespace(
        get_inter_op_parallelism_threads=lambda: 0, get_intra_op_parallelism_threads=lambda: 2
    )
    experimental = SimpleNamespace(tensor_float_32_execution_enabled=lambda: True)
    config = SimpleNamespace(experimental=experimental, threading=threading)
    load(monkeypatch, "tensorflow", config=config)
    load(monkeypatch, "tensorflow.python.framework.config", is_op_determinism_enabled=lambda: True)
    assert capture_determinism({}) == {
        "tensorflow.inter_op_threads": 0,
        "tensorflow.intra_op_threads": 2,
        "tensorflow.op_determinism": True,
        "tensorflow.tf32": True,
    }


def test_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX's flags are read, an unset precision as null."""
    load(monkeypatch, "jax", config=SimpleNamespace(jax_enable_x64=True, jax_default_matmul_precision=None))
    assert capture_determinism({}) == {"jax.default_matmul_precision": None, "jax.enable_x64": True}


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_half_broken_library_breaks_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A library without its attributes, and one that is barred from import, have no flags."""
    load(monkeypatch, name)
    assert capture_determinism({}) == {}
    monkeypatch.setitem(sys.modules, name, None)
    assert capture_determinism({}) == {}


def test_one_raising_flag_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A switch that raises RuntimeError is left out alone."""
    load(monkeypatch, "torch", get_float32_matmul_precision=broken, get_num_threads=lambda: 1)
    assert capture_determinism({}) == {"torch.num_threads": 1}


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that no missing switch explains is raised."""
    load(monkeypatch, "torch", get_num_threads=lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        capture_determinism({})


def test_non_finite_numbers_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are such as a record can hold."""
    load(monkeypatch, "torch", get_num_threads=lambda: float("inf"), get_num_interop_threads=lambda: 0.5)
    assert capture_determinism({}) == {"torch.num_interop_threads": 0.5, "torch.num_threads": "inf"}


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_a_real_torch() -> None:
    """The torch that is installed, if any, answers the questions as they are put."""
    script = (
        "import torch; torch.use_deterministic_algorithms(True, warn_only=True);"
        "from gittrack.recording.capture.determinism import capture_determinism;"
        "flags = capture_determinism({});"
        "assert flags['torch.deterministic_algorithms'] is True, flags;"
        "assert flags['torch.deterministic_warn_only'] is True, flags;"
        "assert flags['torch.default_dtype'] == 'torch.float32', flags"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)
