"""The parameters on a command line: ``--lr 0.5``, ``--lr=0.5``, ``lr=0.5``, ``+a.b=1``, ``--amp``.

What a program makes of its arguments only the program knows. These are the words as they stand:

    --lr 0.5, --lr=0.5, -l 0.5    the option, with the word behind it that is no option itself
    --layers 64 32                numbers behind a number belong to it
    --lr 0.1 --lr 0.2             both, as a list
    --amp                         true, where no value follows; --no-amp is ``no_amp: true``
    lr=0.5 +a.b=1                 as Hydra has it
    data.csv                      a word without a name: one of ``arguments``

Dashes in the name of an option become underscores and its dots nest, as in Python's own parsers.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.scrub import MASK, scrub_arguments
from gittrack.formats.values import to_value
from gittrack.recording.settings import parse_scalar

POSITIONAL = "arguments"
"""Name of the list of words without a name."""

# --- which words are the program's -------------------------------------------------------------

_PYTHON = re.compile(r"(?:python|pypy|ipython)[0-9.]*")
_SHELL = re.compile(r"(?:ba|da|z|k|fi)?sh")
_INTERPRETER = re.compile(r"Rscript|julia|node|ruby|perl|lua|php|bun|deno|octave|java")
_PYTHON_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})
_LAUNCH_MODULES = re.compile(
    r"torch\.distributed\.(?:run|launch)|accelerate\.commands\.launch|deepspeed\..*|dvc|c?[Pp]rofile|trace"
    r"|i?pdb|debugpy|coverage|memory_profiler|line_profiler|kernprof|scalene|memray|viztracer|pyinstrument"
    r"|ddtrace\..*"
)
_LAUNCHERS = frozenset(
    """
    accelerate apptainer bsub chronic chrt conda coverage ddtrace-run deepspeed doas docker dumb-init dvc env
    firejail flock gdb gosu hatch horovodrun ionice kernprof ltrace mamba memray micromamba mpiexec mpirun ncu
    nice nohup nsys numactl parallel pdm perf pipenv pixi podman poetry prlimit py-spy qsub ray rye sbatch
    scalene script setarch setsid singularity srun ssh stdbuf strace sudo systemd-run taskset time timeout
    tini torchrun ts unbuffer unshare uv uvx valgrind viztracer watch xargs xvfb-run
    """.split()  # noqa: SIM905
)
_SCRIPT = re.compile(r"[^-].*\.(?:py|pyc|sh|bash|R|r|jl|js|mjs|ts|rb|pl|lua|php|m|ipynb)")
_BUILTIN = frozenset(
    ". [ alias cd echo eval exit export false printf pwd read set shift source test true ulimit umask".split()  # noqa: SIM905
)
"""What a shell does itself."""
_NO_SIMPLE_COMMAND = re.compile(r"[|&;<>()$`\\*?\[\]#~!{}\n=]")


def program_arguments(command: Sequence[str]) -> list[str]:
    """The words of `command` that are arguments of the program which it comes to; none where that is unclear.

    Behind an interpreter that is its script or module, behind a launcher such as torchrun or srun what
    it launches. A program that nobody knows is a launcher where a Python or a shell with its script stands
    behind it. A shell's ``-c`` is looked into where it holds one simple command.
    """
    words = list(command)
    while words:
        name = words[0].rpartition("/")[2]
        if _PYTHON.fullmatch(name):
            start = _behind_python(words)
        elif is_shell_text(words):
            words = _simple(words)
            continue
        elif _SHELL.fullmatch(name) or _INTERPRETER.fullmatch(name):
            start = _behind_interpreter(words)
        elif name in _LAUNCHERS:
            start = None
        else:
            launched = next((at for at in range(1, len(words)) if _starts_script(words[at:])), None)
            if launched is None:
                return words[1:]
            words = words[launched:]
            continue
        if start is not None:
            return words[start:]
        inner = _launched_at(words)
        if inner is None:
            return []
        words = words[inner:] if not _SCRIPT.fullmatch(words[inner]) else ["", *words[inner + 1 :]]
    return []


def _launched_at(words: Sequence[str]) -> int | None:
    """Where the program stands that a launcher starts: no interpreter that is the value of an option."""
    at = [at for at, word in enumerate(words) if at and _starts_program(word)]
    if not at or _SCRIPT.fullmatch(words[at[0]]) or not _PYTHON.fullmatch(words[at[0]].rpartition("/")[2]):
        return next(iter(at), None)
    return next((place for place in at if _starts_script(words[place:])), at[0])


def _starts_program(word: str) -> bool:
    name = word.rpartition("/")[2]
    known = _PYTHON.fullmatch(name) or _SHELL.fullmatch(name) or _SCRIPT.fullmatch(word)
    return bool(known) or word.startswith(("./", "../"))


def _starts_script(words: Sequence[str]) -> bool:
    """Whether it is a Python or a shell with what these run: no mere word that has such a name."""
    name, following = words[0].rpartition("/")[2], "".join(words[1:2])
    if _PYTHON.fullmatch(name):
        return bool(_SCRIPT.fullmatch(following) or re.match(r"-[A-Za-z]*[mcuBEIOPSsWX]", following))
    return is_shell_text(words) or bool(_SHELL.fullmatch(name) and _SCRIPT.fullmatch(following))


def _behind_interpreter(words: Sequence[str]) -> int | None:
    """Where the arguments of its script begin, which may stand behind the value of an option."""
    at = next((at for at, word in enumerate(words) if at and not word.startswith("-")), None)
    if at is None:
        return None
    is_value = (
        at > 1 and not _SCRIPT.fullmatch(words[at]) and _SCRIPT.fullmatch("".join(words[at + 1 : at + 2]))
    )
    return at + 2 if is_value else at + 1


def _behind_python(words: Sequence[str]) -> int | None:
    """Where the arguments of Python's script, module or code begin; None where a launcher comes first."""
    at = 1
    while at < len(words):
        word = words[at]
        if re.fullmatch(r"-[A-Za-z]*m", word):
            return None if _LAUNCH_MODULES.fullmatch("".join(words[at + 1 : at + 2])) else at + 2
        if re.fullmatch(r"-[A-Za-z]*c", word):
            return at + 2
        if not word.startswith("-") or word == "-":
            return at + 1
        at += 2 if word in _PYTHON_VALUE else 1
    return at


