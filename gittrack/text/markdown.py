"""Text of records in a document that GitHub and GitLab render: letters as they are, everything else inert.

Every character that Markdown, HTML or the forge itself could take for something becomes a numeric
character reference; what a forge links in the rendered text (@name, #12, !3, GH-4) is broken up with
a space of no width, or stands in <code>, where forges link nothing.
"""

from __future__ import annotations

import re

from gittrack.text.text import cut, one_line

_SPECIAL = re.compile(r"[^\w ,;]|_")
_LINKED = re.compile(r"&#(?:33|35|36|37|38|64|94|126);|&#58;(?=&#47;&#47;)|(?i:\bgh-)")


def prose(text: str, limit: int = 300) -> str:
    """`text` as one line of running text, cut to `limit` columns."""
    plain = _SPECIAL.sub(_reference, cut(one_line(text), limit))
    return _LINKED.sub(lambda found: f"{found[0]}&#8203;", plain)


def code(text: str, limit: int = 80) -> str:
    """`text` set as code, cut to `limit` columns; a dash where there is none."""
    plain = cut(one_line(text), limit)
    return f"<code>{_SPECIAL.sub(_reference, plain)}</code>" if plain else "—"


def label(text: str, limit: int = 60) -> str:
    """`text` as a quoted string of mermaid can hold it: letters, digits and what has no meaning there."""
    return cut(re.sub(r"[^\w .,/()+-]", "_", one_line(text)), limit).strip() or "_"


def _reference(match: re.Match[str]) -> str:
    """A full stop or a dash inside a number or a name means nothing, except after ``www``."""
    before, after = match.string[: match.start()], match.string[match.end() : match.end() + 1]
    if match[0] == "." and not before[-3:].lower().endswith("www"):
        return "."
    if match[0] == "-" and before[-1:].isalnum() and after.isalnum():
        return "-"
    return f"&#{ord(match[0])};"
