"""Sounds as bytes: files as they are, samples as WAV of 16 bits."""

from __future__ import annotations

import io
import operator
from pathlib import Path
from typing import Any

from gittrack.errors import UsageError
from gittrack.recording.media.contents import given_bytes, to_array
from gittrack.recording.media.shelf import Content

_MOST_CHANNELS = 8
_NEAR = 1e-3
_FORMATS = {
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"ID3": "mp3",
    b"\xff\xfb": "mp3",
    b"\xff\xf3": "mp3",
    b"\xff\xf2": "mp3",
}


def sound_of(audio: Any, sample_rate: int | None = None, caption: str | None = None) -> Content:
    """The bytes of a sound: a path, bytes, or samples at `sample_rate` in hertz.

    Samples are (N,), or (N, C) of up to 8 channels, of a tensor with `detach` (torch) also (C, N): floats of
    -1 to 1, int16, or uint8 around 128. UsageError for others.
    """
    if isinstance(audio, (str, Path, bytes, bytearray, memoryview)):
        data = given_bytes(audio)
        return Content(data, _format_of(data), caption)
    return Content(_wav(_samples(audio), sample_rate), "wav", caption)


def _samples(audio: Any) -> Any:
    """(N, C) of int16, low byte first."""
    import numpy as np

    array = to_array(audio, "a sound")
    shape = array.shape
    if array.ndim == 1:
        array = array[:, None]
    elif array.ndim == 2 and hasattr(audio, "detach") and shape[0] <= _MOST_CHANNELS:
        array = array.T
    if array.ndim != 2 or not 1 <= array.shape[1] <= _MOST_CHANNELS:
        raise UsageError(f"samples are (N,) or (N, C) of up to {_MOST_CHANNELS} channels, not {shape}")
    if not len(array):
        raise UsageError("there is no sample")
    if array.dtype.kind == "f":
        low, high = array.min(), array.max()
        if not -1 - _NEAR <= low <= high <= 1 + _NEAR:  # NaN is not, either
            raise UsageError(f"samples that are floats are -1 to 1, not {low:.6g} to {high:.6g}: scale them")
        wide = array.astype(np.promote_types(array.dtype, np.float32))  # 16 bits do not hold 32767
        array = np.rint(np.clip(wide, -1, 1) * 32767)
    elif array.dtype == np.uint8:
        array = (array.astype(np.int16) - 128) * 256
    elif array.dtype != np.int16:
        raise UsageError(f"samples are floats of -1 to 1, int16 or uint8, not {array.dtype}")
    return array.astype("<i2")


def _wav(samples: Any, rate: int | None) -> bytes:
    import wave

    try:
        hertz = operator.index(rate)  # type: ignore[arg-type]
    except TypeError:
        hertz = 0
    if not 1 <= hertz < 2**31 // samples.shape[1]:  # WAV has the bytes of a second in 32 bits
        raise UsageError(f"samples need their sample_rate in hertz, such as 16000, not {rate!r}")
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(hertz)
        file.writeframes(samples.tobytes())
    return stream.getvalue()


def _format_of(data: bytes) -> str:
    """The end of its name, by the first bytes; a name may say anything."""
    for start, known in _FORMATS.items():
        if data.startswith(start):
            return known
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[4:8] == b"ftyp":
        return "m4a"
    raise UsageError("it is no sound by its first bytes (WAV, FLAC, Ogg, MP3, M4A): see log_artifact()")
