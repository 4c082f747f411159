"""Setting a repository up: what `gittrack init` does. Every step can be repeated."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from gittrack.errors import RepositoryError
from gittrack.formats.config import FILE, Config
from gittrack.git.repository import Repository
from gittrack.ledger import ANCHOR, Ledger
from gittrack.version import VERSION

EXAMPLE = """\
# gittrack.yaml: what gittrack should know about this project. Every key may be left out.
# Committed with the code, it proves which criteria were fixed before there were results.
# All keys: gittrack schema config

experiment: {experiment}

# inputs:                        # data that every run reads, recorded at its start
#   - path: data/train.csv
#     role: train                # train, validation, test, holdout, reference
#
# experiments:
#   {experiment}:
#     question: What is to be found out?
#     metrics:
#       accuracy:
#         direction: maximize
#         split: test
#         why: Why this metric answers the question.
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that init looked after: what, and whether it had to be done now."""

    what: str
    done: bool


def set_up(repo: Repository, config: Config, *, write_config: bool = True) -> list[Step]:
    """Ledger branch, fetch refspecs of every remote, a first gittrack.yaml."""
    from gittrack.dvc.settings import ledger_config

    ledger = Ledger(repo, config.ledger.branch)
    before = ledger.state().tip
    after = ledger.append([], dvc_config=ledger_config(repo.worktree), replace_config=True)
    steps = [Step(f"ledger branch {ledger.branch}", before is None)]
    if before not in (None, after):
        steps.append(Step("DVC remotes on the ledger", True))
    steps += [
        Step(f"fetch refspecs of remote {r}", _add_refspecs(repo, r, ledger.branch)) for r in repo.remotes()
    ]
    if write_config and repo.worktree is not None:
        steps.append(Step(FILE, _write_example(repo.worktree)))
    return steps


CI_FILES = {"github": ".github/workflows/gittrack.yml", "gitlab": ".gitlab/gittrack.yml"}
"""Where the workflow that verifies and reviews pull requests goes, by forge."""

DRIVER = "diff.gittrack-series.textconv"
ATTRIBUTE = "runs/**/metrics.csv diff=gittrack-series"


def write_ci(top: Path, forge: str, ledger: str) -> Step:
    """Write the workflow for `forge`; one that is there stays as it is."""
    from importlib.resources import files

    name = CI_FILES[forge]
    template = files("gittrack.publishing.review") / "templates" / f"{forge}.yml"
    text = template.read_text(encoding="utf-8").replace("@LEDGER@", ledger).replace("@VERSION@", VERSION)
    return Step(name, _write_new(top / name, text))


def set_textconv(repo: Repository) -> Step:
    """Have git show metrics.csv of the ledger as a few lines, in this clone."""
    # -P: git runs it at the top of the work tree, from which nothing may be imported.
    # The verb, as no module's path may be kept where a new version cannot change it.
    command = f"{shlex.quote(sys.executable)} -P -m gittrack hooks textconv"
    changed = repo.setting(DRIVER) != command
    if changed:
        repo.git("config", "--replace-all", DRIVER, command, doing="set the diff driver")
    return Step(f"diff driver for series ({DRIVER})", _add_attribute(repo) or changed)


def names_module(driver: str) -> bool:
    """Whether a diff driver runs a module of gittrack, whose path is not promised to stay, and no verb."""
    return re.search(r"-m\s+gittrack\.", driver) is not None


def _add_attribute(repo: Repository) -> bool:
    """git reads .gitattributes of what is checked out, which the ledger is not: so in the clone's own."""
    path = repo.common_dir / "info" / "attributes"
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
        if ATTRIBUTE in text.splitlines():
            return False
        path.parent.mkdir(exist_ok=True)
        gap = "" if not text or text.endswith("\n") else "\n"
        with path.open("a", encoding="utf-8") as out:
            out.write(f"{gap}{ATTRIBUTE}\n")
    except OSError as error:
        raise RepositoryError(f"cannot write {path}: {error.strerror}") from error
    return True


def missing_refspecs(repo: Repository, remote: str, branch: str) -> list[str]:
    """Refspecs that an ordinary `git fetch` still needs to bring the ledger and its anchor."""
    present = [spec.lstrip("+") for spec in repo.config.get(f"remote.{remote}.fetch", [])]
    wanted = []
    if not any(spec.startswith((f"refs/heads/{branch}:", "refs/heads/*:")) for spec in present):
        # A pattern, because git refuses to fetch a name that the remote does not have (yet).
        wanted.append(f"+refs/heads/{branch}*:refs/remotes/{remote}/{branch}*")
    wanted.append(f"+{ANCHOR}*:refs/gittrack/remotes/{remote}/code*")
    return [spec for spec in wanted if spec.lstrip("+") not in present]


def _add_refspecs(repo: Repository, remote: str, branch: str) -> bool:
    missing = missing_refspecs(repo, remote, branch)
    for spec in missing:
        repo.git("config", "--add", f"remote.{remote}.fetch", spec, doing=f"configure remote {remote}")
    return bool(missing)


def _write_example(top: Path) -> bool:
    return _write_new(top / FILE, EXAMPLE.format(experiment=_experiment_of(top.name)))


def _write_new(path: Path, text: str) -> bool:
    """Write a file that is not there yet; whether it had to be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise RepositoryError(f"cannot write {path}: {error.strerror}") from error
    return True


def _experiment_of(folder: str) -> str:
    """The folder's name as an experiment may be called, in quotes where YAML would take it for a number."""
    from gittrack.formats import codec

    name = re.sub(r"[^A-Za-z0-9_.-]", "-", folder).lstrip("-.")[:100]
    if not name or not folder.isascii():
        return "default"
    return name if codec.read_yaml(name.encode(), FILE) == name else f'"{name}"'
