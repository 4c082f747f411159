"""Plain values against the JSON Schemas of ``schemas/``.

jsonschema-rs is asked first because it is a hundred times faster. Where it says no, or is not
installed, the jsonschema library decides, and words the fault.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gittrack.errors import NotFoundError, RecordError
from gittrack.formats.codec.plain import find_fault, located, short

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

_SUFFIX = ".schema.json"
_LONGEST_MESSAGE = 300
_MOST_ERRORS = 100

# Their message would show the rule; the description says in words what belongs there.
_SAID_BY_DESCRIPTION = frozenset({"pattern", "not", "oneOf", "anyOf", "allOf", "const"})


@functools.cache
def schema_names() -> list[str]:
    """Names of the schemas: ``config``, ``environment``, ``run``, ..."""
    from importlib.resources import files

    names = (entry.name for entry in files("gittrack.schemas").iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def schema_text(name: str) -> str:
    """The JSON text of a schema."""
    from importlib.resources import files

    if name not in schema_names():
        raise NotFoundError(f"no schema {short(name)}: there are {', '.join(schema_names())}")
    return (files("gittrack.schemas") / f"{name}{_SUFFIX}").read_text(encoding="utf-8")


def validate(value: Any, schema_name: str, where: str) -> None:
    """RecordError ``where: path.of.field: what`` unless `value` is plain and follows the schema."""
    fault = find_fault(value)
    if fault is not None:
        raise RecordError(located(where, *fault))
    validate_plain(value, schema_name, where)


def validate_plain(value: Any, schema_name: str, where: str) -> None:
    """`validate` of what `find_fault` has passed, or `read_yaml` returned."""
    quick = _quick(schema_name)
    if quick is not None and quick(value):
        return
    from jsonschema.exceptions import best_match

    error = best_match(itertools.islice(_judge(schema_name).iter_errors(value), _MOST_ERRORS))
    if error is not None:
        raise RecordError(located(where, error.absolute_path, _message(error)))


@functools.cache
def _quick(schema_name: str) -> Callable[[Any], bool] | None:
    try:
        from jsonschema_rs import Draft202012Validator
    except ImportError:
        return None
    return Draft202012Validator(json.loads(schema_text(schema_name))).is_valid


@functools.cache
def _judge(schema_name: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    return Draft202012Validator(json.loads(schema_text(schema_name)), registry=Registry())


def _message(error: ValidationError) -> str:
    instance = short(error.instance)
    description = error.schema.get("description") if isinstance(error.schema, dict) else None
    if error.validator in _SAID_BY_DESCRIPTION and description:
        return f"{instance} does not fit: {description}"
    message = error.message.replace(repr(error.instance), instance, 1)
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}..."