def is_shell_text(command: Sequence[str]) -> bool:
    """Whether it is a shell with a text behind ``-c``: what follows that is no argument of a program."""
    return _text_at(command) is not None


def _text_at(command: Sequence[str]) -> int | None:
    """Where the text of a shell's ``-c`` stands; None where there is none."""
    if not command or not _SHELL.fullmatch(command[0].rpartition("/")[2]):
        return None
    at = 1
    while at < len(command) and command[at][:1] in ("-", "+"):
        if re.fullmatch(r"-[A-Za-z]*c[a-z]*", command[at]):
            return at + (2 if re.search("[oO]", command[at]) else 1)
        at += 2 if re.fullmatch(r"[-+][A-Za-z]*[oO]", command[at]) else 1
    return None


def _simple(words: Sequence[str]) -> list[str]:
    """The words of the command behind a shell's ``-c``; none where the shell would do more than start it."""
    at = _text_at(words) or 0
    text = "".join(words[at : at + 1])
    if _NO_SIMPLE_COMMAND.search(re.sub(r"\s-{1,2}[\w.-]+=[\w.,:/-]+(?=\s|$)", " ", text)):
        return []
    try:
        command = shlex.split(text)
    except ValueError:
        return []
    while command[:1] in (["exec"], ["command"], ["builtin"]):
        del command[0]
        while command and command[0].startswith("-"):
            del command[: 2 if command[0].endswith("a") else 1]
    return [] if command and command[0] in _BUILTIN else command


_ELSEWHERE = frozenset({"--temp", "--queue", "--run-all"})


def works_elsewhere(command: Sequence[str]) -> bool:
    """Whether it is DVC with experiments in folders of their own: what stands in this one is not theirs."""
    words = re.findall(r"[^\s;&|()'\"]+", " ".join(command))  # of a shell's text, too
    names = [word.rpartition("/")[2] for word in words]
    verbs = names[names.index("dvc") + 1 :] if "dvc" in names else []
    steps = list(pairwise(verbs))
    is_experiment = ("exp", "run") in steps or ("experiments", "run") in steps
    return ("queue", "start") in steps or (is_experiment and not _ELSEWHERE.isdisjoint(verbs))


def own_arguments() -> list[str]:
    """The arguments of this process, where it runs a program of the user's; none of a tool such as pytest."""
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if file is None or not sys.argv:
        return sys.argv[1:] if sys.argv[:1] == ["-c"] else []
    return [] if _is_tool(vars(main), Path(file)) else sys.argv[1:]


