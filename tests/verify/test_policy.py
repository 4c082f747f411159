"""Check 9: what gittrack.yaml asks of every run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gittrack.formats.record import BaseModel, LeftOut, Metric, Record, Submodule
from gittrack.verify.policy import check_policy
from tests.verify.contexts import Honest, opened, run_checks

ALL: dict[str, Any] = {
    "required": ["hypothesis", "params.lr", "metrics.accuracy.value", "code.branch", "outputs", "seed"],
    "data_roles": ["train", "validation", "test"],
    "clean_tree": True,
    "hashed_locks": True,
    "seed": True,
}
IMAGE = "sha256:" + "a" * 64


def with_all(record: Record) -> Record:
    """The record with what the preset asks for besides: a split and a direction of every metric."""
    metrics = {n: replace(m, direction="minimize", split="test") for n, m in record.metrics.items()}
    environment = replace(record.environment, cpu=record.environment.cpu or "a CPU")
    return replace(record, metrics=metrics, environment=environment)


def test_without_a_policy_nothing_is_asked(honest: Honest) -> None:
    """The defaults ask for nothing."""
    with opened(honest.repository) as context:
        assert run_checks(context, check_policy) == []


def test_a_run_that_has_everything_passes(honest: Honest) -> None:
    """Every rule at once."""
    image = replace(honest.clean, environment=replace(honest.clean.environment, image=IMAGE))
    assert honest.codes(check_policy, image, config={"policy": {**ALL, "image": True}}) == []


@pytest.mark.parametrize(
    "name",
    ["name", "tags.owner", "hypothesis.text", "params.momentum", "metrics.f1", "colour", "base_models"],
)
def test_a_required_field_says_something(honest: Honest, name: str) -> None:
    """A field that is absent, empty or unknown is left out."""
    (finding,) = honest.check(check_policy, config={"policy": {"required": [name]}})
    assert (finding.code, finding.severity, finding.expected) == ("policy-required", "fail", name)


def test_an_empty_or_dotted_field_is_read_as_it_stands(honest: Honest) -> None:
    """Zero and false say something, empty text does not; a key may hold a dot."""
    record = replace(honest.clean, params={"zero": 0, "no": False, "a.b": 1, "empty": ""}, hypothesis="")
    rules = {"policy": {"required": ["params.zero", "params.no", "params.a.b"]}}
    assert honest.codes(check_policy, record, config=rules) == []
    rules = {"policy": {"required": ["params.empty", "hypothesis"]}}
    assert honest.codes(check_policy, record, config=rules) == ["policy-required"] * 2


def test_each_rule_is_held(honest: Honest) -> None:
    """Data roles, clean tree, hashed locks, seed, image."""
    run = honest.clean
    unhashed = replace(run, locks=(replace(run.locks[0], pins="versions"),))
    for rule, record, code in (
        ({"data_roles": ["train", "test"]}, replace(run, data=run.data[:1]), "policy-data-role"),
        ({"hashed_locks": True}, replace(run, locks=()), "policy-locks"),
        ({"hashed_locks": True}, unhashed, "policy-locks"),
        ({"seed": True}, replace(run, seed=None), "policy-seed"),
        ({"image": True}, run, "policy-image"),
    ):
        assert honest.codes(check_policy, record, config={"policy": rule}) == [code]
    assert honest.codes(check_policy, base=honest.dirty, config={"policy": {"clean_tree": True}}) == [
        "policy-clean-tree"
    ]


def test_seeds_by_library_are_seeds(honest: Honest) -> None:
    """A run may have several."""
    record = replace(honest.clean, seed=None, seeds={"numpy": 1})
    assert honest.codes(check_policy, record, config={"policy": {"seed": True}}) == []


def test_the_preset_is_fulfilled_by_a_complete_run(honest: Honest) -> None:
    """Of committed code, and with a snapshot."""
    rules = {"policy": {"preset": "ai-act"}}
    assert honest.codes(check_policy, with_all(honest.clean), config=rules) == []
    assert honest.codes(check_policy, with_all(honest.dirty), base=honest.dirty, config=rules) == []


def lacking(record: Record) -> dict[str, Record]:
    """The item of Annex IV that each change leaves without evidence."""
    code = record.code
    module = Submodule(path="lib", commit="1" * 40, dirty=True)
    evaluated = tuple(d for d in record.data if d.role in ("train", "reference"))
    undirected = {**record.metrics, "f1": Metric(value=1.0, split="test")}
    return {
        "1(a) ": replace(record, code=replace(code, left_out=(LeftOut(path="x", size=1, reason="large"),))),
        "1(a) needs": replace(record, code=replace(code, submodules=(module,))),
        "1(c)": replace(record, locks=()),
        "1(e) and 2(c)": replace(record, environment=replace(record.environment, cpu=None)),
        "2(a)": replace(record, base_models=(BaseModel(name="resnet"),)),
        "2(b) ": replace(record, hypothesis=None),
        "2(b) and 4": replace(record, metrics=undirected),
        "2(d)": replace(record, data=record.data[1:]),
        "2(g) needs data": replace(record, data=evaluated),
        "2(g) needs a digest": replace(
            record, data=(replace(record.data[0], sha256=None, md5=None), *record.data[1:])
        ),
        "2(g) needs the split": replace(record, metrics={"f1": Metric(value=1.0, direction="maximize")}),
        "2(g) needs a seed": replace(record, seed=None),
        "2(g) and 4": replace(record, protocol=None),
        "3": replace(record, outputs=()),
    }


@pytest.mark.parametrize("item", range(14))
def test_the_preset_names_the_item_that_lacks_evidence(honest: Honest, item: int) -> None:
    """One finding each."""
    name, record = list(lacking(with_all(honest.clean)).items())[item]
    (finding,) = honest.check(check_policy, record, config={"policy": {"preset": "ai-act"}})
    assert (finding.code, finding.severity) == ("policy-ai-act", "fail")
    assert finding.says.startswith(f"Annex IV {name}")


def test_a_run_without_metrics_has_nothing_to_show(honest: Honest) -> None:
    """Neither direction nor split."""
    record = replace(with_all(honest.clean), metrics={})
    assert (
        honest.codes(check_policy, record, config={"policy": {"preset": "ai-act"}}) == ["policy-ai-act"] * 2
    )
