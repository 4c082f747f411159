"""The shape of the code: which wing may import which, how long a file may be, who may print."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

from gittrack import cli
from tests.tables import rows
from tests.wings import FILES, PACKAGE, WINGS, wing_of

HEAVY = frozenset(
    {"dvc", "dvc_data", "dvc_objects", "git", "jsonschema", "jsonschema_rs", "numpy", "pandas", "psutil"}
    | {"scipy", "tabulate", "threadpoolctl", "yaml", "ruamel", "configobj", "orjson"}
    | {"ray", "sklearn", "optuna", "mlflow", "cryptography", "xlsxwriter", "pyarrow", "duckdb"}
)
LONGEST = 400

VERIFY_WHOLE = """
import gittrack.verify
for found in pkgutil.iter_modules(gittrack.verify.__path__):
    importlib.import_module(f"gittrack.verify.{found.name}")
"""


def name_of(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of what is imported anywhere in `tree`: in functions and for type checkers, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(file: Path) -> set[str]:
    """What `file` imports of gittrack."""
    return {name for name in imports(ast.parse(file.read_text())) if name.split(".")[0] == "gittrack"}


def wings_imported(file: Path) -> set[str]:
    """Wings of gittrack that `file` imports, its own left out."""
    wings = {name.split(".")[1] if "." in name else "__init__" for name in own_imports(file)}
    return {wing if wing in WINGS else "__init__" for wing in wings} - {wing_of(file)}


def module_of(name: str, modules: frozenset[str]) -> str:
    """The module that the dotted `name` is, or is a part of."""
    while name not in modules:
        name = name.rpartition(".")[0]
    return name


def test_every_wing_has_its_place() -> None:
    """The list names what is there, once each, and nothing else; the root holds at most 22 names."""
    assert len(set(WINGS)) == len(WINGS)
    assert set(WINGS) == {wing_of(file) for file in FILES}
    assert len(WINGS) <= 22


def test_a_wing_imports_only_wings_above_it() -> None:
    """So that a reader can go from top to bottom."""
    above = {file: set(WINGS[: WINGS.index(wing_of(file))]) for file in FILES}
    wrong = {name_of(file): sorted(wings_imported(file) - above[file]) for file in FILES}
    assert {name: wings for name, wings in wrong.items() if wings} == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Within a wing as between wings, late imports and those for type checkers among them."""
    modules = {".".join(("gittrack", *f.relative_to(PACKAGE).with_suffix("").parts)): f for f in FILES}
    modules = {name.removesuffix(".__init__"): file for name, file in modules.items()}
    known = frozenset(modules)
    graph = {
        name: {module_of(other, known) for other in own_imports(file)} - {name}
        for name, file in modules.items()
    }
    order = TopologicalSorter(graph)
    order.prepare()  # CycleError names the circle
    assert order.is_active()


def test_the_rule_sees_every_import() -> None:
    """The test of the test: a late import is found, and one for type checkers is."""
    source = (
        "if TYPE_CHECKING:\n    import gittrack.cli\ndef late():\n    from gittrack.recording import run\n"
    )
    assert set(imports(ast.parse(source))) == {"gittrack.cli", "gittrack.recording.run"}


