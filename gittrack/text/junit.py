"""JUnit XML, as CI systems show it: a suite of cases that passed, failed or were skipped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from gittrack.text.text import clean, one_line

_ELEMENTS = {"failed": "failure", "skipped": "skipped"}


@dataclass(frozen=True, slots=True)
class Case:
    """One test case; `message` and `says` tell why it failed or was skipped."""

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""
    says: str = ""


def as_junit(
    name: str, cases: Sequence[Case], output: str, properties: Iterable[tuple[str, str]] = ()
) -> str:
    """The suite `name` as a document; `output` is what it said, in lines."""
    failed, skipped = (sum(case.outcome == outcome for case in cases) for outcome in _ELEMENTS)
    facts = [f"<property name={_attribute(key)} value={_attribute(value)}/>" for key, value in properties]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuite name={_attribute(name)} "
        f'tests="{len(cases)}" failures="{failed}" skipped="{skipped}" errors="0">',
        *(["<properties>", *facts, "</properties>"] if facts else ()),
        *(line for case in cases for line in _case(name.replace(" ", "."), case)),
        f"<system-out>{_content(output)}</system-out>",
        "</testsuite>",
    ]
    return "\n".join(lines) + "\n"


def _case(classname: str, case: Case) -> Iterator[str]:
    yield f"<testcase classname={_attribute(classname)} name={_attribute(case.name)}>"
    if case.outcome != "passed":
        element = _ELEMENTS[case.outcome]
        yield f"<{element} message={_attribute(case.message)}>{_content(case.says)}</{element}>"
    yield "</testcase>"


def _content(text: str) -> str:
    """As XML 1.0 text, which has no form for control characters and surrogates; lines stay."""
    return escape("\n".join(map(clean, text.split("\n"))))


def _attribute(text: str) -> str:
    return quoteattr(one_line(text))
