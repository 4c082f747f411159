"""What a command line of Python runs."""

from __future__ import annotations

import pytest

from gittrack.recording.interpreters.startup.sitecustomize import started_with


@pytest.mark.parametrize(
    ("arguments", "options", "ran"),
    [
        ("train.py --lr 1", [], "train.py"),
        ("-m pkg.train -c x", [], "-m pkg.train"),
        ("-mcoverage run", [], "-m coverage"),
        ("-Im train", ["-I"], "-m train"),
        ("-c import\tx -m", [], "-c"),
        ("-uc print", ["-u"], "-c"),
        ("-I -W ignore -X dev train.py", ["-I", "-W", "-X"], "train.py"),
        ("-Wignore::DeprecationWarning train.py", ["-Wignore::DeprecationWarning"], "train.py"),
        ("--check-hash-based-pycs never train.py", ["--check-hash-based-pycs"], "train.py"),
        ("-", [], ""),
        ("-i", ["-i"], ""),
    ],
)
def test_what_a_command_line_runs(arguments: str, options: list[str], ran: str) -> None:
    """Options apart, among them those that take a value or are written together."""
    assert started_with(["python", *arguments.split(" ")]) == (options, ran)
