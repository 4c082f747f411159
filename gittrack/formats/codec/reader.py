"""Bytes to plain values: a strict reader of one YAML 1.2 document, safe on anything that it is handed.

It composes libyaml's events itself (PyYAML's own where libyaml is absent), so that
nothing PyYAML would resolve, construct, merge or expand is ever resolved.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any

from gittrack.errors import RecordError
from gittrack.formats.codec.plain import MAX_BYTES, MAX_DEPTH, MAX_INT_BITS, MAX_NODES, SURROGATE, short

_CONSTANTS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_NUMBER_START = frozenset("+-.0123456789")
_NUMBER = re.compile(
    r"(?P<decimal>[-+]?[0-9]+)|(?P<octal>0o[0-7]+)|(?P<hex>0x[0-9a-fA-F]+)"
    r"|(?P<real>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<endless>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_BASES = {"decimal": 10, "octal": 8, "hex": 16}
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")

LIBYAML_TOO_DEEP = "maximum nesting depth"
"""Of libyaml's own limit, 1,000 levels: from 0.2.6 on it reads that far ahead of the events it hands out."""

# 4,096 bits are 1,234 decimal digits. Reading an integer's text takes time that grows faster than
# its length, so that a longer one is refused before that.
_MAX_INT_CHARACTERS = 1300


def read_yaml(
    data: bytes,
    where: str = "input",
    *,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
    max_nodes: int = MAX_NODES,
    as_text: bool = False,
    endless: bool = False,
) -> Any:
    """The value of the one YAML document in `data`; else RecordError ``where:line:column: what``.

    Plain scalars follow the YAML 1.2 core schema; with `as_text` each is its text, for what another tool
    wrote by other rules (a plain ``1e5`` of PyYAML is text), and only null is None. With
    `endless`, ``.nan`` and ``.inf`` are numbers.
    Refused are: other encodings than UTF-8 and a byte order mark, duplicate keys, keys that are not text,
    anchors, aliases, tags, directives, merge keys, a second document or none, numbers that are not
    finite, integers above 4,096 bits, and whatever is larger than the limits.
    """
    if len(data) > max_bytes:
        raise RecordError(f"{where}:1:1: has {len(data)} bytes, more than the {max_bytes} allowed")
    text = _decode(data, where)
    scanner_errors, parser, events = library()
    kind = _TextComposer if as_text else _EndlessComposer if endless else _Composer
    composer = kind(where, max_depth, max_nodes, events)
    try:
        composer.get_event = parser(text).get_event
        return composer.document(text)
    except scanner_errors as error:
        raise RecordError(syntax_error(error, text, where, max_depth)) from error


