"""A project with a gate, and runs to judge by it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.formats.record import Metric, Record
from gittrack.git.repository import Repository
from gittrack.governance.gate import Judgement, judge
from gittrack.reading.index import open_index
from tests.ledgers import commit_records
from tests.repositories import run_git

CHANGED = "print('changed')\n"


@dataclass
class Lab:
    """A project whose runs are of the experiment ``digits``; each method is what a person would do."""

    top: Path
    records: list[Record] = field(default_factory=list)

    def write(self, *, direction: str | None = "maximize", split: str | None = "test", **gate: Any) -> None:
        """A gittrack.yaml with this gate (accuracy of 0.89 and 3 runs, if nothing else is said)."""
        import yaml

        rule = {"metric": "accuracy", "threshold": 0.89, "runs": 3, **gate}
        meaning = {k: v for k, v in (("direction", direction), ("split", split)) if v is not None}
        self.write_plain(
            {"metrics": {"accuracy": meaning}, "gate": {k: v for k, v in rule.items() if v is not None}},
            yaml.safe_dump,
        )

    def write_plain(self, experiment: dict[str, Any], dump: Any = None) -> None:
        import yaml

        text = (dump or yaml.safe_dump)({"experiments": {"digits": experiment}}, allow_unicode=True)
        (self.top / "gittrack.yaml").write_text(text, encoding="utf-8")

    def commit(self, message: str = "protocol") -> str:
        run_git(self.top, "add", "-A")
        run_git(self.top, "commit", "-q", "--allow-empty", "-m", message)
        return run_git(self.top, "rev-parse", "HEAD").strip()

    def fix(self, **gate: Any) -> str:
        """Write the gate and commit it."""
        self.write(**gate)
        return self.commit()

    def run(self, value: float | None, seed: int | None = None, **options: Any) -> Record:
        """One finished run with this accuracy; None logs none."""
        with gittrack.start_run("digits", seed=seed, **options) as run:
            if value is not None:
                run.log_metric("accuracy", value)
        assert run.record is not None
        self.records.append(run.record)
        return run.record

    def runs(self, *values: float, first: int = 0) -> list[Record]:
        """Runs with seeds that count up from `first`."""
        return [self.run(value, seed) for seed, value in enumerate(values, first)]

    def fail(self, seed: int | None = None) -> Record:
        """One run that fails."""
        with pytest.raises(ValueError), gittrack.start_run("digits", seed=seed) as run:
            raise ValueError("no data")
        assert run.record is not None
        return run.record

    def rerun(self, of: Record, value: float, seed: int | None, **changes: Any) -> Record:
        """What `gittrack reproduce` puts on the ledger: a run that reproduces `of`, a moment later."""
        self.records.append(
            replace(
                of,
                id=f"20990101-0000{len(self.records):02d}-{len(self.records):06x}",
                started=f"2099-01-01T00:00:{len(self.records):02d}.000000Z",
                seed=seed,
                reproduces=of.id,
                **{
                    "metrics": {"accuracy": Metric(value=value)},
                    "status": "finished",
                    "failure": None,
                    **changes,
                },
            )
        )
        commit_records(self.repository, [self.records[-1]])
        return self.records[-1]

    @property
    def repository(self) -> Repository:
        return Repository.discover(self.top)

    def judge(self, name: str = "latest", **options: Any) -> Judgement:
        with open_index(self.top) as index:
            return judge(index.repository, index, name, **options)


def codes(judgement: Judgement, kind: str) -> set[str]:
    """Codes of the findings of one kind."""
    return {finding.code for finding in judgement.findings if finding.kind == kind}


def said(judgement: Judgement, code: str) -> str:
    """What the one finding with this code says."""
    (found,) = [finding.says for finding in judgement.findings if finding.code == code]
    return found
