"""A study as a person would make it: criteria first, candidates, failures, a decision; and its report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import gittrack
from gittrack.formats.config import load
from gittrack.formats.decision import Decision, Outcome
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.governance.decide import decide
from gittrack.publishing.report import Report, ReportOptions, gather
from gittrack.publishing.report.chapters import document
from gittrack.publishing.report.html import as_html
from gittrack.publishing.report.markdown import as_markdown
from gittrack.publishing.report.plain import as_plain
from tests.repositories import run_git

PROTOCOL: dict[str, Any] = {
    "question": "Which network reads digits best?",
    "metrics": {
        "accuracy": {"direction": "maximize", "split": "test", "why": "Every mistake costs the same."},
        "loss": {"direction": "minimize", "split": "test"},
    },
    "gate": {"metric": "accuracy", "threshold": 0.9, "runs": 3, "why": "Clerks read 90 of 100 right."},
    "reproducibility": {
        "level": "statistical",
        "tolerance": {"accuracy": 0.01},
        "factors": ["the GPU model"],
    },
}
EVIDENCE: dict[str, Any] = {
    "purpose": "Reads digits on forms.",
    "provider": "Example Ltd",
    "version": "2.0",
    "limitations": ["Not for handwriting of children."],
    "changes": ["Retrained each year on new forms."],
    "datasheets": {"data/train.csv": "docs/train.md", "data/test.csv": "https://example.org/sheets/test"},
    "links": {
        "annex-iv.5": "https://example.org/risk",
        "annex-iv.8": "docs/declaration.md",
        "annex-iv.2e": "docs/train.md",
    },
}


@dataclass
class Study:
    """A project with runs of the experiment ``digits``."""

    top: Path
    runs: list[Record] = field(default_factory=list)

    def write(
        self, protocol: Mapping[str, Any] = PROTOCOL, evidence: Mapping[str, Any] | None = None
    ) -> None:
        """gittrack.yaml, not committed."""
        plain: dict[str, Any] = {"experiments": {"digits": dict(protocol)}}
        if evidence is not None:
            plain["evidence"] = dict(evidence)
        (self.top / "gittrack.yaml").write_text(yaml.safe_dump(plain, allow_unicode=True), encoding="utf-8")

    def commit(self, message: str = "protocol") -> str:
        run_git(self.top, "add", "-A")
        run_git(self.top, "commit", "-q", "-m", message)
        return run_git(self.top, "rev-parse", "HEAD").strip()

    def run(
        self, accuracy: float, seed: int, *, steps: int = 0, more: Mapping[str, float] = {}, **params: Any
    ) -> Record:
        """A finished run; with a curve if it has steps."""
        with gittrack.start_run("digits", seed=seed, params=params) as run:
            for step in range(steps):
                run.log_metric("accuracy", accuracy * (1 - 0.5 ** (step + 1)), step=step)
            run.log_metrics({"accuracy": accuracy, "loss": 1 - accuracy, **more})
        assert run.record is not None
        self.runs.append(run.record)
        return run.record

    def fail(self, **params: Any) -> Record:
        with pytest.raises(ValueError), gittrack.start_run("digits", seed=9, params=params) as run:
            raise ValueError("no data")
        assert run.record is not None
        self.runs.append(run.record)
        return run.record

    def decide(
        self, run: Record, outcome: Outcome = "selected", because: str = "the best that passes", **more: Any
    ) -> Decision:
        return decide(self.repository, load(self.top), run.id, outcome, because, **more)[0]

    @property
    def repository(self) -> Repository:
        return Repository.discover(self.top)

    def report(self, name: str = "digits", **options: Any) -> Report:
        return gather(self.repository, load(self.top), name, ReportOptions(**options))

    def html(self, name: str = "digits", **options: Any) -> str:
        return as_html(document(self.report(name, **options)))

    def markdown(self, name: str = "digits", **options: Any) -> str:
        return as_markdown(document(self.report(name, **options)))

    def json(self, name: str = "digits", **options: Any) -> dict[str, Any]:
        plain: dict[str, Any] = json.loads(
            json.dumps(as_plain(self.report(name, **options)), allow_nan=False)
        )
        return plain


@pytest.fixture
def study(inside: Path) -> Study:
    """A project with criteria committed, and no run so far."""
    made = Study(inside)
    made.write()
    made.commit()
    return made


@pytest.fixture
def decided(study: Study) -> Study:
    """Two specs of three and one runs, one that failed, evidence from people, and a decision."""
    (study.top / "docs").mkdir()
    (study.top / "docs" / "train.md").write_text("# Training data\n")
    study.write(evidence=EVIDENCE)
    study.commit("evidence")
    by_group = {"accuracy/age=old": 0.90, "accuracy/age=young": 0.94}
    for seed, value in enumerate((0.91, 0.92, 0.93)):
        study.run(value, seed, steps=5, more=by_group, width=64)
    study.run(0.8, 0, steps=5, width=16)
    study.fail(width=16)
    study.decide(study.runs[0])
    return study


def answer(report: Report, item: str) -> Any:
    """The one to the item."""
    return next(a for a in report.answers if a.id == item)
