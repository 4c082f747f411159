"""The model card: metadata that huggingface_hub reads, a body in which nothing of a record is markup."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gittrack.cli import execute
from gittrack.formats.record import BaseModel, Metric
from tests.exporters.bench import HOSTILE, Bench


def card_of(data: bytes) -> Any:
    """The card as huggingface_hub reads it."""
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import ModelCard

    return ModelCard(data.decode())


def test_metadata(bench: Bench) -> None:
    """The results of the run, from its repository; nobody said what it was tested on."""
    record = bench.replicates()[-1]
    card = card_of(bench.data(record.id, "model-card", licence="apache-2.0"))
    assert card.data.license == "apache-2.0" and card.data.model_name == "digits"
    assert card.data.tags == ["gittrack", "digits"]
    found = {result.metric_type: result for result in card.data.eval_results}
    assert found["accuracy"].metric_value == 0.92 and found["accuracy"].dataset_split == "test"
    assert found["accuracy"].dataset_name == "unknown"
    assert found["accuracy"].source_url == "https://example.org/lab/digits.git"


def test_results_are_of_the_data_whose_role_is_their_split(bench: Bench) -> None:
    """Of figures without a split, or of another, nobody knows what they are of."""
    record = bench.run(0.9, 1)
    (train,) = record.data
    odd = replace(
        record,
        id="20990101-000000-aaaaaa",
        data=(train, replace(train, path="a.csv", role="test"), replace(train, path="b.csv", role="test")),
        metrics={
            "accuracy": Metric(value=0.9, split="test"),
            "loss": Metric(value=0.1),
            "f1": Metric(value=0.5, split="validation"),
        },
    )
    bench.add(odd)
    card = card_of(bench.data(odd.id, "model-card"))
    names = {result.metric_type: result.dataset_name for result in card.data.eval_results}
    assert names == {"accuracy": "a.csv, b.csv", "loss": "unknown", "f1": "unknown"}


def test_body(bench: Bench) -> None:
    """How it was made and chosen, with figures over replicates, and how to check it."""
    record = bench.replicates()[-1]
    bench.fail()
    assert execute(["decide", record.id, "--outcome", "selected", "-m", "the best one", "-q"]) == 0
    text = bench.data(record.id, "model-card").decode()
    # The half-width of .90, .91, .92 is 4.302653 * .01 / sqrt(3) = .0248.
    assert "| accuracy | test | 0.92 | 0.910 ± 0.025 | 3 |" in text
    assert "Selected by Ada Lovelace on" in text and "the best one" in text
    assert "Verdict\\: passed" in text and "between them varied\\: seed" in text
    assert "## Limitations\n\n- Blind to &lt;i\\>7&lt;/i\\>" in text
    assert record.outputs[0].sha256 in text and "gittrack verify" in text


def test_a_single_run_promises_nothing(bench: Bench) -> None:
    """No interval, no decision, no gate that passed."""
    bench.run(0.9, 1)
    text = bench.data("latest", "model-card").decode()
    assert "how much its figures vary from run to run is not known" in text and "±" not in text
    assert "No decision on this run is recorded" in text and "Verdict\\: not passed" in text


def test_hostile_text_is_text(bench: Bench) -> None:
    """In every field: shown letter by letter, and no second front matter."""
    record = bench.run(0.9, 2)
    odd = replace(
        record,
        id="20990101-000000-aaaaaa",
        name=HOSTILE.splitlines()[0],
        hypothesis=HOSTILE,
        params={HOSTILE: HOSTILE},
        tags={"task": HOSTILE},
        metrics={"<script>x</script>": Metric(value=1.5, split="---"), "---": Metric(status="inf")},
        base_models=(
            BaseModel(name=HOSTILE, modification=HOSTILE),
            BaseModel(name="lab/bert", revision="v1"),
        ),
        code=replace(record.code, command=("python", HOSTILE), remote="https://ada@x.org/<b>"),
    )
    bench.add(odd)
    data = bench.data(odd.id, "model-card")
    card = card_of(data)
    assert card.data.base_model == "lab/bert" and card.data.to_dict().get("pipeline_tag") is None
    assert {r.metric_value for r in card.data.eval_results} == {1.5, "inf"}
    for markup in ("<script", "<b>", "<i>", "](java", "@team", "`rm`", "\n---"):
        assert markup not in card.text


def test_a_failed_run(bench: Bench) -> None:
    """It has a card that says so, without results."""
    bench.fail()
    card = card_of(bench.data("latest", "model-card"))
    assert "The run failed\\: ValueError." in card.text and not card.data.eval_results
