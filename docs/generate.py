"""Write the parts of the documentation that the code says better: field tables and help pages.

Run `python docs/generate.py` after changing a schema or a command; a test compares. What is
generated stands between two comments, ``<!-- generated: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

from gittrack import cli
from gittrack.formats import codec

DOCS = Path(__file__).parent
BLOCK = re.compile(r"(?s)(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->\n)")


class Page:
    """The tables of one schema."""

    def __init__(self, name: str) -> None:
        self.schema: dict[str, Any] = json.loads(codec.schema_text(name))
        self._forms: dict[str, str] = {}

    def fields(self) -> str:
        """Every field that the schema knows: path, type, whether it is always there, meaning."""
        lines = ["| field | type | | meaning |", "|---|---|---|---|"]
        lines += self._rows(self.schema, "")
        return "\n".join(lines) + "\n"

    def forms(self) -> str:
        """The named types that the table of `fields` uses."""
        lines = ["| type | what it takes |", "|---|---|"]
        lines += [f"| {name} | {_cell(text)} |" for name, text in sorted(self._forms.items())]
        return "\n".join(lines) + "\n"

    def _rows(self, node: dict[str, Any], prefix: str) -> Iterator[str]:
        required = node.get("required", ())
        for key, part in node.get("properties", {}).items():
            path = prefix + key
            always = "always" if key in required else ""
            default = f" Default: `{json.dumps(part['default'])}`." if "default" in part else ""
            kind, below, suffix = self._kind(part)
            yield f"| `{path}` | {kind} | {always} | {_cell(part['description'] + default)} |"
            if below is not None:
                yield from self._rows(below, path + suffix + ".")

    def _kind(self, part: dict[str, Any]) -> tuple[str, dict[str, Any] | None, str]:
        """The type of a field in words, the object below it if there is one, and how its path goes on."""
        target, name = self._resolve(part)
        if "properties" in target:
            return "mapping", target, ""
        if "prefixItems" in target:
            return f"list of {', '.join(self._kind(item)[0] for item in target['prefixItems'])}", None, ""
        if target.get("type") == "array":
            kind, below, suffix = self._kind(target["items"])
            return ("list" if below else f"list of {kind}"), below, "[]" + suffix
        if target.get("type") == "object" and name is None and "additionalProperties" not in target:
            return "mapping", None, ""
        if target.get("type") == "object" and name is None:
            kind, below, suffix = self._kind(target["additionalProperties"])
            return "by name" if below else f"{kind} by name", below, ".<name>" + suffix
        if "const" in target:
            return f"`{target['const']}`", None, ""
        if "enum" in target:
            return ", ".join(f"`{word}`" for word in target["enum"]), None, ""
        if "anyOf" in target:
            return " or ".join(self._kind(choice)[0] for choice in target["anyOf"]), None, ""
        if name is not None:
            self._forms[name] = target["description"]
            return name, None, ""
        kinds = target["type"] if isinstance(target["type"], list) else [target["type"]]
        words = {"string": "text", "integer": "whole number", "null": "nothing"}
        return " or ".join(words.get(kind, kind) for kind in kinds), None, ""

    def _resolve(self, part: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
        """The definition that `part` refers to, and its name; the first one of a chain."""
        if "$ref" not in part:
            return part, None
        name = part["$ref"].removeprefix("#/$defs/")
        return self.schema["$defs"][name], name


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def help_pages() -> str:
    """The help of gittrack and of each of its commands, as a terminal of 100 columns shows it."""
    pages = [f"## gittrack\n\n```text\n{help_of()}```\n"]
    pages += [f"## gittrack {verb}\n\n```text\n{help_of(verb)}```\n" for verb in cli.VERBS]
    return "\n".join(pages)


def help_of(*verb: str) -> str:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), suppress(SystemExit):
            cli.main([*verb, "--help"])
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return "".join(line.rstrip() + "\n" for line in printed.getvalue().splitlines())


def blocks() -> dict[str, str]:
    """Everything generated, by name."""
    found = {"cli": help_pages()}
    for name in codec.schema_names():
        page = Page(name)
        found[f"{name}-fields"] = page.fields()
        found[f"{name}-types"] = page.forms()
    return found


def refreshed(text: str, parts: dict[str, str]) -> str:
    """`text` with every generated block as it should be now."""
    return BLOCK.sub(lambda m: f"{m[1]}\n{parts[m[2]]}\n{m[3]}", text)


def main() -> None:
    parts = blocks()
    for path in sorted(DOCS.glob("*.md")):
        old = path.read_text(encoding="utf-8")
        new = refreshed(old, parts)
        if new != old:
            path.write_text(new, encoding="utf-8")
            sys.stdout.write(f"wrote {path.name}\n")


if __name__ == "__main__":
    main()
