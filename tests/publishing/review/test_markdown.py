"""The review as Markdown: what it says, what it escapes, how long it gets."""

from __future__ import annotations

import json
import re
from html import unescape
from statistics import mean

import pytest

from gittrack.formats.codec import write_yaml
from gittrack.formats.record import DataInput, Lock, Metric, Record, Series
from gittrack.publishing.review import review, to_dict
from gittrack.publishing.review.markdown import LIMIT, MARKER, as_markdown
from gittrack.publishing.review.questions import questions
from gittrack.publishing.review.terminal import terminal
from gittrack.stats.metrics import metric_names
from gittrack.stats.replicates import Group
from gittrack.text.text import Paint
from tests.ledgers import BRANCH, make_record
from tests.publishing.review.proposing import PROPOSAL, Propose

UP = "maximize"


def run(number: int, accuracy: float, *, seed: int | None = 1, spec: str = "4", **changes: object) -> Record:
    """A run with an accuracy."""
    metrics = {"acc": Metric(value=accuracy, direction=UP)}
    return make_record(number, seed=seed, spec=spec * 64, metrics=metrics, **changes)


def shown(text: str) -> str:
    """As a person reads it."""
    return unescape(re.sub(r"</?code>", "", text)).replace("\u200b", "")


def test_the_table_of_runs(propose: Propose) -> None:
    """Baseline first; parameters that differ; metrics with difference and verdict."""
    repository = propose(
        [run(0, 0.90, params={"lr": 0.1, "depth": 2})],
        [run(1, 0.95, spec="5", params={"lr": 0.2, "depth": 2}), run(2, 0.85, spec="6", params={"lr": 0.3})],
    )
    text = shown(as_markdown(review(repository, BRANCH, PROPOSAL)))
    assert text.startswith(f"{MARKER}\n## gittrack: 2 runs added to the ledger (digits)\n")
    assert "| Run | Status | Seed | depth | lr | acc ↑ |" in text
    assert f"| {make_record(0).id} (baseline) | finished | 1 | 2 | 0.1 | 0.9 |" in text
    assert f"| {make_record(1).id} | finished | 1 | 2 | 0.2 | 0.95 (+0.05, **better**) |" in text
    assert f"| {make_record(2).id} | finished | 1 | — | 0.3 | 0.85 (-0.05, **worse**) |" in text


def test_the_verdict_of_verify_comes_first(propose: Propose) -> None:
    """These records name code and digests that are not there: it says so before anything else."""
    found = review(propose([run(0, 0.9)], [run(1, 0.9)]), BRANCH, PROPOSAL)
    assert found.verified is not None and found.verified.outcome != "PASS"
    lines = as_markdown(found).splitlines()
    assert f"**verify: {found.verified.outcome}**" in lines[3]
    assert lines.index("| | Finding | Where | What |") < lines.index("### digits")


def test_replicates(propose: Propose) -> None:
    """Mean, interval and whether the difference is real; a seed that ran twice counts once."""
    known = [run(i, a, seed=i) for i, a in enumerate([0.90, 0.91, 0.92])]
    new = [run(9 + i, a, seed=min(i, 2), spec="5") for i, a in enumerate([0.95, 0.96, 0.97, 0.99])]
    found = review(propose(known, new), BRANCH, PROPOSAL)
    (r,) = found.experiments[0].replicated
    assert (r.mean.n, r.base and r.base.n, r.verdict) == (3, 3, "better")
    assert "| 3 | acc | 0.96 ± 0.025 (n 3) | 0.91 ± 0.025 (n 3) | +0.05" in shown(as_markdown(found))
    assert "**yes, better** (p = 0.0036)" in as_markdown(found)


def test_replicates_may_differ_in_named_seeds_alone(propose: Propose) -> None:
    """Three splits under one seed are three replicates, as to compare; a split that ran twice is one."""
    new = [run(9 + i, a, spec="5", seeds={"split": min(i, 2)}) for i, a in enumerate([0.95, 0.96, 0.97, 0.5])]
    found = review(propose([run(0, 0.9)], new), BRANCH, PROPOSAL)
    (r,) = found.experiments[0].replicated
    assert (r.mean.n, r.mean.mean) == (3, pytest.approx(0.96))
    assert r.mean.mean == pytest.approx(mean(Group("digits", "5" * 64, tuple(new)).across.values("acc")))
    assert not [text for text in questions(found) if "one seed" in text]


