"""Where parameters come from, and what is recorded where sources say different things.

The rule, from the last word to the first: what the program itself logs, to gittrack or to another tracker,
what ``-S`` put on its command line, the command line, what ``-S`` put into GITTRACK_PARAMS, and files, a
later one before an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COMMAND_LINE = "command line"
SETTING = "-S"
"""Of ``-S``, and on the command line of the program."""
OFFERED = "-S in GITTRACK_PARAMS"
"""Of ``-S``, and in the environment: whether the program looked there is not known."""
REPRODUCED = "reproduce"
"""Of the run that is run again."""
START_RUN = "start_run"
LOGGED = "log_params"
PROGRAM = frozenset({START_RUN, LOGGED})
"""What the program says itself."""

SEED_OPTION = "--seed"
"""Of ``--seed``, and on the command line of the program."""
SEED_OFFERED = "--seed in GITTRACK_SEED"
SEED_VARIABLE = "GITTRACK_SEED"
"""Of the environment, whoever put it there."""

_RANKS = {
    OFFERED: 1, SEED_OFFERED: 1, SEED_VARIABLE: 1, COMMAND_LINE: 2, SETTING: 3, SEED_OPTION: 3,
    START_RUN: 4, LOGGED: 4,
}  # fmt: skip


def rank(source: str) -> int:
    """Of sources that differ, the one of the higher rank is recorded; files have the lowest."""
    return max(_RANKS.get(part, 0) for part in source.split(", "))


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says: parameters, nested, and the digests of those masked, by dotted name."""

    source: str | None
    """None: not known."""
    params: Mapping[str, Any]
    masked: Mapping[str, str] = field(default_factory=dict)
    program: bool = False
    """Whether the program itself wrote it, as DVCLive's params.yaml."""

    @property
    def rank(self) -> int:
        return 4 if self.program or self.source is None else rank(self.source)