def _is_tool(main: Mapping[str, Any], file: Path) -> bool:
    """Whether what was started is installed: itself, or, for a script in ``bin``, what it imports."""
    if file.parent == Path(sys.executable).parent:
        imported = (sys.modules.get(getattr(item, "__module__", None) or "") for item in main.values())
        files = [getattr(module, "__file__", None) for module in imported if callable(module) or module]
        return any(_is_installed(path) for path in files if path and Path(path) != file)
    return _is_installed(str(file))


def _is_installed(path: str) -> bool:
    parts = Path(path).parts
    return (
        "site-packages" in parts
        or "dist-packages" in parts
        or Path(path).is_relative_to(Path(os.__file__).parent)
    )


# --- what they say ---------------------------------------------------------------------------------

_OPTION = re.compile(r"(?P<dash>--?)(?P<name>[A-Za-z][\w.-]*)(?:=(?P<value>[\s\S]*))?")
_GLUED = re.compile(r"-(?P<name>[A-Za-z])(?P<value>[0-9.]+)")
_OVERRIDE = re.compile(r"\+{0,2}(?P<name>[A-Za-z_][\w./@-]*)=(?P<value>[\s\S]*)")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def read_arguments(words: Sequence[str]) -> dict[str, Any]:
    """The parameters that `words` name, nested and typed; plain values, credentials among them."""
    reader = _Reader(words)
    while reader.at < len(words):
        reader.take()
    params: dict[str, Any] = {}
    for path, values in sorted(reader.named.items(), key=lambda item: len(item[0])):  # --a.b 1 --a 2
        _set(params, path, values[0] if len(values) == 1 else values)
    if reader.positional:
        params.setdefault(POSITIONAL, reader.positional)
    return params


class _Reader:
    """Goes over the words once."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._scrubbed = scrub_arguments(words, {})
        self.at = 0
        self.named: dict[tuple[str, ...], list[Any]] = {}
        self.positional: list[Any] = []

    def take(self) -> None:
        """The next word, and those that belong to it."""
        word = self._words[self.at]
        self.at += 1
        if word == "--":
            self.positional += map(typed, self._words[self.at :])
            self.at = len(self._words)
        elif match := _GLUED.fullmatch(word) or _OPTION.fullmatch(word):
            name = match["name"].replace("-", "_")
            value = match["value"]
            self._add(name, self._value() if value is None else typed(value))
        elif match := _OVERRIDE.fullmatch(word):
            self._add(match["name"], typed(match["value"]))
        else:
            self.positional.append(typed(word))

    def _add(self, name: str, value: Any) -> None:
        parts = tuple(name.split("."))
        self.named.setdefault(parts if all(parts) else (name,), []).append(value)

    def _value(self) -> Any:
        """Of the option just read."""
        if not self._is_value(self.at):
            return True
        values = [self._words[self.at]]
        self.at += 1
        while _NUMBER.fullmatch(values[-1]) and self.at < len(self._words) and self._is_number(self.at):
            values.append(self._words[self.at])
            self.at += 1
        return typed(values[0]) if len(values) == 1 else [typed(text) for text in values]

    def _is_number(self, at: int) -> bool:
        return bool(_NUMBER.fullmatch(self._words[at]))

    def _is_value(self, at: int) -> bool:
        if at >= len(self._words):
            return False
        word = self._words[at]
        if self._scrubbed[at] == MASK or self._is_number(at) or word == "-":
            return True
        return not word.startswith("-") and not _OVERRIDE.fullmatch(word)


def typed(text: str) -> Any:
    """The value that an argument is as a YAML scalar; text that YAML would change stays as it is."""
    if re.fullmatch(r"[-+]?0[0-9]+|\{[\w.-]+\}", text):  # octal to some, decimal to others; a placeholder
        return text
    value = parse_scalar(text)
    if isinstance(value, (dict, list)):
        return value if text.lstrip()[0] in "{[" else text
    return text if isinstance(value, str) else value


def _set(params: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Below the names of `path`; under the dotted name where one of them has a value already."""
    node = params
    for name in path[:-1]:
        inner = node.setdefault(name, {}) if isinstance(node, dict) else None
        if not isinstance(inner, dict):
            params[".".join(path)] = value
            return
        node = inner
    if isinstance(node.get(path[-1]), dict):
        params[".".join(path)] = value
    else:
        node[path[-1]] = value


def fitting(params: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What of `params` a record can hold, plain; and name and reason of what it cannot."""
    plain: dict[str, Any] = {}
    losses = []
    for name, value in params.items():
        try:
            held = to_value({name: value}, "argument")
            plain.update(held if isinstance(held, dict) else {})
        except UsageError as error:
            losses.append((name, str(error)))
    return plain, losses
