"""What the shims look for: extended regular expressions, one a line, for ``grep -E`` over path names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gittrack.formats.config import Config
from gittrack.git.repository import Repository

KEY = "gittrack.watch"

# A change to either of the two may change what is to be looked for, or be part of a training commit.
_ALWAYS = (r'(^|/)dvc\.(lock|yaml)"?$', r"^gittrack\.yaml$", r"^Gittrack-Experiment: ")
_SPECIAL = re.compile(r"([\\.^$*+?()\[\]{}|])")
_ESCAPED = r"\\\1"


def patterns(config: Config, metrics: Iterable[str]) -> list[str]:
    """For dvc.lock, the trailer, the configured paths and these metrics files or folders."""
    paths = {*config.training_commit.paths, *config.training_commit.metrics, *metrics}
    names = sorted(p.rstrip("/") for p in paths if p.rstrip("/") and p.isprintable())
    return [*_ALWAYS, *(f'^"?{_SPECIAL.sub(_ESCAPED, path)}("?$|/)' for path in names)]


def refresh(repo: Repository, config: Config) -> None:
    """Bring the shims' list up to date with gittrack.yaml and the dvc.yaml files at HEAD."""
    from gittrack.recording.commits.pipeline import metrics_named

    head = repo.resolve("HEAD")
    wanted = patterns(config, metrics_named(repo, head) if head else ())
    if repo.config.get(KEY) == wanted:
        return
    repo.run("config", "--local", "--unset-all", KEY)
    for pattern in wanted:
        repo.git("config", "--local", "--add", KEY, pattern, doing="set what the hooks look for")
