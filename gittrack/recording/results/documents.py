"""Bytes of a file to its content: YAML, JSON, TOML, Python; UTF-8, or what a mark at its start tells."""

from __future__ import annotations

import ast
import codecs
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from gittrack.errors import UsageError
from gittrack.recording.results.losses import Losses
from gittrack.recording.results.yaml_text import Unreadable, read_people_yaml

MAX_BYTES = 64 << 20
MAX_YAML_BYTES = 8 << 20

YAML = (".yaml", ".yml")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_bytes(path: Path) -> bytes:
    """UsageError for a file that is absent, no file, unreadable or larger than 64 MiB."""
    try:
        if not path.is_file() and path.exists():
            raise UsageError(f"{path}: is a folder" if path.is_dir() else f"{path}: is no file")
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: larger than {MAX_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def text_of(data: bytes, name: str, errors: str = "strict") -> str:
    """UTF-8, or what a byte order mark tells."""
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding, errors)
    except UnicodeError as error:
        raise UsageError(f"{name}: not UTF-8: save the file as UTF-8") from error


def parse(data: bytes, suffix: str, name: str, losses: Losses, *, by_dvc: bool = False) -> Any:
    """The content of a document; `by_dvc`: see `read_people_yaml`. UsageError for what it is not."""
    suffix = suffix.lower()
    text = text_of(data, name)
    try:
        if suffix == ".json":
            return parse_json(text, name, losses)
        if suffix == ".toml":
            import tomllib

            return tomllib.loads(text)
        if suffix in YAML:
            if len(data) > MAX_YAML_BYTES:
                raise UsageError(f"{name}: larger than {MAX_YAML_BYTES} bytes")
            return read_people_yaml(text, name, losses, by_dvc=by_dvc)
        return _python(text, name, losses)
    except (ValueError, RecursionError, MemoryError, SyntaxError) as error:
        kind = {".py": "Python"}.get(suffix, suffix[1:].upper())
        raise UsageError(f"{name}: not valid {kind}: {error}") from error


def parse_json(text: str, name: str, losses: Losses) -> Any:
    """JSON as Python reads it: NaN and Infinity are numbers, the last of equal names holds, which is said."""
    return JsonReader(name, losses).read(text)


class JsonReader:
    """Reads the texts of one file as `parse_json` does.

    The names in objects are counted, and pairs looked at only where the text may have more of them: a
    quote before a colon ends a name, unless it is one in a text.
    """

    def __init__(self, name: str, losses: Losses) -> None:
        self._name = name
        self._losses = losses
        self._decoder = json.JSONDecoder(object_hook=self._count)
        self._names = 0

    def read(self, text: str, where: str = "") -> Any:
        """The content; `where`: of the text in the file, for what is said."""
        self._names = 0
        if _may_have_long_integers(text):
            content = json.loads(text, parse_int=_integer, object_hook=self._count)
        else:
            content = self._decoder.decode(text)
        if text.count('":') != self._names or any(colon in text for colon in _SPACED_COLONS):
            self._say_repeated(text, where)
        return content

    def _count(self, values: dict[str, Any]) -> dict[str, Any]:
        self._names += len(values)
        return values

    def _say_repeated(self, text: str, where: str) -> None:
        repeated: list[str] = []

        def look(pairs: list[tuple[str, Any]]) -> None:
            if len(dict(pairs)) < len(pairs):
                repeated.extend(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)

        json.loads(text, parse_int=_integer, object_pairs_hook=look)
        for key in repeated:
            why = "the name is there again: the last is taken"
            self._losses.add(self._name, "earlier value", f"{where} {key}".strip(), why)


_SPACED_COLONS = (" :", "\t:", "\n:", "\r:")
_MOST_DIGITS = 1300


def _may_have_long_integers(text: str) -> bool:
    """Whether so many digits may stand in a row: each hundredth character tells, at next to no cost."""
    return len(text) >= _MOST_DIGITS and re.search(f"[0-9]{{{_MOST_DIGITS // 100}}}", text[::100]) is not None


def _integer(digits: str) -> Any:
    return int(digits) if len(digits) < _MOST_DIGITS else Unreadable(f"an integer of {len(digits)} digits")


def _python(text: str, name: str, losses: Losses) -> dict[str, Any]:
    """Literal values that a module, or a class in it, assigns to names; nothing is executed."""
    return _assigned(ast.parse(text).body, name, "", losses)


def _assigned(body: list[ast.stmt], name: str, where: str, losses: Losses) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            values[statement.name] = _assigned(statement.body, name, f"{where}{statement.name}.", losses)
        for target, value in _targets(statement):
            try:
                values[target] = ast.literal_eval(value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                values.pop(target, None)
                losses.add(name, "value", f"{where}{target}", "computed, and nothing is executed to read it")
    return values


def _targets(statement: ast.stmt) -> list[tuple[str, ast.expr]]:
    if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
        return _attributes(statement)
    if isinstance(statement, ast.Assign):
        return [(target.id, statement.value) for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and statement.value and isinstance(statement.target, ast.Name):
        return [(statement.target.id, statement.value)]
    return []


def _attributes(constructor: ast.FunctionDef) -> list[tuple[str, ast.expr]]:
    """What a constructor assigns to attributes of self, which DVC takes for parameters of the class."""
    return [
        (target.attr, statement.value)
        for statement in constructor.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    ]
