"""Hypothesis strategies: records over everything that the schema of run.yaml allows."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from gittrack.formats import record as r
from gittrack.formats.attempts import Attempt, AttemptCode
from gittrack.formats.during import Ranks
from gittrack.formats.scheduler import Scheduler
from tests import machine

TRICKY = [
    "", " ", "~", "null", "Null", "yes", "No", "on", "OFF", "y", "n", "true", "FALSE", "1", "-1", "+1",
    "012", "0o7", "0xff", "0b11", "1_000", "1e3", "1e-3", "1E5", "1.", ".5", "-.5", ".inf", "-.INF", ".nan",
    "inf", "nan", "12:30:45", "190:20:30.15", "2001-12-14", "2001-12-14t21:59:43.10-05:00",
    "2026-11-22T14:22:33Z", "<<", "=", "!", "!tag x", "&a", "*a", "- a", "-", "--", "---", "...", "?",
    "? a", ":", "a:", "a: b", "a:b", ":a", "#", "a #b", "a#b", "[", "]", "[]", "{", "}", "{}", ",", "|",
    ">", "|-", "%YAML 1.1", "@a", "`a", "'", '"', "''", '"a"', "\\", "\\n", "it's", " lead", "trail ",
    "a  b", "a\nb", "\n", "a\r\nb", "\t", "a\tb", "\x00", "\x07", "\x7f", "\x85", "\xa0", "\u2028",
    "\u2029", "\ufeff", "a\ufeffb", "\u202e", "\u2066", "\u200f", "\ufffe", "\uffff", "\U0001fffe",
    "\U0010ffff", "é", "日本語", "😀", "\u0301", "C:\\x", "https://host/a?b=c#d", "0e1234", "12e45", "1e10f",
    "0b1a", "0b1", "x" * 1023, "x" * 1025, "\u202a" * 250, "long " * 2000, "1" * 40, "a" * 40, "e1", "e-1",
    "_1", "/", "/a b:c", "a :b",
]  # fmt: skip
"""Text that some reader of YAML takes for something else, or cannot take at all."""

characters = st.characters(codec="utf-8")
texts = st.one_of(st.sampled_from(TRICKY), st.text(characters, max_size=40))
keys = texts.map(lambda text: text[:250]).filter(bool)
labels = texts.map(lambda text: "".join(c for c in text if c >= " " and c != "\x7f")[:500]).filter(bool)
paths = texts.map(lambda text: text.replace("\0", "")[:4096]).filter(bool)
columns = labels.map(lambda text: text.replace(",", "").replace('"', "").strip(" ")[:250]).filter(bool)
metric_names = texts.map(lambda text: text[:1000]).filter(bool)
integers = st.one_of(st.integers(), st.integers(1 - 2**4096, 2**4096 - 1))
floats = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**63 - 1)
seeds = st.integers(1 - 2**128, 2**128 - 1)
experiments = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}", fullmatch=True)
run_ids = st.from_regex(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6,12}", fullmatch=True)

scalars = st.one_of(st.none(), st.booleans(), integers, floats, texts)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=10,
)
"""Free values, nested at will."""
free = st.dictionaries(keys, values, max_size=4)


def examples(number: int, **more: Any) -> settings:
    """So many examples; ten times as many in `make torture`."""
    return settings(max_examples=number * machine.EXAMPLES, **more)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def tuples(strategy: st.SearchStrategy[Any], min_size: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(strategy, min_size=min_size, max_size=2).map(tuple)


def hexes(*lengths: int) -> st.SearchStrategy[str]:
    digits = st.one_of(st.sampled_from("0123456789abcdef"), st.sampled_from("0e1"))
    return st.sampled_from(lengths).flatmap(
        lambda size: st.lists(digits, min_size=1, max_size=4).map(lambda few: ("".join(few) * size)[:size])
    )


oids = hexes(40, 64)
sha256s = hexes(64)
md5s = st.tuples(hexes(32), st.sampled_from(["", ".dir"])).map("".join)


def pointers(top: str) -> st.SearchStrategy[str]:
    parts = st.lists(
        paths.map(lambda text: text.replace("/", "")[:100]).filter(
            lambda part: part not in ("", ".", "..") and part.lower() != ".git"
        ),
        min_size=1,
        max_size=3,
    )
    return parts.map(lambda names: f"{top}/{'/'.join(names)}.dvc")


directions = maybe(st.sampled_from(["maximize", "minimize"]))
metrics = st.one_of(
    st.builds(
        r.Metric,
        value=integers | floats,
        step=maybe(st.integers(-(2**63), 2**63 - 1) | st.floats(-1e18, 1e18)),
        split=maybe(labels),
        direction=directions,
        unit=maybe(labels),
    ),
    st.builds(r.Metric, status=st.sampled_from(["nan", "inf", "-inf"]), step=maybe(st.integers(-5, 5))),
)
submodules = st.builds(r.Submodule, path=paths, commit=maybe(oids), recorded=maybe(oids), dirty=st.booleans())
left_out = st.builds(r.LeftOut, path=paths, size=counts, reason=texts)


@st.composite
def foreign_codes(draw: st.DrawFn) -> r.Code:
    """Of an imported run: as much as its source states."""
    return r.Code(
        commit=draw(maybe(oids)),
        tree=draw(maybe(oids)),
        dirty=draw(maybe(st.booleans())),
        command=draw(tuples(texts.map(lambda text: text.replace("\0", "")))),
        cwd=draw(maybe(paths)),
        entry=draw(maybe(paths)),
    )


@st.composite
def codes(draw: st.DrawFn) -> r.Code:
    commit = draw(maybe(oids))
    dirty = draw(st.booleans())
    return r.Code(
        commit=commit,
        tree=draw(oids),
        branch=draw(maybe(texts)),
        dirty=dirty,
        snapshot=draw(oids if dirty or commit is None else maybe(oids)),
        remote=draw(maybe(texts)),
        command=draw(tuples(texts.map(lambda text: text.replace("\0", "")))),
        cwd=draw(paths),
        entry=draw(maybe(paths)),
        submodules=draw(tuples(submodules)),
        left_out=draw(tuples(left_out)),
    )


data_inputs = st.builds(
    r.DataInput,
    path=paths,
    role=st.sampled_from(["train", "validation", "test", "holdout", "reference"]),
    source=st.sampled_from(["dvc", "git", "file"]),
    pointer=maybe(pointers("inputs")),
    md5=maybe(md5s),
    hash=maybe(st.sampled_from(["md5", "md5-dos2unix"])),
    sha256=maybe(sha256s),
    size=maybe(counts),
    nfiles=maybe(counts),
    blob=maybe(oids),
    differs_from=maybe(paths),
)
locks = st.builds(
    r.Lock,
    path=paths,
    kind=labels,
    sha256=sha256s,
    blob=maybe(oids),
    pins=st.sampled_from(["hashed", "versions", "none"]),
    note=maybe(texts),
    installed=maybe(st.builds(r.Installed, same=counts, differs=counts, missing=counts)),
)
environments = st.builds(
    r.EnvironmentSummary,
    sha256=sha256s,
    python=texts,
    os=texts,
    cpu=maybe(texts),
    gpus=tuples(texts),
    image=maybe(st.tuples(st.sampled_from(["", "repo/image:1@"]), sha256s).map("sha256:".join)),
)
numbers = st.integers(0, 10**18 - 1).map(str)
schedulers = st.builds(
    Scheduler,
    kind=st.just("slurm"),
    cluster=maybe(st.sampled_from(["gauss", "euler-2.x"])),
    job=numbers,
    array=maybe(numbers),
    task=maybe(counts),
    restarts=maybe(counts),
    step=maybe(numbers),
)
outputs = st.builds(
    r.Output,
    path=paths,
    role=labels,
    pointer=pointers("outputs"),
    md5=md5s,
    sha256=sha256s,
    size=counts,
    nfiles=maybe(counts),
    logical=st.booleans(),
    name=maybe(texts),
    version=maybe(texts),
    aliases=tuples(texts),
)
datasets = st.builds(
    r.Dataset,
    name=texts,
    digest=maybe(texts),
    source=maybe(texts),
    context=maybe(texts),
    details=st.dictionaries(keys, floats, max_size=2),
)
imports = st.builds(
    r.Imported,
    system=st.sampled_from(["mlflow", "wandb"]),
    version=maybe(texts),
    id=labels,
    digest=sha256s,
    status=maybe(labels),
    deleted=st.booleans(),
    parent=maybe(labels),
    note=maybe(texts),
    group=maybe(texts),
    job_type=maybe(texts),
    labels=tuples(texts),
)
series = st.one_of(
    st.builds(r.Series, rows=counts, columns=tuples(columns, 1), sha256=sha256s),
    st.builds(
        r.Series,
        rows=counts,
        columns=tuples(columns, 1),
        sha256=sha256s,
        pointer=pointers("outputs"),
        md5=md5s,
        size=counts,
        sampled_rows=counts,
        sampled_sha256=sha256s,
        names=st.dictionaries(columns, metric_names, max_size=2),
        axes=st.dictionaries(metric_names, metric_names, max_size=2),
    ),
)
texts_at_steps = st.builds(r.Texts, rows=counts, sha256=sha256s, size=counts) | st.builds(
    r.Texts,
    rows=counts,
    sha256=sha256s,
    size=counts,
    pointer=pointers("outputs"),
    md5=md5s,
    complete_sha256=sha256s,
    complete_size=counts,
    sampled_rows=counts,
)
consoles = st.builds(r.Console, sha256=sha256s, size=counts, truncated=st.booleans())
base_models = st.builds(
    r.BaseModel,
    name=texts,
    revision=maybe(texts),
    digest=maybe(texts),
    modification=maybe(texts),
    source=maybe(texts),
)
ranks = st.builds(
    Ranks, number=st.integers(0, 10**9 - 1), size=maybe(st.integers(2, 10**9 - 1)), variable=labels
)
failures = st.builds(r.Failure, type=texts, message=texts)
moments = (
    st.datetimes()
    .filter(lambda moment: 1 <= moment.year <= 9000)
    .map(lambda moment: moment.isoformat(timespec="microseconds") + "Z")
)
attempt = st.builds(
    Attempt,
    started=moments,
    duration_s=maybe(st.floats(0, 1e9)),
    status=st.sampled_from(["finished", "failed", "killed", "unknown"]),
    failure=maybe(failures),
    ended_by=maybe(st.sampled_from(["program", "process", "command", "recovery", "preemption"])),
    host=maybe(labels),
    python=maybe(texts),
    os=maybe(texts),
    cpu=maybe(texts),
    gpus=tuples(texts),
    restarts=maybe(counts),
    code=maybe(st.builds(AttemptCode, commit=maybe(oids), tree=oids, snapshot=maybe(oids))),
)
attempts = st.just(()) | st.lists(attempt, min_size=2, max_size=3).map(tuple)


@st.composite
def records(draw: st.DrawFn) -> r.Record:
    """Any record that the schema allows."""
    status: r.Status = draw(st.sampled_from(["finished", "failed", "killed"]))
    imported = draw(maybe(imports))

    def known(strategy: st.SearchStrategy[Any]) -> Any:
        """What only an imported run may leave out."""
        return draw(strategy if imported is None else maybe(strategy))

    return r.Record(
        id=draw(run_ids),
        experiment=draw(experiments),
        experiment_name=draw(maybe(texts)),
        imported=imported,
        name=draw(maybe(labels)),
        status=status,
        failure=draw(failures if status == "failed" else maybe(failures)),
        started=known(moments),
        duration_s=draw(st.floats(0, 1e9)),
        author=known(st.builds(r.Author, name=texts, email=texts)),
        hypothesis=draw(maybe(texts)),
        tags=draw(st.dictionaries(keys, texts, max_size=3)),
        params=draw(free),
        seed=draw(maybe(seeds)),
        seeds=draw(st.dictionaries(keys, seeds, max_size=2)),
        metrics=draw(st.dictionaries(metric_names, metrics, max_size=3)),
        code=draw(codes() if imported is None else foreign_codes()),
        ranks=draw(maybe(ranks)),
        data=draw(tuples(data_inputs)),
        datasets=draw(tuples(datasets)),
        locks=draw(tuples(locks)),
        environment=known(environments),
        scheduler=draw(maybe(schedulers)),
        determinism=draw(free),
        outputs=draw(tuples(outputs)),
        series=draw(maybe(series)),
        texts=draw(maybe(texts_at_steps)),
        console=draw(maybe(consoles)),
        spec=draw(sha256s),
        protocol=draw(maybe(oids)),
        reproduces=draw(maybe(run_ids)),
        parent=draw(maybe(run_ids)),
        continues=draw(maybe(run_ids)),
        supersedes=draw(maybe(run_ids)),
        base_models=draw(tuples(base_models)),
        attempts=draw(attempts),
        tool=r.Tool(version=draw(labels)),
    )