def test_a_file_stays_short() -> None:
    """At most 400 lines."""
    lengths = {name_of(file): len(file.read_text().splitlines()) for file in FILES}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def top_level_imports(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from imports(ast.Module([node], []))


def test_nothing_heavy_is_imported_at_the_top() -> None:
    """What takes long to load is imported by the function that uses it."""
    loaded = {f: {name.split(".")[0] for name in top_level_imports(ast.parse(f.read_text()))} for f in FILES}
    assert {name_of(file): names & HEAVY for file, names in loaded.items() if names & HEAVY} == {}


@pytest.mark.parametrize(
    "module", ["gittrack.verify", "gittrack.governance.criteria", "gittrack.reading.protocol"]
)
def test_what_checks_loads_nothing_that_records(module: str) -> None:
    """verify stands on records, criteria and protocols alone: not on the code whose work it checks."""
    script = f"import sys, pkgutil, importlib, {module}\n" + VERIFY_WHOLE + "print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    loaded = done.stdout.split()
    assert module in loaded
    assert [name for name in loaded if name.startswith(("gittrack.recording", "gittrack.running"))] == []


def starts_unsafely(words: list[str]) -> bool:
    """Whether a command line starts our Python, or a module of ours, without -P or -I."""
    program, *options = words or [""]
    ours = program == "sys.executable" or any(word.startswith("'gittrack.") for word in options)
    return ours and bool({"'-m'", "'-c'"} & {*options}) and options[0] not in ("'-P'", "'-I'")


def unsafe_starts(tree: ast.AST) -> list[str]:
    """Command lines in `tree` that may import from the folder they are started in, as lists or as text."""
    lists = [node for node in ast.walk(tree) if isinstance(node, (ast.List, ast.Tuple))]
    unsafe = [ast.unparse(node) for node in lists if starts_unsafely([*map(ast.unparse, node.elts)])]
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    lines = [text for text in texts if isinstance(text, str) and "`" not in text]  # no docstring
    return unsafe + [line for line in lines if re.search(r"(?<! -[PI]) -m gittrack", line)]


def test_a_python_of_ours_imports_nothing_from_where_it_is_started() -> None:
    """Each start has -P or -I: the folder may be the user's, with a gittrack.py or json.py in it."""
    unsafe = {name_of(file): unsafe_starts(ast.parse(file.read_text())) for file in FILES}
    assert {name: starts for name, starts in unsafe.items() if starts} == {}
    shims = [file.read_text() for file in (PACKAGE.parent / "hooks").iterdir() if file.is_file()]
    starts = [line for shim in shims for line in shim.splitlines() if "-m gittrack" in line]
    assert starts
    assert [line for line in starts if "-P -m gittrack" not in line] == []


@pytest.mark.parametrize(
    "start",
    [
        "[sys.executable, '-m', 'gittrack.workers', name]",
        "[python, '-m', 'gittrack.workers']",
        "[sys.executable, '-c', script]",
        "f'{python} -m gittrack hooks'",
    ],
)
def test_the_rule_sees_every_start(start: str) -> None:
    """The test of the test: each form without -P is seen, and with it is not."""
    assert unsafe_starts(ast.parse(start))
    assert unsafe_starts(ast.parse(start.replace("'-", "'-P', '-", 1).replace(" -m", " -P -m"))) == []


def calls(file: Path) -> set[str]:
    """What `file` calls, as written."""
    return {ast.unparse(n.func) for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call)}


def test_only_the_command_line_prints() -> None:
    """The library never writes to the terminal."""
    written = {"print", "sys.stdout.write", "sys.stderr.write", "typer.echo"}
    found = {name_of(file): calls(file) & written for file in FILES if wing_of(file) != "cli"}
    assert {name: verbs for name, verbs in found.items() if verbs} == {}


@rows("verb", cli.VERBS)
def test_a_verb_explains_itself(verb: str) -> None:
    """Its help begins with the line that the list of verbs shows, and ends with examples of itself."""
    module = import_module(f"gittrack.cli.{cli.module_of(verb)}")
    text = inspect.getdoc(module.command) or ""
    assert text.splitlines()[0] == cli.VERBS[verb]
    examples = text.partition("Examples:\n")[2]
    assert f"gittrack {verb}" in examples


PRONOUNS = frozenset(
    {"found", "said", "shown", "kept", "there", "here", "asked", "done", "whole", "rest", "each"}
)


def assigned_locals(tree: ast.AST) -> list[str]:
    """Names that are assigned to, in functions and outside."""
    return [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def test_helpers_lie_in_modules_of_their_own() -> None:
    """No test imports from a module of tests, or from a conftest."""
    importing = re.compile(r"^\s*from tests\.(?:\w+\.)*(?:test_\w+|conftest) import", re.MULTILINE)
    tests = Path(__file__).parent
    assert [str(path) for path in tests.rglob("*.py") if importing.search(path.read_text())] == []


def test_locals_are_nouns() -> None:
    """A reader learns from a name what the value is: at most 2 % are pronouns or verbs of this kind."""
    names = {name_of(file): assigned_locals(ast.parse(file.read_text())) for file in FILES}
    pronouns = {name: words for name, all_of in names.items() if (words := PRONOUNS.intersection(all_of))}
    count = sum(name in PRONOUNS for all_of in names.values() for name in all_of)
    assert count < 0.02 * sum(map(len, names.values())), pronouns


def test_an_option_of_three_verbs_is_declared_once() -> None:
    """In cli/options.py: help in the same words, and names that cannot come to differ."""
    declared = [
        ast.unparse(argument.annotation)
        for verb in cli.VERBS
        for node in ast.walk(ast.parse((PACKAGE / "cli" / f"{cli.module_of(verb)}.py").read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == "command"
        for argument in node.args.args
        if argument.annotation is not None and "typer." in ast.unparse(argument.annotation)
    ]
    assert declared
    assert [option for option, count in Counter(declared).items() if count > 2] == []
