"""Whether this process is a worker that multiprocessing, or joblib on top of it, has started for another."""

from __future__ import annotations

import sys

from gittrack.recording.frames import callers

_STARTERS = tuple(
    f"multiprocessing.{name}" for name in ("process", "spawn", "forkserver", "queues", "connection")
)
"""What imports in a worker without being asked: to take over from the parent, and to read what it sends."""
_LOKY = ("joblib.externals.loky.", "loky.")
_BETWEEN = (
    "importlib",
    "_frozen_importlib",
    "runpy",
    "pickle",
    "cloudpickle",
    "joblib.externals.cloudpickle",
)


def is_worker() -> bool:
    """Whether this is such a worker, and does what it was sent."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def imports_again() -> bool:
    """Whether a worker is only importing what its parent has run, and the caller stands in that code.

    Under spawn and forkserver the top of a script is run again in every worker, as ``__mp_main__``. What a
    function that was sent there imports or runs by itself is not meant.
    """
    importing = False
    for frame in callers(sys._getframe(1)):
        module = str(frame.f_globals.get("__name__"))
        if frame.f_code.co_name == "<module>" and module != "__main__":
            importing = True
        elif module.startswith(_LOKY) or module in _STARTERS:
            return importing
        elif not module.startswith(_BETWEEN):
            importing = False
    return False
