"""Values as they are typed: ``-S key=value``, and arguments of a program."""

from __future__ import annotations

from typing import Any

from gittrack.errors import RecordError, UsageError
from gittrack.formats.values import to_value


def set_param(params: dict[str, Any], text: str) -> str:
    """Apply one ``-S key=value``: dotted keys nest, values are YAML (``0.1``, ``true``, ``[1, 2]``, text).

    The key, without the ``+`` that Hydra has in front of it.
    """
    key, equals, value = text.partition("=")
    key = key.strip().lstrip("+")
    if not equals or "" in key.split("."):
        raise UsageError(f"-S takes key=value, not {text!r}")
    set_value(params, key, to_value(parse_scalar(value), key), f"-S {text}")
    return key


def set_value(params: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set a dotted key. UsageError, which begins with `where`, for one below a value."""
    *parents, last = key.split(".")
    node = params
    for name in parents:
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            raise UsageError(f"{where}: {name!r} already has a value, so nothing can be below it")
        node = child
    node[last] = value


def parse_scalar(text: str) -> Any:
    """What YAML 1.2 makes of `text`; the text itself where it is not YAML, or a comment."""
    from gittrack.formats import codec

    if not text.strip() or text.lstrip().startswith("#"):
        return text
    try:
        return codec.read_yaml(text.encode("utf-8", "surrogateescape"), "-S")
    except RecordError:
        return text
