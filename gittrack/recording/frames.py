"""Frames of Python that have ended: whether each returned, or at which instruction an error left it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any


def outermost(frame: FrameType | None) -> FrameType | None:
    """The frame that a thread began with, those of the threading module apart."""
    for caller in callers(frame):
        if caller.f_back is None or caller.f_back.f_code.co_name == "_bootstrap_inner":
            return caller
    return None


def callers(frame: FrameType | None) -> Iterator[FrameType]:
    """`frame` and those that called it, the outermost last."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def frames_of(trace: TracebackType | None) -> Iterator[FrameType]:
    """The frames that an error has gone through, the outermost first."""
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def innermost() -> Mapping[int, FrameType]:
    """By thread, the frame that it executes.

    Nothing is collected meanwhile: a finalizer or a callback in Python may let another thread go on, which
    then waits for ever for what `sys._current_frames` holds (python/cpython#106883).
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        if collects:
            gc.enable()


def runs(frame: FrameType) -> bool:
    """Whether `frame` is being executed, in whatever thread."""
    return any(frame is caller for top in innermost().values() for caller in callers(top))


def has_returned(frame: FrameType) -> bool:
    """Whether the last instruction of `frame` was a return."""
    return _instruction(frame)[0].startswith("RETURN_")


def was_left_at(frame: FrameType, at: int) -> bool:
    """Whether the error of the instruction `at` left `frame`, perhaps by way of ``finally`` or `raise`."""
    if frame.f_lasti == at:
        return True
    name, argument = _instruction(frame)
    if name != "RERAISE" and (name, argument) != ("RAISE_VARARGS", 0):
        return False
    from dis import _parse_exception_table  # type: ignore[attr-defined]

    table = _parse_exception_table(frame.f_code)
    handlers = sorted({entry.target for entry in table})
    last = max((handler for handler in handlers if handler <= frame.f_lasti), default=None)
    return last in _reached(at, table, [*handlers, len(frame.f_code.co_code)])


def goes_on(error: BaseException) -> bool:
    """Whether `error` is raised again by what handles it now: ``finally``, ``with``, a bare ``raise``."""
    if error.__traceback__ is None:
        return False
    from dis import get_instructions

    frame = error.__traceback__.tb_frame
    for instruction in get_instructions(frame.f_code):
        if instruction.offset > frame.f_lasti:
            name = instruction.opname
            if name == "POP_EXCEPT":
                return False
            if (name, instruction.arg) == ("RAISE_VARARGS", 0) or name == "RERAISE":
                return True
    return False


def _reached(at: int, table: list[Any], bounds: list[int]) -> set[int]:
    """The handlers that an error of the instruction `at` comes to, one after the other."""
    reached: set[int] = set()
    offsets = [at]
    while offsets:
        offset = offsets.pop()
        for handler in {entry.target for entry in table if entry.start <= offset < entry.end} - reached:
            reached.add(handler)
            offsets += range(handler, bounds[bounds.index(handler) + 1], 2)
    return reached


def _instruction(frame: FrameType) -> tuple[str, int]:
    """Name and argument of the last instruction that `frame` has executed."""
    from opcode import opname

    code, at = frame.f_code.co_code, frame.f_lasti
    return (opname[code[at]], code[at + 1]) if at >= 0 else ("", 0)
