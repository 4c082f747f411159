"""Sounds: what is given, as the bytes that are kept."""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np
import pytest

from gittrack.errors import UsageError
from gittrack.recording.media.sounds import sound_of
from tests.recording.media.tensors import Tensor


def samples(sound: Any, rate: int = 8000) -> tuple[list[int], int]:
    """As the standard library reads them, and in how many channels."""
    with wave.open(io.BytesIO(sound_of(sound, rate).data)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (rate, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").tolist(), file.getnchannels()


def test_samples_are_wav_of_16_bits() -> None:
    """Floats of -1 to 1, int16 as it is, uint8 around 128; several channels beside each other."""
    assert samples(np.array([-1, 0.0, 1])) == ([-32767, 0, 32767], 1)
    assert samples(np.array([-1, 0.5, 1], np.float16)) == ([-32767, 16384, 32767], 1)
    assert samples(np.array([-32768, 5], np.int16)) == ([-32768, 5], 1)
    assert samples(np.array([0, 128, 255], np.uint8)) == ([-32768, 0, 32512], 1)
    assert samples(np.array([[1, 2], [3, 4]], np.int16)) == ([1, 2, 3, 4], 2)
    assert samples(Tensor(np.array([[1, 3, 5], [2, 4, 6]], np.int16))) == ([1, 2, 3, 4, 5, 6], 2)
    assert sound_of(b"fLaC...").suffix == "flac"


@pytest.mark.parametrize(
    ("sound", "rate", "says"),
    [
        ([], 8000, "there is no sample"),
        ([0.0], None, "need their sample_rate"),
        ([0.0], 8000.5, "need their sample_rate"),
        ([0.0], 2**31, "need their sample_rate"),
        ([[0.0, 0.0]], 2**30, "need their sample_rate"),
        ([float("nan")], 8000, "not nan to nan"),
        ([2.0], 8000, "-1 to 1, not 2 to 2"),
        ([1, 2], 8000, "not int64"),
        (np.zeros((3, 9)), 8000, "up to 8 channels"),
        (b"hello", None, "no sound by its first bytes"),
    ],
    ids=str,
)
def test_what_is_no_sound_is_named(sound: Any, rate: Any, says: str) -> None:
    """In one line."""
    with pytest.raises(UsageError, match=says):
        sound_of(sound, rate)
