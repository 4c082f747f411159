"""The shape of the code: which room may import which, how long a file may be, who may print."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from gittrack import cli

PACKAGE = Path(cli.__file__).parent.parent
FILES = sorted(PACKAGE.rglob("*.py"))

# A room may import only what stands above it, at the top of a module or inside a function.
# A new room gets a place here: as far up as what it imports allows.
ROOMS = (
    "version",
    "errors",
    "workers",
    "record",
    "spec",
    "scrub",
    "values",
    "codec",
    "config",
    "objects",
    "repository",
    "hashing",
    "pointers",
    "capture",
    "journal",
    "ledger",
    "decision",
    "index",
    "across",
    "artifacts",
    "registry",
    "finish",
    "propose",
    "begin",
    "joining",
    "exits",
    "views",
    "run",
    "fluent",
    "command",
    "result_files",
    "recording",
    "wrap",
    "setup",
    "exchange",
    "doctor",
    "reading",
    "query",
    "sheet",
    "compare",
    "stats",
    "replicates",
    "figures",
    "tasks",
    "gate",
    "importance",
    "contrast",
    "decide",
    "reproduction",
    "verify",
    "reproduce",
    "sweep",
    "githooks",
    "__init__",
    "render",
    "review",
    "export",
    "bundle",
    "report",
    "cli",
    "__main__",
)

HEAVY = frozenset(
    {"dvc", "dvc_data", "dvc_objects", "git", "jsonschema", "jsonschema_rs", "numpy", "pandas", "psutil"}
    | {"scipy", "tabulate", "threadpoolctl", "yaml", "ruamel", "configobj", "orjson"}
    | {"ray", "sklearn", "optuna", "mlflow", "cryptography", "xlsxwriter", "pyarrow", "duckdb"}
)
LONGEST = 400


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of what is imported anywhere in `tree`, except for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from imports(node)


def rooms_imported(file: Path) -> set[str]:
    """Rooms of gittrack that `file` imports, its own left out."""
    found = set()
    for name in imports(ast.parse(file.read_text())):
        top, *rest = name.split(".")
        if top == "gittrack":
            found.add(rest[0] if rest and rest[0] in ROOMS else "__init__")
    return found - {room_of(file)}


def test_every_room_has_its_place() -> None:
    """The list names what is there, once each, and nothing else."""
    assert len(set(ROOMS)) == len(ROOMS)
    assert set(ROOMS) == {room_of(file) for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_a_room_imports_only_rooms_above_it(file: Path) -> None:
    """So there are no circles, and a reader can go from top to bottom."""
    above = set(ROOMS[: ROOMS.index(room_of(file))])
    assert rooms_imported(file) <= above


def test_the_rule_sees_imports_inside_functions(tmp_path: Path) -> None:
    """The test of the test: a late import of a room below is found, one for type checkers is not."""
    source = "if TYPE_CHECKING:\n    import gittrack.cli\ndef late():\n    from gittrack import run\n"
    assert list(imports(ast.parse(source))) == ["gittrack.recording.run"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_a_file_stays_short(file: Path) -> None:
    """At most 400 lines."""
    assert len(file.read_text().splitlines()) <= LONGEST


def top_level_imports(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from imports(ast.Module([node], []))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_nothing_heavy_is_imported_at_the_top(file: Path) -> None:
    """What takes long to load is imported by the function that uses it."""
    found = {name.split(".")[0] for name in top_level_imports(ast.parse(file.read_text()))}
    assert not found & HEAVY


def calls(file: Path) -> set[str]:
    """What `file` calls, as written."""
    return {ast.unparse(n.func) for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call)}


@pytest.mark.parametrize(
    "file", [f for f in FILES if room_of(f) != "cli"], ids=lambda file: file.relative_to(PACKAGE).as_posix()
)
def test_only_the_command_line_prints(file: Path) -> None:
    """The library never writes to the terminal."""
    assert not calls(file) & {"print", "sys.stdout.write", "sys.stderr.write", "typer.echo"}


@pytest.mark.parametrize("verb", cli.VERBS)
def test_a_verb_explains_itself(verb: str) -> None:
    """Its help begins with the line that the list of verbs shows, and ends with examples of itself."""
    module = __import__(f"gittrack.cli.{verb.replace('-', '_')}", fromlist=["command"])
    text = inspect.getdoc(module.command) or ""
    assert text.splitlines()[0] == cli.VERBS[verb]
    examples = text.partition("Examples:\n")[2]
    assert f"gittrack {verb}" in examples
