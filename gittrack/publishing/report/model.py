"""What the report on an experiment rests on: facts gathered from the ledger, nothing rendered yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gittrack.formats.config import EvidenceConfig, ExperimentConfig
from gittrack.formats.decision import Decision, Figure
from gittrack.formats.record import DataInput, Record
from gittrack.formats.reproduction import Reproduction
from gittrack.governance.gate import Judgement, Origin
from gittrack.reading.diff import Comparison
from gittrack.reading.entry import Entry
from gittrack.stats.replicates import Group
from gittrack.verify import VerifyReport

if TYPE_CHECKING:
    from gittrack.stats.importance import Importance

ItemOrder = Literal["annex-iv", "aisdp"]
Status = Literal["here", "elsewhere", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """What a person asked for."""

    since: str | None = None
    """A former release: a run, ``NAME@VERSION``, a tag or revision, or a date."""
    order: ItemOrder = "annex-iv"
    verify: bool = True
    title: str | None = None
    generated: str | None = None
    """When the report is made, to be said in it; None: it is not said, and the bytes are always the same."""


@dataclass(frozen=True, slots=True)
class Web:
    """Pages of a forge: ``https://host/owner/name``, and how it writes the address of a file."""

    address: str
    form: Literal["github", "gitlab", "forgejo"]

    def file(self, commit: str, path: str) -> str:
        from urllib.parse import quote

        middle = {"github": "blob", "gitlab": "-/blob", "forgejo": "src/commit"}[self.form]
        return f"{self.address}/{middle}/{commit}/{quote(path)}"

    def commit(self, commit: str) -> str:
        return f"{self.address}/{'-/' if self.form == 'gitlab' else ''}commit/{commit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something lies that the records do not have: a web address, or a path in the repository."""

    target: str
    web: bool = False
    commit: str | None = None
    """HEAD, where a path was looked for."""
    oid: str | None = None
    """What lies at the path there; None where nothing does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A decision on the ledger, and the commit that brought it."""

    decision: Decision
    blob: str
    commit: str
    author: str
    committer: str
    committed: str
    """UTC: the committer's word."""
    signature: Literal["SSH", "OpenPGP", "X.509"] | None = None
    """Of the commit. What it is worth is for verify to say."""
    merge: str | None = None
    """The merge that brought it to the ledger's own line; None where it was committed there."""
    merged_by: str | None = None
    holds: bool = True
    """False for one that a later decision on the same run supersedes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The runs of one spec, as the decision weighed them, or as they are now."""

    spec: str
    apart: Mapping[str, Any]
    """Parameters by which it differs from another one."""
    runs: tuple[str, ...]
    """That finished, oldest first."""
    failed: tuple[str, ...]
    figures: Mapping[str, Figure]
    outcome: str | None
    """That of the last of its runs that has one."""
    weighed: bool
    """Whether the decision on the subject names it."""
    later: int = 0
    """Runs that were added after the decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A gittrack.yaml that runs of the experiment were made under, and the gate in it."""

    blob: str | None
    """None: there was no gittrack.yaml."""
    runs: int
    first: str
    """Id of the first run made under it."""
    gate: str | None
    why: str = ""
    """Why the gate cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A metric for one group of cases, in the subject and over the replicates of its spec."""

    metric: str
    group: str
    value: float | str
    whole: float | None
    """The subject's value of the metric over all cases."""
    figure: Figure | None


@dataclass(frozen=True, slots=True)
class Curve:
    """One run's values of a metric: finite, by step, ascending, at most a few hundred of them."""

    run: str
    spec: str
    points: tuple[tuple[float, float], ...]
    count: int
    """Of the points of the series in git, finite ones."""
    lowest: float
    highest: float
    sampled: bool = False
    """Whether the series in git is a sample of the whole."""
    odd: int = 0
    """Values besides them that are not finite, or too large to be drawn."""


