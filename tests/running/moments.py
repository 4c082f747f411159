"""Something done at a moment of a run, from beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def when(condition: Callable[[], object], then: Callable[[], object]) -> threading.Thread:
    """Do something, in a thread, once a condition holds."""

    def watch() -> None:
        until = time.monotonic() + 200
        while not condition() and time.monotonic() < until:
            time.sleep(0.05)
        then()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread
