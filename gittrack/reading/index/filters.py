"""The words of a filter, read: text to a tree of conditions.

MLflow's filter words, and ``or``, ``not`` and parentheses. A name is ``metrics.acc``,
``params.lr``, ``params.model.depth``, ``tags.who`` or an attribute such as ``status``; a key
with other characters goes between backticks or double quotes (``metrics.`val/acc of day 1` ``).
Operators: ``= == != <> < <= > >= like ilike in (...) not in (...) is null is not null``.
Words are read in any case; text goes between single or double quotes, a quote in it twice.

What is missing (a metric that the run lacks, a NaN, a run without branch) never satisfies
an operator, ``!=`` and ``not in`` included; ``is null`` finds it, and so does ``not (...)``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gittrack.errors import UsageError
from gittrack.reading.index.rows import TOTALS

MAX_NESTING = 100
MAX_TERMS = 2_000

Family = Literal["metrics", "params", "tags", "attributes"]

# Every name that people of MLflow or git would try, and the attribute it means.
ATTRIBUTES = {
    "id": "id", "run_id": "id", "experiment": "experiment", "experiment_name": "experiment", "name": "name",
    "run_name": "name", "status": "status", "started": "started", "start_time": "started",
    "ended": "ended", "end_time": "ended", "duration": "duration", "duration_s": "duration",
    "author": "author", "user": "author", "user_id": "author", "email": "email", "commit": "commit",
    "branch": "branch", "dirty": "dirty", "seed": "seed", "spec": "spec",
    "hypothesis": "hypothesis", "outcome": "outcome", "imported": "imported",
    **{name: name for name in TOTALS},
}  # fmt: skip
FAMILIES: dict[str, Family] = {
    "metrics": "metrics", "metric": "metrics", "params": "params", "param": "params", "parameters": "params",
    "parameter": "params", "tags": "tags", "tag": "tags",
}  # fmt: skip
ATTRIBUTE_PREFIXES = ("attributes", "attribute", "attr", "run")


@dataclass(frozen=True, slots=True)
class Field:
    """What a name means: a key of one of the families, or an attribute."""

    family: Family
    key: str

    def __str__(self) -> str:
        return self.key if self.family == "attributes" else f"{self.family}.{self.key}"


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it was written: its text, and its number or truth if it is one."""

    text: str
    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Compare:
    """`field` compared with `literal`."""

    field: Field
    operator: str
    literal: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """`field` is equal to one of `literals`, or to none."""

    field: Field
    literals: tuple[Value, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class IsNull:
    """`field` is missing, or is not."""

    field: Field
    negated: bool


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite, of what is missing too."""

    inner: Condition


@dataclass(frozen=True, slots=True)
class Both:
    """All (`word` "and") or any ("or") of the parts."""

    word: Literal["and", "or"]
    parts: tuple[Condition, ...]


Condition = Compare | OneOf | IsNull | Not | Both


def parse_filter(text: str) -> Condition:
    """The tree of conditions in `text`; UsageError says at which column it goes wrong."""
    reader = _Reader(text, "filter")
    condition = reader.either(0)
    reader.end()
    return condition


def parse_order(text: str) -> tuple[Field, bool]:
    """A name to sort by, and whether it is descending: ``metrics.acc DESC``."""
    reader = _Reader(text, "sort order")
    field = reader.field()
    descending = reader.accept("desc") is not None
    if not descending:
        reader.accept("asc")
    reader.end()
    return field, descending


class UnknownName(UsageError):
    """A name that is neither an attribute nor of a family; a reader that knows the runs can say more."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


_TOKENS = re.compile(
    r"""(?P<space>\s+)
    |(?P<name>[A-Za-z_]\w*(?:\.(?:`[^`]+`|"(?:[^"]|"")+"|[\w./@:%-]+))*)
    |(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))
    |(?P<string>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<sign>==|!=|<>|<=|>=|=|<|>|\(|\)|,)""",
    re.VERBOSE,
)
_WORDS = frozenset({"and", "or", "not", "in", "like", "ilike", "is", "null", "true", "false", "asc", "desc"})
_OPERATORS = {"==": "=", "<>": "!="}
_COMPARISONS = frozenset({"=", "==", "!=", "<>", "<", "<=", ">", ">=", "like", "ilike"})


def _tokens(text: str, what: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            raise UsageError(
                f"{what}: cannot read {text[at : at + 20]!r} at column {at + 1}; {_help_for(text[at])}"
            )
        kind = str(match.lastgroup)
        if kind == "name" and match[0].lower() in _WORDS:
            kind = match[0].lower()
        elif kind == "sign":
            kind = match[0]
        if kind != "space":
            tokens.append(_Token(kind, match[0], at + 1))
        at = match.end()
    tokens.append(_Token("end", "", len(text) + 1))
    return tokens


def _help_for(character: str) -> str:
    if character in "'\"`":
        return "its closing quote is missing"
    return "put text between quotes, and a key with such characters between backticks"


class _Reader:
    """Recursive descent over the tokens: either -> both -> negation -> one comparison."""

    def __init__(self, text: str, what: str) -> None:
        self._what = what
        self._tokens = _tokens(text, what)
        self._at = 0
        self._terms = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def accept(self, *kinds: str) -> _Token | None:
        token = self._next
        if token.kind not in kinds:
            return None
        self._at += 1
        return token

    def _fail(self, hint: str, token: _Token | None = None) -> UsageError:
        token = token or self._next
        seen = "unexpected end" if token.kind == "end" else f"unexpected {token.text[:40]!r}"
        return UsageError(f"{self._what}: {seen} at column {token.column}; {hint}")

    def _require(self, kind: str, hint: str) -> _Token:
        token = self.accept(kind)
        if token is None:
            raise self._fail(hint)
        return token

    def end(self) -> None:
        if self._next.kind != "end":
            raise self._fail("join conditions with and, or")

    def either(self, depth: int) -> Condition:
        return self._chain("or", depth)

    def _chain(self, word: Literal["and", "or"], depth: int) -> Condition:
        parts: list[Condition] = []
        while not parts or self.accept(word):
            parts.append(self._chain("and", depth) if word == "or" else self._negation(depth))
        return parts[0] if len(parts) == 1 else Both(word, tuple(parts))

    def _negation(self, depth: int) -> Condition:
        if depth > MAX_NESTING:
            raise self._fail(f"more than {MAX_NESTING} levels deep: write it flatter")
        if self.accept("not"):
            return Not(self._negation(depth + 1))
        if self.accept("("):
            inner = self.either(depth + 1)
            self._require(")", "a ) is missing")
            return inner
        return self._comparison()

    def _comparison(self) -> Condition:
        field = self.field()
        if self.accept("is"):
            negated = self.accept("not") is not None
            self._require("null", "write: is null, or: is not null")
            self._count()
            return IsNull(field, negated)
        negated = self.accept("not") is not None
        if self.accept("in"):
            return OneOf(field, self._list(), negated)
        operator = self.accept("like", "ilike") if negated else self.accept(*_COMPARISONS)
        if operator is None:
            raise self._fail("after a name comes one of = != < <= > >= like ilike in, not in, is null")
        compare = Compare(field, _OPERATORS.get(operator.kind, operator.kind), self._literal())
        # As SQL has it, what is missing is not "not like" anything either.
        return Both("and", (IsNull(field, True), Not(compare))) if negated else compare

    def _list(self) -> tuple[Value, ...]:
        self._require("(", "write: in ('a', 'b')")
        literals = [self._literal()]
        while self.accept(","):
            literals.append(self._literal())
        self._require(")", "a list ends with )")
        return tuple(literals)

    def _literal(self) -> Value:
        self._count()
        token = self.accept("string", "number", "true", "false")
        if token is None:
            raise self._fail("here comes a number, true, false, or text between quotes")
        if token.kind == "string":
            quote = token.text[0]
            text = token.text[1:-1].replace(quote * 2, quote)
            return Value(text, text)
        if token.kind == "number":
            return Value(token.text, _number(token.text))
        return Value(token.kind, token.kind == "true")

    def _count(self) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise UsageError(f"{self._what}: more than {MAX_TERMS} values; ask in several filters")

    def field(self) -> Field:
        token = self._require("name", "here comes a name such as metrics.acc, params.lr, tags.who or status")
        prefix, _, key_text = token.text.partition(".")
        key = _unquoted(key_text)
        if prefix.lower() in FAMILIES and key:
            return Field(FAMILIES[prefix.lower()], key)
        name = key if prefix.lower() in ATTRIBUTE_PREFIXES and key else token.text
        if name.lower() in ATTRIBUTES:
            return Field("attributes", ATTRIBUTES[name.lower()])
        known = ", ".join(dict.fromkeys(ATTRIBUTES.values()))
        hint = f"write metrics.{name}, params.{name} or tags.{name}; attributes are {known}"
        raise UnknownName(str(self._fail(hint, token)), name)


def _unquoted(key: str) -> str:
    """A key without its quotes; quoted parts may stand between dots."""
    parts = re.findall(r'`[^`]+`|"(?:[^"]|"")+"|[^`"]+', key)
    return "".join(p[1:-1].replace('""', '"') if p[0] in '`"' else p for p in parts)


def _number(text: str) -> int | float:
    if re.fullmatch(r"[+-]?\d+", text) and len(text) < 20 and -(2**63) <= int(text) < 2**63:
        return int(text)
    return float(text)


def numeric(literal: Value) -> int | float | None:
    """The number that a literal is or, written as text as MLflow's users do, spells."""
    if isinstance(literal.value, bool):
        return None
    if isinstance(literal.value, str):
        text = literal.value.strip()
        return (
            _number(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII) else None
        )
    return literal.value
