"""The JSON Schemas: sound in themselves, and in step with the dataclasses."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from gittrack.formats import codec, config, plain, record
from tests.tables import rows

NAMES = codec.schema_names()


def load(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(codec.schema_text(name))
    return schema


def subschemas(value: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document, with its place."""
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from subschemas(item, f"{path}/{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from subschemas(item, f"{path}/{number}")


def resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """`schema` with what its local reference says added."""
    while "$ref" in schema:
        target = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        schema = {**target, **{key: item for key, item in schema.items() if key != "$ref"}}
    return schema


def test_the_schemas_are_found() -> None:
    """At least the record and the configuration ship with the package."""
    assert {"run", "config"} <= set(NAMES)


@rows("name", NAMES)
def test_a_schema_follows_the_metaschema_and_says_what_it_is(name: str) -> None:
    """JSON Schema 2020-12 with an id that names schema and version."""
    schema = load(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert re.fullmatch(rf"https://gittrack\.dev/schemas/{name}/[1-9][0-9]*", schema["$id"])
    Draft202012Validator.check_schema(schema)


@rows("name", NAMES)
def test_every_property_and_definition_is_described(name: str) -> None:
    """A reader of the schema needs no other document."""
    schema = load(name)
    found = 0
    for path, part in subschemas(schema):
        if path.endswith("/if"):
            continue
        for group in ("properties", "$defs"):
            for key, item in part.get(group, {}).items() if not path.endswith("properties") else ():
                found += 1
                assert isinstance(item, dict), f"{path}/{group}/{key}"
                assert item.get("description", "").strip(), f"{path}/{group}/{key}"
    assert found > 10


@rows("name", NAMES)
def test_references_stay_in_the_document(name: str) -> None:
    """Nothing is ever fetched, and every definition is used."""
    schema = load(name)
    references = {part["$ref"] for _, part in subschemas(schema) if isinstance(part.get("$ref"), str)}
    assert references == {f"#/$defs/{key}" for key in schema.get("$defs", {})}


@rows("name", ["run", "config"])
def test_objects_are_closed_and_text_is_bounded(name: str) -> None:
    """Unknown keys are refused except in mappings by name; every string has a greatest length."""
    schema = load(name)
    for path, part in subschemas(schema):
        if part.get("type") == "object":
            assert part["additionalProperties"] is False or "propertyNames" in part, path
        if part.get("type") == "string":
            assert part["maxLength"] <= 131072, path
        if "pattern" in part and isinstance(part["pattern"], str):
            assert not re.search(r"\\[wdsbWDSBZAu]|\(\?|\\p", part["pattern"]), path


# --- dataclasses and schema ------------------------------------------------------------------


def inner_dataclass(hint: Any) -> type | None:
    """The dataclass in a field's type, through options, tuples and mappings."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint
    return next((found for arg in typing.get_args(hint) if (found := inner_dataclass(arg))), None)


def literals(hint: Any) -> set[Any] | None:
    """The values that a Literal in a field's type allows."""
    if typing.get_origin(hint) is typing.Literal:
        return set(typing.get_args(hint))
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return next((found for arg in typing.get_args(hint) if (found := literals(arg))), None)
    return None


def pairs(cls: type, schema: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[type, dict[str, Any]]]:
    """Each dataclass below `cls` with the object schema at its place."""
    yield cls, schema
    for name, hint in typing.get_type_hints(cls).items():
        inner = inner_dataclass(hint)
        if inner is not None:
            part = resolve(schema["properties"][name], root)
            if typing.get_origin(hint) is tuple:
                part = resolve(part["items"], root)
            elif typing.get_origin(hint) is Mapping:
                part = resolve(part["additionalProperties"], root)
            yield from pairs(inner, part, root)


@functools.cache
def all_pairs() -> list[tuple[str, type, dict[str, Any], dict[str, Any]]]:
    found = []
    for name, cls in (("run", record.Record), ("config", config.Config)):
        root = load(name)
        found += [(name, inner, part, root) for inner, part in pairs(cls, root, root)]
    return found


@rows("case", all_pairs())
def test_a_dataclass_has_the_fields_of_its_schema(
    case: tuple[str, type, dict[str, Any], dict[str, Any]],
) -> None:
    """Same names in the same order, and the same choices."""
    _, cls, schema, root = case
    hints = typing.get_type_hints(cls)
    assert [key_of(f.name) for f in dataclasses.fields(cls)] == list(schema["properties"])
    for name, hint in hints.items():
        choices = literals(hint)
        if choices is not None:
            assert set(resolve(schema["properties"][key_of(name)], root)["enum"]) == choices, name


def key_of(attribute: str) -> str:
    """The key of an attribute: ``pass`` is no name that Python lets an attribute have."""
    return {"way": "pass"}.get(attribute, attribute)


def always_written(field: dataclasses.Field[Any]) -> bool:
    """Whether to_dict puts the field into every record."""
    if field.name in plain.ALWAYS:
        return True
    if field.default_factory is not dataclasses.MISSING:
        return False
    return field.default is dataclasses.MISSING or not any(
        field.default is empty or field.default == empty for empty in (None, False, ())
    )


@rows("case", all_pairs())
def test_what_is_always_written_is_required(case: tuple[str, type, dict[str, Any], dict[str, Any]]) -> None:
    """And a field without a default, which no object can be built without, is never left out."""
    name, cls, schema, _ = case
    fields = dataclasses.fields(cls)
    required = set(schema.get("required", []))
    without_default = {f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING}
    assert without_default <= required
    if name == "run":
        assert required == {f.name for f in fields if always_written(f)}
        hints = typing.get_type_hints(cls)
        assert {n for n in without_default if hints[n] is bool} <= plain.ALWAYS, "to_dict leaves out False"
    else:
        assert required == without_default


@rows("case", all_pairs())
def test_documented_defaults_are_the_real_ones(
    case: tuple[str, type, dict[str, Any], dict[str, Any]],
) -> None:
    """A default in the schema is the dataclass's."""
    _, cls, schema, root = case
    for field in dataclasses.fields(cls):
        stated = resolve(schema["properties"][key_of(field.name)], root).get("default")
        if stated is not None:
            assert field.default == stated, field.name