def test_splits_of_one_run_are_asked_about_as_one_seed(propose: Propose) -> None:
    """A rerun with nothing varied says nothing of chance."""
    new = [run(n, 0.95, spec="5", seeds={"split": 1}) for n in (1, 2)]
    found = review(propose([run(0, 0.9)], new), BRANCH, PROPOSAL)
    assert not found.experiments[0].replicated
    assert [text for text in questions(found) if "one seed" in text]


def test_one_run_against_replicates_is_too_little(propose: Propose) -> None:
    """n too small, in so many words."""
    found = review(
        propose([run(0, 0.9, seed=1), run(1, 0.91, seed=2)], [run(9, 0.95, spec="5")]), BRANCH, PROPOSAL
    )
    assert "| n too small |" in as_markdown(found)


def test_metrics_come_in_the_order_of_stats(propose: Propose) -> None:
    """Those with a direction first, then by name: in tables and among replicates, however runs list them."""
    metrics = {"z": Metric(value=1.0), "b": Metric(value=2.0), "y": Metric(value=3.0, direction=UP)}
    known = make_record(0, seed=1, spec="4" * 64, metrics=metrics)
    new = [make_record(n, seed=n, spec="5" * 64, metrics=metrics) for n in (1, 2)]
    found = review(propose([known], new), BRANCH, PROPOSAL)
    order = metric_names(new)
    assert order == ["y", "b", "z"]
    assert [r.metric for r in found.experiments[0].replicated] == order
    assert "| Run | Status | Seed | y ↑ | b | z |" in shown(as_markdown(found))
    assert re.search(r"seed +y +b +z", "\n".join(terminal(found, Paint(), None)))


def test_changes_against_the_baseline(propose: Propose) -> None:
    """Data, locks, packages: runs that differ alike are told together."""

    def data(digit: str) -> tuple[DataInput, ...]:
        return (DataInput(path="d.csv", role="test", source="file", sha256=digit * 64),)

    def lock(digit: str) -> tuple[Lock, ...]:
        return (Lock(path="uv.lock", kind="uv", sha256=digit * 64, pins="hashed"),)

    old = run(0, 0.9, data=data("a"), locks=lock("a"))
    new = [run(n, 0.9, data=data("b"), locks=lock("b")) for n in (1, 2)]
    text = shown(as_markdown(review(propose([old], new), BRANCH, PROPOSAL)))
    assert f"<summary>{new[0].id}, {new[1].id}: 1 data, 1 lock" in text
    assert "- data: d.csv (test): aaaaaaaaaaaa → bbbbbbbbbbbb" in text
    assert "- lock: uv.lock: aaaaaaaaaaaa" in text
    assert "d.csv (test) differs from the baseline's" in text


def test_hostile_text_is_text(propose: Propose) -> None:
    """In every place of a record that the document shows: no raw markup, link or fence survives."""
    evil = "</code>|<img src=x>[a](http://e.vil)@ada #1 ``` \u202e"
    name = evil.replace("\u202e", "").replace("`", "")
    series = Series(rows=2, columns=(name,), sha256="a" * 64)
    new = make_record(
        1,
        hypothesis=evil,
        params={evil: evil},
        metrics={name: Metric(value=1.0, unit=name, direction=UP)},
        series=series,
        data=(DataInput(path=name, role="test", source="file", sha256="a" * 64),),
    )
    environment = write_yaml({"packages": {name: name}})
    repository = propose(
        [make_record(0)],
        [new],
        environment_yaml=environment,
        metrics_csv=f"step,time,{name}\n0,0,1\n1,1,2\n".encode(),
    )
    text = as_markdown(review(repository, BRANCH, PROPOSAL))
    assert "```mermaid" in text
    for token in ("<img", "[a](", "http:", "@ada", "\u202e", "#1 "):
        assert token not in text, token
    assert text.count("```") == 2


