"""Frames of Python: how they are asked for."""

from __future__ import annotations

import gc
import sys
import threading

import pytest

from gittrack.recording.frames import innermost


def test_nothing_is_collected_while_frames_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a collection calls could wait for a thread that waits for the list."""
    look = sys._current_frames
    seen = []

    def current() -> dict[int, object]:
        seen.append(gc.isenabled())
        return dict(look())

    monkeypatch.setattr(sys, "_current_frames", current)
    assert gc.isenabled()
    assert threading.get_ident() in innermost()
    assert seen == [False] and gc.isenabled()