@dataclass(frozen=True, slots=True)
class Curves:
    """The learning curves of one metric; that of the subject first."""

    metric: str
    lines: tuple[Curve, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Time of the runs of one kind on one machine."""

    what: str
    """``finished``, ``failed``, ``killed``, ``unknown``, ``rejected`` or ``reruns``."""
    machine: str
    runs: int
    timed: int
    """Of the `runs`, those whose duration is recorded: the hours are theirs."""
    hours: float
    device_hours: float
    """Hours times the number of GPUs; 0 without any."""
    gpu_runs: int = 0
    """Of the `runs`, those that measured how long they were on GPUs."""
    gpu_hours: float = 0.0
    """What these measured."""
    energy_runs: int = 0
    """Of the `runs`, those of which a counter of the hardware has counted energy."""
    energy_kwh: float = 0.0
    """What was counted of these."""
    nested: int = 0
    """Of the `runs`, those that are part of another one that is counted, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataUse:
    """One data set as runs read it: the same path, role and digest."""

    data: DataInput
    runs: int
    first: str
    """Id of a run that read it."""
    sheet: Place | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs between the former and the present subject."""

    kind: str
    name: str
    before: Any
    now: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of the experiment since a former release."""

    since: str
    how: str
    """What `since` was taken for."""
    commit: str
    date: str
    runs: int
    """Runs added."""
    before: str | None
    """Run that was selected then."""
    now: str | None
    comparison: Comparison | None
    why: str = ""
    """Why there is no comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the records have on one item: in words, with the runs and commits that it rests on."""

    text: str
    section: str
    runs: Sequence[str] = ()
    commits: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One item of the mapping, and where its evidence is."""

    id: str
    provision: str
    title: str
    module: int
    status: Status
    recorded: bool
    """Whether development records could have something on it at all."""
    here: Sequence[Evidence] = ()
    link: Place | None = None
    limit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping_:
    """Where the items come from, as schemas/annex-iv.json has them."""

    source: str
    url: str
    consolidated: str
    amended_by: str
    note: str
    modules: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All facts. `subject` is the run that was selected, or asked for; None where there is neither."""

    title: str
    experiment: str
    order: ItemOrder
    generated: str | None
    branch: str
    tip: str
    committed: str
    """Of the tip, UTC: the date of the report, so that the same ledger gives the same report."""
    web: Web | None
    evidence: EvidenceConfig
    stated_in: str | None
    """Blob of the gittrack.yaml that `evidence` is from; None where HEAD has another one."""
    protocol: ExperimentConfig
    versions: Sequence[Version]
    mapping: Mapping_
    groups: Sequence[Group]
    records: Sequence[Record]
    """Every run that can be read, oldest first."""
    candidates: Sequence[Candidate]
    outcomes: Mapping[str, str]
    """Outcome by run id."""
    blobs: Mapping[str, str]
    """Blob of run.yaml by run id."""
    commits: Mapping[str, str]
    """Ledger commit that added the run, by run id."""
    damaged: Mapping[str, str]
    """Path of the record by run id."""
    decisions: Sequence[Signed]
    subject: Entry | None
    subject_why: str
    """Why it is this run."""
    packages: Mapping[str, str] | None
    """Those that the subject's program could import: version by name; None: not known."""
    origins: Sequence[Origin]
    """Commits since which the gate has been in force, for the runs of the subject's spec."""
    origins_why: str
    gate: Judgement | None
    gate_why: str
    reproductions: Sequence[Reproduction]
    spent: Sequence[Spent]
    data: Sequence[DataUse]
    overlaps: Sequence[tuple[DataInput, DataInput]]
    """Training data that is test or validation data too: the same digest."""
    slices: Sequence[Slice]
    curves: Sequence[Curves]
    importance: Importance | None
    importance_why: str
    verified: VerifyReport | None
    change: Change | None
    change_why: str
    answers: Sequence[Answer] = field(default_factory=tuple)

    @property
    def decision(self) -> Signed | None:
        """The decision that holds for the subject."""
        run = self.subject.id if self.subject else None
        return next((s for s in reversed(self.decisions) if s.holds and s.decision.run == run), None)

    @property
    def group(self) -> Group | None:
        """The runs of the subject's spec."""
        spec = self.subject.record.spec if self.subject else None
        return next((group for group in self.groups if group.spec == spec), None)

    @property
    def runs(self) -> int:
        return sum(len(group.runs) for group in self.groups)
