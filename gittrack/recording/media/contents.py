"""What is given to be logged, as bytes or as an array."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from gittrack.errors import UsageError
from gittrack.recording.media.shelf import CALL


def given_bytes(given: str | Path | bytes | bytearray | memoryview) -> bytes:
    """Bytes as they are, or those of the regular file at a path."""
    if isinstance(given, (bytes, bytearray, memoryview)):
        data = bytes(given)
    else:
        try:
            status = os.stat(given)  # noqa: PTH116  (a str may hold what no path does)
            if not stat.S_ISREG(status.st_mode):
                raise UsageError(f"{str(given)[:200]!r} is no file")
            if status.st_size > CALL.size:
                raise UsageError(
                    f"{str(given)[:200]!r} has {status.st_size:,} bytes: log_artifact() keeps large files"
                )
            data = Path(given).read_bytes()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise UsageError(f"{str(given)[:200]!r} cannot be read: {why}") from error
    if not data:
        raise UsageError("it is empty")
    return data


def to_array(value: Any, what: str) -> Any:
    """As an array of NumPy, also from torch, TensorFlow or JAX on a device. UsageError where it is none."""
    import numpy as np

    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu()
            value = (
                value.float() if str(value.dtype).endswith("bfloat16") else value
            )  # NumPy has no such type
        if np.ma.is_masked(value):
            raise ValueError("a part of it is masked")
        array = np.asarray(value.numpy() if callable(getattr(value, "numpy", None)) else value)
        if array.dtype.name == "bfloat16":
            array = array.astype(np.float32)
    except Exception as error:  # whatever a library raises that is not ours
        raise UsageError(f"{what} cannot be made of {type(value).__name__}: {error}") from error
    if array.dtype.kind not in "biuf":
        raise UsageError(f"{what} is made of numbers, not of {type(value).__name__}")
    return array