def _decode(data: bytes, where: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        raise RecordError(f"{where}:{_position(before)}: not UTF-8: save the file as UTF-8") from error
    if text.startswith("\ufeff"):
        raise RecordError(f"{where}:1:1: starts with a byte order mark: save the file as UTF-8 without it")
    return text


def _position(before: str) -> str:
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


@functools.cache
def library(pure: bool = False) -> tuple[tuple[type[Exception], ...], Callable[[str], Any], Any]:
    """What PyYAML offers: the errors of a parser, the fastest parser there is, the module of its events."""
    import yaml
    from yaml import events

    # The pure parser lets the errors of chr() and int() through on bad escapes.
    errors = (yaml.YAMLError, ValueError, OverflowError)
    if yaml.__with_libyaml__ and not pure:
        from yaml._yaml import CParser

        return errors, CParser, events
    return errors, _pure_parser, events


def _pure_parser(text: str) -> Any:
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class PureParser(Reader, Scanner, Parser):
        def __init__(self) -> None:
            Reader.__init__(self, text)
            Scanner.__init__(self)
            Parser.__init__(self)

    return PureParser()


def syntax_error(error: Exception, text: str, where: str, max_depth: int) -> str:
    bad = _UNPRINTABLE.search(text)
    if bad:
        return f"{where}:{_position(text[: bad.start()])}: the character {bad.group()!r} is not allowed"
    mark = getattr(error, "problem_mark", None)
    position = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
    problem = getattr(error, "problem", None) or str(error)
    if LIBYAML_TOO_DEEP in problem:
        return f"{where}:{position}: {_too_deep(max_depth)}"
    return f"{where}:{position}: malformed YAML: {' '.join(problem.split())[:200]}"


def _too_deep(max_depth: int) -> str:
    return f"nested more than {max_depth} levels deep"


class _Composer:
    """Builds the value of one document from a parser's events."""

    __slots__ = (
        "end_map",
        "end_seq",
        "end_stream",
        "get_event",
        "map",
        "max_depth",
        "nodes_left",
        "scalar",
        "seq",
        "where",
    )

    get_event: Callable[[], Any]

    def __init__(self, where: str, max_depth: int, max_nodes: int, events: Any) -> None:
        self.where = where
        self.max_depth = max_depth
        self.nodes_left = max_nodes
        self.scalar = events.ScalarEvent
        self.map, self.end_map = events.MappingStartEvent, events.MappingEndEvent
        self.seq, self.end_seq = events.SequenceStartEvent, events.SequenceEndEvent
        self.end_stream = events.StreamEndEvent

    def document(self, text: str) -> Any:
        self.get_event()
        start = self.get_event()
        if type(start) is self.end_stream:
            raise self.refuse(start, "the document is empty")
        if text.startswith("%", start.start_mark.index):
            raise self.refuse(start, "directives are not allowed")
        first = self.get_event()
        if type(first) is self.scalar and first.value == "" and first.implicit[0] and first.tag is None:
            raise self.refuse(first, "the document is empty")
        value = self.node(first, self.max_depth)
        self.get_event()
        after = self.get_event()
        if type(after) is not self.end_stream:
            raise self.refuse(after, "a second document is not allowed")
        return value

    def node(self, event: Any, depth_left: int) -> Any:
        self.nodes_left -= 1
        if self.nodes_left < 0:
            raise self.refuse(event, "too many values")
        kind = type(event)
        if kind is self.scalar:
            return self.scalar_value(event)
        if kind is self.map or kind is self.seq:
            if event.anchor is not None or event.tag is not None:
                raise self.refuse(event, "anchors and tags are not allowed")
            if depth_left == 0:
                raise self.refuse(event, _too_deep(self.max_depth))
            return self.mapping(depth_left - 1) if kind is self.map else self.sequence(depth_left - 1)
        raise self.refuse(event, "aliases are not allowed")

    def mapping(self, depth_left: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        get_event, end = self.get_event, self.end_map
        while type(event := get_event()) is not end:
            key = self.scalar_value(event) if type(event) is self.scalar else None
            if type(key) is not str:
                raise self.refuse(event, "a key is not text: quote it")
            if key in result:
                raise self.refuse(event, f"the key {short(key)} is there twice")
            if key == "<<" and event.implicit[0]:
                raise self.refuse(event, "merge keys are not allowed")
            result[key] = self.node(get_event(), depth_left)
        return result

    def sequence(self, depth_left: int) -> list[Any]:
        result: list[Any] = []
        get_event, end = self.get_event, self.end_seq
        while type(event := get_event()) is not end:
            result.append(self.node(event, depth_left))
        return result

    def scalar_value(self, event: Any) -> Any:
        if event.anchor is not None or event.tag is not None:
            raise self.refuse(event, "anchors and tags are not allowed")
        text: str = event.value
        if event.implicit[0]:
            if text in _CONSTANTS:
                return self.constant(text)
            if text[0] in _NUMBER_START:
                return self.number(event, text)
        if not text.isascii() and SURROGATE.search(text):
            raise self.refuse(event, "a lone surrogate is not allowed")
        return text

    def constant(self, text: str) -> Any:
        return _CONSTANTS[text]

    def number(self, event: Any, text: str) -> int | float | str:
        """The number that a plain scalar is, or its text if it is none."""
        match = _NUMBER.fullmatch(text)
        if match is None:
            return text
        kind = str(match.lastgroup)
        if kind == "real":
            value = float(text)
            if math.isinf(value):
                raise self.refuse(event, f"{short(text)} is too large for a number")
            return value
        if kind == "endless":
            raise self.refuse(event, f"{text} is not a finite number")
        number = int(text, _BASES[kind]) if len(text) <= _MAX_INT_CHARACTERS else None
        if number is None or number.bit_length() > MAX_INT_BITS:
            raise self.refuse(event, f"an integer has more than {MAX_INT_BITS} bits")
        return number

    def refuse(self, event: Any, what: str) -> RecordError:
        mark = event.start_mark
        return RecordError(f"{self.where}:{mark.line + 1}:{mark.column + 1}: {what}")


class _TextComposer(_Composer):
    """Every scalar is its text, and a plain null is None."""

    __slots__ = ()

    def number(self, event: Any, text: str) -> int | float | str:
        return text

    def constant(self, text: str) -> Any:
        return text if _CONSTANTS[text] is not None else None


class _EndlessComposer(_Composer):
    """Numbers may be NaN or infinite."""

    __slots__ = ()

    def number(self, event: Any, text: str) -> int | float | str:
        match = _NUMBER.fullmatch(text)
        if match is not None and match.lastgroup == "endless":
            return float(text.replace(".", ""))
        return super().number(event, text)
