"""The documentation says what the program does: generated parts fresh, examples run, links lead somewhere."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from gittrack import cli
from tests.pages import DOCS, ROOT, shell
from tests.repositories import run_git
from tests.tables import rows
from tests.wings import FILES, WINGS, wing_of

PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fenced(page: Path, language: str) -> list[str]:
    """The code blocks of one language, in order."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", page.read_text())


def test_generated_parts_are_fresh() -> None:
    """Field tables and help pages say what schemas and commands say; else: python docs/generate.py."""
    generator = load_generator()
    parts = generator.blocks()
    used = set()
    for page in DOCS.glob("*.md"):
        text = page.read_text()
        used |= {found[1] for found in generator.BLOCK.findall(text)}
        assert text == generator.refreshed(text, parts), f"{page.name} is stale: python docs/generate.py"
    assert used == set(parts)


def test_every_command_is_documented() -> None:
    """Each verb has a section in docs/cli.md and a row in the README."""
    headings = re.findall(r"(?m)^## gittrack ([a-z-]+)$", (DOCS / "cli.md").read_text())
    assert headings == list(cli.VERBS)
    rows = re.findall(r"(?m)^\| `gittrack ([a-z-]+)", (ROOT / "README.md").read_text())
    assert set(rows) == set(cli.VERBS)


def test_every_page_can_be_found_from_the_index() -> None:
    """docs/index.md links every page."""
    index = (DOCS / "index.md").read_text()
    linked = set(re.findall(r"\]\(([^)#]+)", index))
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} - {"index.md"}
    assert pages <= linked, f"not linked from docs/index.md: {sorted(pages - linked)}"


def section(page: Path, heading: str) -> str:
    """The text below ``## heading``, up to the next heading of its level."""
    return page.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_the_table_of_wings_is_the_tree() -> None:
    """docs/architecture.md names every wing, in the order of imports, and no other."""
    rows = re.findall(r"(?m)^\| `([a-z_]+)` \| \S", section(DOCS / "architecture.md", "The wings"))
    assert rows == list(WINGS)
    assert set(rows) == {wing_of(file) for file in FILES}


def test_the_architecture_names_files_that_are_there() -> None:
    """Every path in docs/architecture.md, from the root of the repository."""
    text = (DOCS / "architecture.md").read_text()
    paths = re.findall(r"(?<![\w/.])(?:[\w.-]+/)+[\w.-]*\w|(?<![\w/.])(?:[\w-]+/)+", text)
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []


def _slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _is_there(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    module, _, attribute = name.rpartition(".")
    try:
        parent = importlib.import_module(module)
        return hasattr(parent, attribute) or importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@rows("page", sorted(DOCS.glob("*.md")))
def test_modules_that_pages_name_are_there(page: Path) -> None:
    """Every ``gittrack.x.y`` in docs/, but for the decisions there, which tell how things were."""
    names = set(re.findall(r"(?<![\w./-])gittrack(?:\.[A-Za-z_]\w*){2,}(?![\w/])", page.read_text()))
    modules = sorted(name for name in names if not name.endswith(".json"))
    assert [name for name in modules if not _is_there(name)] == []


@rows("page", PAGES)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that is there, and its anchor a heading in it."""
    prose = re.sub(r"(?ms)^```.*?^```$", "", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"(?m)^#+ (.*)$", file.read_text())
            assert anchor in {_slug(heading) for heading in headings}, f"{page.name}: {target}"


def test_the_python_examples_print_what_the_page_says(inside: Path) -> None:
    """docs/api.md from top to bottom in one interpreter; ``...`` stands for anything."""
    names: dict[str, object] = {}
    blocks = fenced(DOCS / "api.md", "python")
    assert len(blocks) > 8
    for block in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, "docs/api.md", "exec"), names)  # noqa: S102
        said = "".join(line + "\n" for line in re.findall(r"(?m)^ *# → (.*)$", block))
        pattern = re.escape(said).replace(re.escape("..."), ".*")
        assert re.fullmatch(pattern, printed.getvalue()), f"{block}\nprinted\n{printed.getvalue()}"
    assert run_git(inside, "rev-list", "--count", "gittrack/runs").strip() == str(
        1 + sum(block.count("start_run(") for block in blocks)
    )


TRAIN = "import os, pathlib; pathlib.Path('model.pkl').write_text(os.environ['GITTRACK_SEED'])\n"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A project with DVC, a git remote and two runs with a model each."""
    run_git(tmp_path, "init", "-q", "--bare", "-b", "main", "origin.git")
    run_git(tmp_path, "clone", "-q", "origin.git", "project")
    project = tmp_path / "project"
    (project / "train.py").write_text(TRAIN)
    (project / ".gitignore").write_text("model.pkl\n")
    setup = """
        git checkout -q -b main
        dvc init -q && dvc remote add -q --default storage ../storage
        git add . && git commit -q -m first && git push -q -u origin main
        gittrack init
        gittrack run -e digits --seed 1 --pass env --output model.pkl:model -- python train.py
        gittrack run -e digits --seed 2 --pass env --output model.pkl:model -- python train.py
        """
    shell(setup, project)
    return project


def test_the_shell_examples_of_the_page_on_scale_work(published: Path) -> None:
    """docs/scale.md from top to bottom in one shell: a partial clone, a new year, a warehouse, a bundle."""
    pytest.importorskip("duckdb")
    blocks = fenced(DOCS / "scale.md", "sh")
    assert len(blocks) > 6
    said = shell("\n".join(blocks), published)
    everything = json.loads((published.parent / "all.json").read_text())
    assert [run["seed"] for run in everything] == [2, 3]
    assert re.search(r"project +. +1 ", said) and re.search(r"runs-2026 +. +2 ", said)


def test_the_shell_examples_of_the_ledger_page_work(published: Path) -> None:
    """docs/ledger.md from top to bottom in one shell, in a project with two runs."""
    blocks = fenced(DOCS / "ledger.md", "sh")
    assert len(blocks) > 5
    shell("\n".join(blocks), published)
    models = sorted(published.parent.rglob("fetched-*.pkl"))
    assert [m.read_text() for m in models] == ["2"] * 3, models
