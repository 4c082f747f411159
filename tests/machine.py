"""What the tests let in of the machine they run on: where programs and temporary files lie, no more."""

from __future__ import annotations

import locale
import os
import signal
import time
from pathlib import Path

ALLOWED = frozenset({"PATH", "LD_LIBRARY_PATH", "NODE_PATH", "TMPDIR"})
"""Everything else is deleted: a list of what disturbs would never be complete."""

CONSTANT = {
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PROGRESS_DELAY": "100000",  # on a slow machine as well
    "DVC_NO_ANALYTICS": "1",
}
GITCONFIG = "[user]\n\tname = Ada Lovelace\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n"

EXAMPLES = int(os.environ.get("PYTEST_EXAMPLES", "1"))
"""So many times as many examples are drawn, and others each time, by ``make torture``."""


def is_allowed(name: str) -> bool:
    """Whether the variable `name` reaches the tests; pytest and its workers talk by their own."""
    return name in ALLOWED or name.startswith("PYTEST_")


def variables(home: Path) -> dict[str, str]:
    """Every variable of a test that has `home` for its own, which gets git's settings."""
    (home / "gitconfig").write_text(GITCONFIG)
    return CONSTANT | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "DVC_SITE_CACHE_DIR": str(home / "dvc-site-cache"),
    }


def shut_out() -> None:
    """Forget the machine, before a library reads its variables as it is imported."""
    for name in [name for name in os.environ if not is_allowed(name)]:
        del os.environ[name]
    for name in ("COLUMNS", "LINES"):  # readline, which pytest loads, sets them behind os.environ's back
        os.unsetenv(name)
    os.environ.update(CONSTANT)
    time.tzset()
    locale.setlocale(locale.LC_ALL, "")
    os.umask(0o022)
    default_signals()


def default_signals() -> None:
    """Signals as a terminal's shell gives them, also under nohup or as a script's background job.

    What ignores a signal leaves it ignored to the programs that it starts. SIGHUP gets a handler that does
    nothing: programs start with the default, and tests under nohup live on after the terminal.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) == signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
            deaf = number == signal.SIGHUP
            signal.signal(number, (lambda *_: None) if deaf else signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
