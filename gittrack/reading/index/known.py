"""Whether the names that a person asks for are names of any run; an error with the nearest where not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gittrack.errors import UsageError
from gittrack.reading.index.filters import (
    ATTRIBUTES,
    Both,
    Condition,
    Field,
    Not,
    UnknownName,
    parse_filter,
    parse_order,
)

if TYPE_CHECKING:
    from gittrack.reading.index import Index


def fields_of(filter: str | None, order_by: Sequence[str] = ()) -> list[Field]:
    """The metrics, parameters, tags and attributes that a filter and an order name, each once."""
    fields = [] if filter is None or not filter.strip() else list(_fields(parse_filter(filter)))
    return list(dict.fromkeys([*fields, *(parse_order(text)[0] for text in order_by)]))


def _fields(condition: Condition) -> Iterator[Field]:
    if isinstance(condition, Both):
        for part in condition.parts:
            yield from _fields(part)
    elif isinstance(condition, Not):
        yield from _fields(condition.inner)
    else:
        yield condition.field


def require_known(
    indexes: Sequence[Index],
    filter: str | None,
    order_by: Sequence[str] = (),
    experiment: str | None = None,
) -> None:
    """UsageError for a name in `filter` or `order_by` that no run (of `experiment`) has, with those near it.

    A metric that gittrack.yaml declares may be asked for before a run has it. Where there are no runs,
    nothing is unknown.
    """
    from gittrack.text.nearest import nearest

    try:
        fields = fields_of(filter, order_by)
    except UnknownName as error:
        names = [*all_names(indexes), *dict.fromkeys(ATTRIBUTES.values())]
        raise UsageError(f"{error}; {nearest(error.name, names)}") from error
    for field in fields:
        if field.family == "attributes" or any(index.names(experiment, field) for index in indexes):
            continue
        if not any(index.count(experiment=experiment) for index in indexes) or _is_declared(indexes, field):
            continue
        whose = "no run" if experiment is None else f"no run of {experiment}"
        raise UsageError(f"{whose} has {field}; {nearest(str(field), all_names(indexes, experiment))}")


def all_names(indexes: Sequence[Index], experiment: str | None = None) -> list[str]:
    """Full names of all metrics, parameters and tags, such as ``metrics.acc``."""
    return list(dict.fromkeys(name for index in indexes for name in index.names(experiment)))


def _is_declared(indexes: Sequence[Index], field: Field) -> bool:
    from gittrack.formats.config import load_cached

    if field.family != "metrics":
        return False
    configs = [load_cached(index.repository.worktree, index.repository.state_dir) for index in indexes]
    return any(field.key in e.metrics for config in configs for e in config.experiments.values())
