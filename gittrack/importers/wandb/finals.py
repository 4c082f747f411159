"""Final values by W&B's rule: its summary, where that is not the last point."""

from __future__ import annotations

import math

from gittrack.importers import values
from gittrack.importers.foreign import Final, TextPoint
from gittrack.importers.wandb.state import State, text_of

_OWN = frozenset({"_step", "_timestamp", "_runtime", "_wandb"})
_CHOICE = ("best", "min", "max", "mean", "last", "first")


def finals(state: State) -> tuple[dict[str, Final], list[TextPoint]]:
    """Rules by metric, and texts that only the summary has. What is not said goes to the state's losses."""
    found: dict[str, Final] = {}
    texts: list[TextPoint] = []
    summary = {name: value for name, value in state.summary.items() if name not in _OWN}
    leaves = dict(values.flat(summary))
    for name in state.seen:
        rules = state.definition(name).rules
        if "none" in rules:
            state.losses[name, "its summary was switched off; the record has its last value"] += 1
            continue
        statistic = _chosen(state, name, rules, leaves)
        if statistic is not None:
            found[name] = statistic
    for name, value in leaves.items():
        metric, _, part = name.rpartition(".")
        if name in found or (metric in state.seen and part in state.definition(metric).rules):
            continue
        number = values.number(value)
        if number is not None:
            if name not in state.seen or not _same(state.seen[name].last, number):
                found[name] = Final(rule="given", value=number)
        elif isinstance(value, (str, list)):
            if state.texts.get(name) != text_of(value):
                texts.append(TextPoint(name=name, text=text_of(value)))
        elif not isinstance(value, dict) or not value:
            state.losses[f"summary {name}", "a value that is no number and no text"] += 1
    return found, texts


def _chosen(state: State, name: str, rules: tuple[str, ...], leaves: dict[str, object]) -> Final | None:
    """The final by the first rule that was asked for, where that is not the last."""
    asked = [rule for rule in _CHOICE if rule in rules and f"{name}.{rule}" in leaves]
    for rule in asked[1:]:
        state.losses[f"summary {name}.{rule}", f"a metric has one final value: its {asked[0]}"] += 1
    if not asked and "min" not in rules and "max" not in rules:
        return None
    seen = state.seen[name]
    rule = asked[0] if asked else next(rule for rule in ("min", "max") if rule in rules)
    value = values.number(leaves[f"{name}.{rule}"]) if asked else None
    if rule == "best":
        rule = state.definition(name).goal or "given"
    computed = {"min": seen.low, "max": seen.high, "last": seen.last}.get(rule)
    if computed is not None and (value is None or _same(computed, value)) and not math.isnan(computed):
        return Final(rule="min" if rule == "min" else "max") if rule != "last" else None
    if value is None:
        return Final(rule="given", value=computed) if computed is not None else None
    return Final(rule="given", value=value)


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