def test_a_comment_holds_it(propose: Propose) -> None:
    """However much there is: heading, findings and table are in, and what was cut is named."""
    new = [
        run(
            n,
            n / 1000,
            spec="5",
            seed=n,
            hypothesis="word " * 80 + str(n),
            params={f"p{n}": "x" * 40 * (n % 3)},
        )
        for n in range(1, 60)
    ]
    found = review(propose([run(0, 0.9)], new), BRANCH, PROPOSAL)
    text = as_markdown(found)
    assert len(text) < LIMIT
    assert "### To decide" in text
    short = as_markdown(found, 6000)
    assert len(short) <= 6000
    assert short.startswith(MARKER) and "### To decide" in short
    assert "left out: " in short.splitlines()[-1]


def test_questions_follow_from_the_findings(propose: Propose) -> None:
    """Each weakness of the runs becomes one question."""
    from gittrack.formats.record import Code

    code = Code(commit="1" * 40, tree="2" * 40, dirty=True, snapshot="3" * 40)
    new = [run(1, 0.9, seed=None, code=code), run(2, 0.9, spec="5", status="failed"), run(3, 0.8, spec="6")]
    asked = "\n".join(questions(review(propose([], new), BRANCH, PROPOSAL)))
    for words in (
        "verify says FAIL", "did not finish", "uncommitted code", "no lock file", "has no seed",
        "no hypothesis", "names no data", "2 configurations were tried", "no earlier run to compare with",
    ):  # fmt: skip
        assert words in asked, words


def test_a_clean_run_raises_few_questions(propose: Propose) -> None:
    """What is in order is not asked about."""
    lock = (Lock(path="uv.lock", kind="uv", sha256="a" * 64, pins="hashed"),)
    data = (DataInput(path="d.csv", role="test", source="file", sha256="a" * 64),)

    def sound(number: int, seed: int) -> Record:
        return run(number, 0.9 + seed / 100, seed=seed, locks=lock, data=data, hypothesis="h")

    found = review(propose([sound(0, 1)], [sound(1, 1), sound(2, 2)]), BRANCH, PROPOSAL)
    assert [q for q in questions(found) if not q.startswith("verify")] == []


def test_json_is_whole_and_finite(propose: Propose) -> None:
    """Records, comparisons, replicates, findings and questions; no NaN."""
    found = review(
        propose([run(0, 0.9, seed=1)], [run(1, 0.95, seed=2), run(2, 0.96, seed=3)]), BRANCH, PROPOSAL
    )
    plain = json.loads(json.dumps(to_dict(found, questions(found)), allow_nan=False))
    (experiment,) = plain["experiments"]
    assert [r["id"] for r in experiment["runs"]] == [make_record(n).id for n in (1, 2)]
    assert experiment["baseline"]["id"] == make_record(0).id
    assert experiment["replicates"][0]["verdict"] == "n too small"
    assert plain["verify"]["findings"]


@pytest.mark.parametrize("columns", [None, 40, 200])
def test_the_terminal_view(propose: Propose, columns: int | None) -> None:
    """The same facts as text; what would steer the terminal is escaped."""
    found = review(propose([run(0, 0.9)], [run(1, 0.95, spec="5", hypothesis="\x1b[2J")]), BRANCH, PROPOSAL)
    text = "\n".join(terminal(found, Paint(), columns))
    assert "verify: FAIL" in text and make_record(1).id in text and "To decide" in text
    assert "\x1b" not in text


def test_named_seeds_stand_beside_the_seed(propose: Propose) -> None:
    """Runs with seed 1 that differ in the split are told apart; one may name a split alone."""
    new = [run(n, 0.9, seed=None if n == 3 else 1, seeds={"split": n}) for n in (1, 2, 3)]
    found = review(propose([run(0, 0.9, seed=None)], new), BRANCH, PROPOSAL)
    page = shown(as_markdown(found))
    seeds = ["—", "1 (split 1)", "1 (split 2)", "split 3"]
    assert [line.split(" | ")[2] for line in page.splitlines() if re.match(r"\| 2026", line)] == seeds
    listing = "\n".join(terminal(found, Paint(), None))
    assert all(words in listing for words in seeds[1:])