@dataclass(slots=True)
class _Leaf:
    """One value, and who says it."""

    value: Any
    sources: list[str]
    digest: str | None
    others: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What is recorded of several layers."""

    params: dict[str, Any]
    sources: dict[str, str]
    """By dotted name; a name stands for all below it that have no entry of their own."""
    conflicts: dict[str, dict[str, Any]]
    """What each source says, the recorded one last, where they differ; by dotted name."""
    masked: dict[str, str]
    """Digests of masked values, by dotted name."""


Tree = dict[str, Any]


def resolve(layers: Sequence[Layer]) -> Resolved:
    """One set of parameters out of several, by the rule above."""
    tree: Tree = {}
    for layer in sorted(layers, key=lambda layer: layer.rank):
        _merge(tree, _renamed(layer, tree), layer, "")
    resolved = Resolved({}, {}, {}, {})
    resolved.params.update(_plain(tree, resolved, ""))
    for name, source in _common(tree, "").items():
        resolved.sources[name] = source
    return resolved


def _renamed(layer: Layer, tree: Tree) -> Mapping[str, Any]:
    """Options under the name that another source has for them: ``batch_size`` may be its ``batch-size``."""
    if layer.source != COMMAND_LINE:
        return layer.params
    named = {name.replace("-", "_"): name for name in tree}
    return {named.get(name, name): value for name, value in layer.params.items()}


def _merge(tree: Tree, params: Mapping[str, Any], layer: Layer, prefix: str) -> None:
    for name, value in params.items():
        known = tree.get(name)
        if isinstance(value, Mapping) and value and isinstance(known, (dict, type(None))):
            _merge(tree.setdefault(name, {}), value, layer, f"{prefix}{name}.")
            continue
        if isinstance(known, dict):
            known = _folded(known) if known else None
        tree[name] = _said(known, value, layer, f"{prefix}{name}")


def _folded(tree: Tree) -> _Leaf:
    """All below a name as one value, where another source has one value for it."""
    unused = Resolved({}, {}, {}, {})
    sources = list(dict.fromkeys(_common(tree, "").values()))
    return _Leaf(_plain(tree, unused, ""), sources, None, {})


def _said(known: _Leaf | None, value: Any, layer: Layer, name: str) -> _Leaf:
    """`value` as `layer` says it, after what is `known`."""
    digest = layer.masked.get(name)
    own = [layer.source] if layer.source else []
    if known is None:
        return _Leaf(value, own, digest, {})
    if known.digest == digest and agree(known.value, value):
        kept = known.value if layer.source in (None, COMMAND_LINE) and not layer.program else value
        return _Leaf(kept, list(dict.fromkeys([*known.sources, *own])), digest, known.others)
    if known.sources in ([], own, [REPRODUCED]):  # it has changed its mind, or speaks for itself now
        return _Leaf(value, own, digest, known.others)
    others = {**known.others, **{source: known.value for source in known.sources if source not in own}}
    return _Leaf(value, own, digest, others)


def agree(first: Any, second: Any) -> bool:
    """Whether two values may be one, of which one source has the text and another what it made of it."""
    if isinstance(first, bool) != isinstance(second, bool):
        return _is_flag(first, second)
    if first == second:
        return True
    if isinstance(first, list) and not isinstance(second, list):
        return bool(first) and agree(first[-1], second)  # of a repeated option, the last one
    if isinstance(first, str) or isinstance(second, str):
        return _reads_as(first, second) or _reads_as(second, first)
    return False


def _is_flag(first: Any, second: Any) -> bool:
    """``--verbose data.csv`` and ``True``; ``--shuffle false`` and ``False``; ``1`` and ``True`` are not."""
    flag, text = (first, second) if isinstance(first, bool) else (second, first)
    return isinstance(text, str) and (flag or text.lower() in ("false", "no", "off", "0"))


def _reads_as(text: Any, value: Any) -> bool:
    from gittrack.formats.scrub import MASK  # its expressions take longer than a list of runs

    if not isinstance(text, str) or MASK in text:
        return False
    if isinstance(value, list):
        words = [str(item) for item in value]
        return text in (",".join(words), " ".join(words), f"[{','.join(words)}]")
    try:
        return not isinstance(value, bool) and value is not None and float(text) == float(value)
    except (TypeError, ValueError, OverflowError):
        return False


def _plain(tree: Tree, resolved: Resolved, prefix: str) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, item in tree.items():
        dotted = f"{prefix}{name}"
        if isinstance(item, dict):
            plain[name] = _plain(item, resolved, f"{dotted}.")
            continue
        plain[name] = item.value
        if item.digest is not None:
            resolved.masked[dotted] = item.digest
        if item.others:
            resolved.conflicts[dotted] = {**item.others, ", ".join(item.sources) or "program": item.value}
    return plain


def _common(tree: Tree, prefix: str) -> dict[str, str]:
    """Sources by dotted name, one for a whole branch where all below it is of one source."""
    sources: dict[str, str] = {}
    for name, item in tree.items():
        dotted = f"{prefix}{name}"
        if not isinstance(item, dict):
            if item.sources:
                sources[dotted] = ", ".join(item.sources)
            continue
        below = _common(item, f"{dotted}.")
        common = set(below.values())
        complete = len(common) == 1 and all(n in below for n in (f"{dotted}.{key}" for key in item))
        sources.update({dotted: common.pop()} if complete else below)
    return sources


def source_of(sources: Mapping[str, str], name: str) -> str | None:
    """The source of a parameter by its dotted name; None where it is not recorded."""
    while name:
        if name in sources:
            return sources[name]
        name = name.rpartition(".")[0]
    return None


def layer_of(params: Mapping[str, Any], origin: Sequence[Any]) -> Layer:
    """A layer as an event of a journal has it; journals of an older gittrack know no more than params."""
    said = [*origin, None, None, None]
    return Layer(said[0], params, said[1] or {}, bool(said[2]))


def choose_seed(
    stated: int | None, source: str | None, said: Resolved, known: Mapping[str, Mapping[str, Any]]
) -> tuple[int | None, str | None, dict[str, dict[str, Any]]]:
    """The seed of a run, its source, and all conflicts: as stated, or as the parameter ``seed`` has it.

    `known`: conflicts that were found before. The parameter has the chosen seed, too.
    """
    conflicts = {**{name: dict(sides) for name, sides in known.items()}, **said.conflicts}
    named, whose = said.params.get("seed"), said.sources.get("seed")
    if type(named) is not int or named.bit_length() > 128:
        return stated, source, conflicts
    if stated is None:
        return named, whose, conflicts
    if named == stated or source is None or whose is None:
        return stated, source, conflicts
    whose = f"{whose}, params" if whose == source else whose
    sides = [(source, stated), (whose, named)]
    if rank(source) >= rank(whose):
        sides.reverse()
        said.params["seed"], said.sources["seed"] = stated, source
    others = {
        name: value for name, value in conflicts.get("seed", {}).items() if value not in (named, stated)
    }
    return sides[1][1], sides[1][0], {**conflicts, "seed": {**others, **dict(sides)}}


def contradictions(conflicts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each conflict; ``-S`` over a file is none: that is what it is for."""
    lines = []
    for name, sides in conflicts.items():
        *others, (source, value) = sides.items()
        is_setting = not {SETTING, OFFERED}.isdisjoint(source.split(", "))
        if is_setting and not any(rank(other) for other, _ in others):
            continue
        says = ", ".join(f"{other} says {_short(said)}" for other, said in others)
        lines.append(f"{name}: {says}, {source} {_short(value)}, which is recorded")
    return lines


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
