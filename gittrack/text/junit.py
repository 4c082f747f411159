"""JUnit's XML, as CI systems read it. XML has no form for control characters: they are shown as escapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from gittrack.text.text import clean, one_line


class TestCase(NamedTuple):
    """A test: passed, unless `state` says otherwise."""

    name: str
    state: Literal["failure", "skipped"] | None = None
    message: str = ""
    text: str = ""


def test_suite(
    name: str, cases: Iterable[TestCase], output: str, properties: Mapping[str, str] | None = None
) -> str:
    """A suite of `cases`, of untrusted text; `name` is ``program verb``, and `output` all that was said."""
    listed = list(cases)
    failures, skipped = (sum(case.state == state for case in listed) for state in ("failure", "skipped"))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name={_attribute(name)} tests="{len(listed)}" failures="{failures}" '
        f'skipped="{skipped}" errors="0">',
    ]
    if properties is not None:
        pairs = properties.items()
        rows = [f"<property name={_attribute(key)} value={_attribute(value)}/>" for key, value in pairs]
        lines += ["<properties>", *rows, "</properties>"]
    group = _attribute(name.replace(" ", "."))
    for case in listed:
        lines.append(f"<testcase classname={group} name={_attribute(case.name)}>")
        if case.state is not None:
            message = _attribute(case.message)
            lines.append(f"<{case.state} message={message}>{_content(case.text)}</{case.state}>")
        lines.append("</testcase>")
    lines += [f"<system-out>{_content(output)}</system-out>", "</testsuite>"]
    return "\n".join(lines) + "\n"


def _content(text: str) -> str:
    return escape("\n".join(clean(line) for line in text.split("\n")))


def _attribute(text: str) -> str:
    return quoteattr(one_line(text))
