"""What the messages of an experiment say of it, metrics and files apart."""

from __future__ import annotations

import ast
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from gittrack.formats.attempts import Failure
from gittrack.importers import values
from gittrack.importers.comet.messages import Message
from gittrack.importers.comet.parts import Part
from gittrack.importers.foreign import ForeignCode, ForeignEnvironment, Moment, Options

NO_PLACE = "a record has no place for it"
COUNTERS = frozenset({"curr_step", "curr_epoch"})
"""Parameters by which the client says where it is."""
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Numbers that the client writes as text."""
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,9})?")
_CRASH = "Unexpected error detected in the user script: "
_EXCEPTION = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,200})\((.*)\)", re.DOTALL)
_LONGEST_TEXT = 10_000
_OF_CLIENT = frozenset({"Name", "hasNestedParams", "offline_experiment"})


def number(value: Any) -> float | None:
    """The number of a metric; what is none is a text."""
    if not isinstance(value, str):
        return value if isinstance(value, int | float) else None
    if value in _SPECIAL:
        return _SPECIAL[value]
    return float(value) if _NUMBER.fullmatch(value) else None


def named(name: str, context: Any) -> str:
    """As Comet shows what was logged in a context, such as ``train``."""
    return f"{context}_{name}" if isinstance(context, str) and context else name


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(inner) for inner in value]
    return _SPECIAL.get(value, value) if isinstance(value, str) else value


class Facts:
    """Gathered message by message; the later one wins."""

    def __init__(self) -> None:
        self._params: dict[str, Any] = {}
        self._others: dict[str, Any] = {}
        self._system: dict[str, str] = {}
        self._details: dict[str, Any] = {}
        self._git: dict[str, Any] = {}
        self._gpus: tuple[str, ...] = ()
        self._packages: dict[str, str] = {}
        self._installed: dict[str, str] = {}
        self._entry: str | None = None
        self.models: dict[str, Message] = {}
        """By name, those that were registered."""
        self.losses: Counter[tuple[str, str]] = Counter()
        self.first: Moment | None = None
        self.last: Moment | None = None
        self.kinds: Counter[str] = Counter()
        self.metrics: set[str] = set()
        self.has_words = False

    def take(self, message: Message) -> None:
        self.kinds[message.kind] += 1
        time = message.payload.get("local_timestamp")
        if isinstance(time, int | float) and not isinstance(time, bool):
            moment = time / 1000
            self.first = moment if self.first is None else min(self.first, moment)
            self.last = moment if self.last is None else max(self.last, moment)
        taking = _TAKING.get(message.kind)
        if taking is not None:
            taking(self, message)
        elif message.kind not in _ELSEWHERE:
            self.losses[f"messages of the kind {message.kind}", NO_PLACE] += 1

    def _metric(self, message: Message) -> None:
        metric = message.mapping("metric")
        name = metric.get("metricName")
        if isinstance(name, str):
            self.metrics.add(named(name, message.payload.get("context")))
            self.has_words = self.has_words or number(metric.get("metricValue")) is None

    def _param(self, message: Message) -> None:
        stated = message.mapping("param") or message.mapping("params")
        name = stated.get("paramName")
        if not isinstance(name, str):
            self.losses["parameters without a name", "they are damaged"] += 1
            return
        if name in COUNTERS:
            self.losses[f"param {name}", "by it the client counts; the points have their steps"] += 1
            return
        name = named(name, message.payload.get("context"))
        value = _value(stated.get("paramValue"))
        if name in self._params and repr(self._params[name]) != repr(value):
            self.losses[f"param {name}: its earlier values", "a record has the last one"] += 1
        self._params[name] = value

    def _other(self, message: Message) -> None:
        self._others[str(message.payload.get("key"))] = message.payload.get("value")

    def _system_info(self, message: Message) -> None:
        info = message.mapping("system_info")
        self._system[f"system.{info.get('key')}"] = _text(info.get("value"))

    def _system_details(self, message: Message) -> None:
        self._details = message.payload
        if message.payload.get("env"):
            self.losses["environment variables", "they can hold credentials"] += 1

    def _git_metadata(self, message: Message) -> None:
        self._git = message.mapping("git_metadata")

    def _gpu(self, message: Message) -> None:
        stated = message.payload.get("gpu_static_info")
        gpus = stated if isinstance(stated, list) else [stated]
        names = (gpu.get("name") for gpu in gpus if isinstance(gpu, dict))
        self._gpus = tuple(name for name in names if isinstance(name, str))

    def _installed_packages(self, message: Message) -> None:
        listed = message.payload.get("installed_packages")
        pairs = (item.partition("==") for item in listed or () if isinstance(item, str))
        self._installed = {name.strip(): version.strip() for name, _, version in pairs if version}

    def _dependency(self, message: Message) -> None:
        name, version = message.text("name"), message.text("version")
        if name and version:
            self._packages[name] = version

    def _file_name(self, message: Message) -> None:
        self._entry = message.text("file_name")

    def _register(self, message: Message) -> None:
        name = message.text("model_name")
        if name:
            self.models[name] = message
        unsaid = ("description", "comment", "metadata", "status", "tags")
        stated = [key for key in unsaid if message.payload.get(key)]
        if stated:
            self.losses[f"registered model {name}: {', '.join(stated)}", NO_PLACE] += 1

    def _cloud(self, message: Message) -> None:
        self.losses["the cloud that it ran in", NO_PLACE] += 1

    # --- what is said of the run ------------------------------------------------------------

    @property
    def name(self) -> str | None:
        name = self._others.get("Name")
        return name if isinstance(name, str) and name else None

    @property
    def host(self) -> str | None:
        host = self._details.get("hostname")
        return host if isinstance(host, str) else None

    @property
    def user(self) -> str | None:
        users = (self._git.get("user"), self._details.get("user"))
        return next((user for user in users if isinstance(user, str) and user), None)

    def params(self) -> dict[str, Any]:
        """Nested where the client joined keys by ``|``, and no key above has a value of its own."""
        if not self._others.get("hasNestedParams"):
            return self._params
        tree: dict[str, Any] = {}
        for name, value in self._params.items():
            keys = tuple(name.split("|"))
            tops = ("|".join(keys[:count]) for count in range(1, len(keys)))
            if "" in keys or any(top in self._params for top in tops) or len(keys) > values.DEEPEST:
                tree[name] = value
            else:
                values.put(tree, keys, value)
        return tree

    def tags(self) -> dict[str, str]:
        stated = {key: _text(value) for key, value in self._others.items() if key not in _OF_CLIENT}
        return self._system | stated

    def code(self, *, has_patch: bool) -> ForeignCode | None:
        """The client keeps a patch where the work tree differs from the commit."""
        details, git = self._details, self._git
        command = details.get("command")
        branch = _word(git, "branch")
        code = ForeignCode(
            commit=_word(git, "parent"),
            branch=branch.removeprefix("refs/heads/") if branch else None,
            remote=_word(git, "origin"),
            dirty=True if has_patch else None,
            entry=self._entry,
            command=tuple(map(str, command)) if isinstance(command, list) else (),
        )
        return None if code == ForeignCode() else code

    def environment(self, options: Options) -> ForeignEnvironment | None:
        environment = ForeignEnvironment(
            python=_word(self._details, "python_version"),
            os=_word(self._details, "os"),
            cpu=_word(self._details, "processor"),
            gpus=self._gpus,
            packages=(self._packages | self._installed) or None,
            host=self.host if options.people else None,
        )
        return None if environment == ForeignEnvironment() else environment


def failure(parts: list[Part]) -> Failure | None:
    """Of the last process, where an exception ended it."""
    message = _message(parts[-1])
    if not message.startswith(_CRASH):
        return None
    stated = message.removeprefix(_CRASH)
    called = _EXCEPTION.fullmatch(stated)
    if called is None:
        return Failure(type="exception", message=stated)
    told: Any = None
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        told = ast.literal_eval(called[2][:_LONGEST_TEXT])
    return Failure(type=called[1], message=told if isinstance(told, str) else called[2])


def reported(parts: list[Part]) -> Mapping[str, int]:
    """Errors of the client itself, and of processes before the last."""
    crash = _message(parts[-1]) if failure(parts) else ""
    return Counter(message for part in parts if (message := _message(part)) and message != crash)


def _message(part: Part) -> str:
    stated = part.stated or {}
    message = stated.get("customer_error_message")
    return message if stated.get("customer_error_reported") and isinstance(message, str) else ""


def logical(name: str) -> str:
    """A name that the program gave a file, as a path: of an absolute one its end, and without ``..``."""
    pure: PurePath = PureWindowsPath(name) if "\\" in name else PurePosixPath(name)
    if pure.is_absolute() or pure.drive or pure.root:
        return pure.name
    return PurePosixPath(*(part for part in pure.parts if part != "..")).as_posix()


def _word(stated: Mapping[str, Any], name: str) -> str | None:
    word = stated.get(name)
    return word if isinstance(word, str) and word else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_TAKING = {
    "metric_msg": Facts._metric,
    "parameter_msg": Facts._param,
    "log_other": Facts._other,
    "system_info": Facts._system_info,
    "system_details": Facts._system_details,
    "git_metadata": Facts._git_metadata,
    "gpu_static_info": Facts._gpu,
    "installed_packages": Facts._installed_packages,
    "log_dependency": Facts._dependency,
    "file_name": Facts._file_name,
    "register_model": Facts._register,
    "cloud_details": Facts._cloud,
}
_ELSEWHERE = frozenset(
    {
        "file_upload", "remote_file", "remote_model", "3d-image", "standard_output", "html", "htmlOverride",
        "graph", "code", "os_packages",
    }
)  # fmt: skip
"""Kinds of messages that files are made of."""
