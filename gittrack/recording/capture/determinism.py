"""Which switches for repeatable numbers are in force in this process.

Only libraries that the program has already imported are asked; none is imported for it. What
these switches can promise is limited (PyTorch: "not guaranteed across PyTorch releases,
individual commits, or different platforms", notes/randomness), so they are recorded as facts.

LightGBM's ``deterministic`` (and ``force_row_wise``, ``num_threads``) belong to each booster and
can't be read from the library: whoever has the run's parameters takes them from there.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from gittrack.formats.record import Value, clean_text
from gittrack.formats.scrub import scrub_text

VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "MKL_CBWR",
    "MKL_DYNAMIC",
    "MKL_NUM_THREADS",
    "NCCL_ALGO",
    "NCCL_PROTO",
    "NPY_DISABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_DYNAMIC",
    "OMP_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "XLA_FLAGS",
)
"""Environment variables that change numbers; each that is set is a flag ``env.<NAME>``."""

LONGEST_VALUE = 4096

Probe = Callable[[Any], Any]

# Flag -> how to ask the module for it. An older, newer or partly built library lacks some.
_TORCH: dict[str, Probe] = {
    "torch.deterministic_algorithms": lambda torch: torch.are_deterministic_algorithms_enabled(),
    "torch.deterministic_warn_only": lambda torch: torch.is_deterministic_algorithms_warn_only_enabled(),
    "torch.fill_uninitialized_memory": lambda torch: torch.utils.deterministic.fill_uninitialized_memory,
    "torch.cudnn.enabled": lambda torch: torch.backends.cudnn.enabled,
    "torch.cudnn.deterministic": lambda torch: torch.backends.cudnn.deterministic,
    "torch.cudnn.benchmark": lambda torch: torch.backends.cudnn.benchmark,
    # PyTorch 2.9 renamed these, and raises RuntimeError for the old name once the new one was set.
    "torch.cudnn.allow_tf32": lambda torch: torch.backends.cudnn.allow_tf32,
    "torch.cudnn.conv.fp32_precision": lambda torch: torch.backends.cudnn.conv.fp32_precision,
    "torch.cuda.matmul.allow_tf32": lambda torch: torch.backends.cuda.matmul.allow_tf32,
    "torch.cuda.matmul.fp32_precision": lambda torch: torch.backends.cuda.matmul.fp32_precision,
    "torch.float32_matmul_precision": lambda torch: torch.get_float32_matmul_precision(),
    "torch.default_dtype": lambda torch: torch.get_default_dtype(),
    "torch.autocast.cpu": lambda torch: _autocast(torch, "cpu"),
    "torch.autocast.cuda": lambda torch: _autocast(torch, "cuda"),
    "torch.num_threads": lambda torch: torch.get_num_threads(),
    "torch.num_interop_threads": lambda torch: torch.get_num_interop_threads(),
}
_TENSORFLOW: dict[str, Probe] = {
    "tensorflow.tf32": lambda tf: tf.config.experimental.tensor_float_32_execution_enabled(),
    "tensorflow.inter_op_threads": lambda tf: tf.config.threading.get_inter_op_parallelism_threads(),
    "tensorflow.intra_op_threads": lambda tf: tf.config.threading.get_intra_op_parallelism_threads(),
}
_TENSORFLOW_CONFIG: dict[str, Probe] = {
    # There is enable_op_determinism in the public API, but no way to ask.
    "tensorflow.op_determinism": lambda config: config.is_op_determinism_enabled(),
}
_JAX: dict[str, Probe] = {
    "jax.enable_x64": lambda jax: jax.config.jax_enable_x64,
    "jax.default_matmul_precision": lambda jax: jax.config.jax_default_matmul_precision,
    "jax.default_prng_impl": lambda jax: jax.config.jax_default_prng_impl,
    "jax.threefry_partitionable": lambda jax: jax.config.jax_threefry_partitionable,
}
_LIBRARIES = {
    "torch": _TORCH,
    "tensorflow": _TENSORFLOW,
    "tensorflow.python.framework.config": _TENSORFLOW_CONFIG,
    "jax": _JAX,
}


def capture_determinism(env: Mapping[str, str] | None = None) -> dict[str, Value]:
    """The flags in force, by dotted name and sorted; `env` stands in for ``os.environ``."""
    flags = variable_flags(os.environ if env is None else env)
    for library, probes in _LIBRARIES.items():
        module = sys.modules.get(library)
        if module is not None:
            flags.update(_ask(module, probes))
    return dict(sorted(flags.items()))


def variable_flags(env: Mapping[str, str]) -> dict[str, Value]:
    """The flags that are environment variables."""
    return {
        f"env.{name}": clean_text(scrub_text(env[name], env))[:LONGEST_VALUE]
        for name in VARIABLES
        if name in env
    }


def _ask(module: Any, probes: Mapping[str, Probe]) -> dict[str, Value]:
    flags: dict[str, Value] = {}
    for name, probe in probes.items():
        try:
            flags[name] = _plain(probe(module))
        except (AttributeError, ImportError, RuntimeError):
            continue  # This version or build does not have the switch.
    return flags


def _autocast(torch: Any, device: str) -> Any:
    """The dtype that autocast computes in, False while it is off. PyTorch 2.4+."""
    if not hasattr(torch, "get_autocast_dtype"):
        raise AttributeError("torch.get_autocast_dtype")
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else False


def _plain(value: Any) -> Value:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return clean_text(str(value))[:LONGEST_VALUE]
