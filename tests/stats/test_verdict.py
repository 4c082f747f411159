"""The verdict over reruns: bitwise, numeric, statistical, or not, from records alone."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from gittrack.errors import RecordError
from gittrack.formats.config import ExperimentConfig, MetricConfig, Reproducibility
from gittrack.formats.record import SYSTEM_ROLE, Author, Metric, Output, Series, Tool
from gittrack.formats.reproduction import Reproduction, dump, load, reaches
from gittrack.formats.series import values_digest
from gittrack.stats.result import Result
from gittrack.stats.verdict import judge
from tests.ledgers import make_record
from tests.tables import rows

HOST = {"host": "a" * 16, "cpu": {"architecture": "x86_64", "available_cores": 4}}


def result(
    number: int, host: dict[str, Any] | None = None, series: bytes | None = None, **changes: Any
) -> Result:
    """A run with a seed of its own number, on a known host."""
    changes.setdefault("seed", 1)
    changes.setdefault("metrics", {"accuracy": 0.9})
    record = make_record(number, **changes)
    if series is not None:
        kept = Series(
            rows=series.count(b"\n") - 1,
            columns=tuple(series.decode().split("\n")[0].split(",")),
            sha256=hashlib.sha256(series).hexdigest(),
            values_sha256=values_digest(series),
        )
        record = replace(record, series=kept)
    return Result(record, HOST if host is None else host, series)


def output(digest: str, path: str = "model.pkl") -> Output:
    return Output(
        path=path, role="model", pointer=f"outputs/{path}.dvc", md5=digest * 32, sha256=digest * 64, size=3
    )


def accuracy(*values: float, **config: Any) -> Any:
    """The verdict over reruns with these accuracies, of an original with 0.9."""
    reruns = [result(n, metrics={"accuracy": v}, seed=n + 1) for n, v in enumerate(values, 1)]
    return judge(result(0), reruns, ExperimentConfig(reproducibility=Reproducibility(**config)))


def test_the_same_bytes_on_the_same_host() -> None:
    """Outputs, series and metrics agree; the times in a series may be others."""
    used = [replace(output(digest, "system.csv"), role=SYSTEM_ROLE) for digest in "cd"]  # of the machine
    first = result(0, outputs=(output("a"), used[0]), series=b"step,time,accuracy\n0,0.1,0.5\n1,0.2,0.9\n")
    again = result(1, outputs=(output("a"), used[1]), series=b"step,time,accuracy\n0,3.1,0.5\n1,7.2,0.9\n")
    verdict = judge(first, [again], ExperimentConfig())
    assert (verdict.level, verdict.varied, verdict.factors) == ("bitwise-same-host", "nothing", ())
    assert verdict.reruns[0].level == "bitwise" and verdict.reruns[0].host == "same"


def test_another_host_is_said_and_an_unknown_one_is_no_other() -> None:
    """Bitwise across hosts needs a rerun that is known to be of another host."""
    other, unknown = result(1, host={"host": "b" * 16}), result(2, host={})
    assert judge(result(0), [result(1), other], ExperimentConfig()).level == "bitwise-cross-host"
    verdict = judge(result(0), [unknown], ExperimentConfig())
    assert (verdict.level, verdict.reruns[0].host) == ("bitwise-same-host", "unknown")


@rows(
    ("changes", "said"),
    [
        ({"outputs": (output("b"),)}, "output model.pkl: other bytes"),
        ({"outputs": ()}, "output model.pkl: missing"),
        ({"outputs": (output("a"), output("a", "x"))}, "output x: the original has none"),
        ({"series": b"step,time,accuracy\n0,0.1,0.4\n"}, "series: other values"),
        ({"series": None}, "series: one of the two has none"),
        ({"metrics": {"accuracy": 0.9000000000000001}}, "metric accuracy: 0.9000000000000001 instead of 0.9"),
        ({"metrics": {}}, "metric accuracy: none instead of 0.9"),
        ({"metrics": {"accuracy": 0.9, "loss": 1}}, "metric loss: 1 instead of none"),
        ({"metrics": {"accuracy": Metric(status="nan")}}, "metric accuracy: nan instead of 0.9"),
        ({"spec": "5" * 64}, "spec: the rerun is of other code, command, parameters, data or locks"),
    ],
)
def test_what_differs_is_named(changes: dict[str, Any], said: str) -> None:
    """Each difference keeps a rerun from being bitwise the same, and is said."""
    same = {"outputs": (output("a"),), "series": b"step,time,accuracy\n0,0.1,0.5\n"}
    verdict = judge(result(0, **same), [result(1, **{**same, **changes})], ExperimentConfig())
    assert not verdict.level.startswith("bitwise")
    assert said in verdict.reruns[0].differs


def test_md5_decides_where_a_sha256_is_missing() -> None:
    """A record made from a past commit may have no SHA-256 of an output."""
    without = replace(output("a"), sha256=None)
    assert judge(
        result(0, outputs=(without,)), [result(1, outputs=(output("a"),))], ExperimentConfig()
    ).level == ("bitwise-same-host")


def test_numeric_takes_the_tolerance_of_each_metric() -> None:
    """Just within is numeric; without a tolerance, only equal values are."""
    assert accuracy(0.9 + 1e-9, 0.9 - 1e-9, tolerance={"accuracy": 1e-8}).level == "numeric"
    assert accuracy(0.9 + 1e-7, tolerance={"accuracy": 1e-8}).level == "not-reproduced"
    other = judge(result(0, outputs=(output("a"),)), [result(1, outputs=(output("b"),))], ExperimentConfig())
    assert other.level == "numeric", "the metric is the same, only the model's bytes are not"


def test_statistical_needs_three_reruns_and_the_original_among_what_they_predict() -> None:
    """Figures of [.90, .91, .92]: the interval for one more run is .860317 to .959683."""
    verdict = accuracy(0.90, 0.91, 0.92)
    found = verdict.metrics["accuracy"]
    assert verdict.level == "statistical" and found.inside
    assert (f"{found.low:.6f}", f"{found.high:.6f}") == ("0.860317", "0.959683")
    assert (f"{found.mean:.4f}", f"{found.sd:.4f}", found.n) == ("0.9100", "0.0100", 3)
    assert accuracy(0.90, 0.92).level == "not-reproduced"
    assert "take 3 to 5" in accuracy(0.90, 0.92).why
    far = accuracy(0.99, 0.991, 0.992)
    assert far.level == "not-reproduced" and "accuracy" in far.why and not far.metrics["accuracy"].inside


def test_reruns_that_are_all_alike_agree_with_their_own_value_only() -> None:
    """No spread is no interval of width 0."""
    assert accuracy(0.91, 0.91, 0.91).level == "not-reproduced"
    assert accuracy(0.9, 0.9, 0.9).level == "bitwise-same-host"


def test_the_confidence_is_that_of_all_metrics_together() -> None:
    """With two metrics each interval is wider than with one (Bonferroni)."""

    def both(values: list[float]) -> list[Result]:
        return [result(n, metrics={"a": v, "b": v}, seed=n) for n, v in enumerate(values, 2)]

    one = accuracy(0.90, 0.91, 0.92).metrics["accuracy"]
    two = judge(
        result(0, metrics={"a": 0.9, "b": 0.9}), both([0.90, 0.91, 0.92]), ExperimentConfig()
    ).metrics["a"]
    assert two.low < one.low and two.high > one.high


def test_a_failed_rerun_is_shown_and_never_dropped() -> None:
    """Three good ones do not make up for it."""
    reruns = [result(n, metrics={"accuracy": 0.9 + n / 1000}) for n in range(1, 4)]
    verdict = judge(result(0), [*reruns, result(9, status="failed")], ExperimentConfig())
    assert verdict.level == "not-reproduced" and verdict.why == "1 of 4 reruns did not finish"
    assert [r.level for r in verdict.reruns][-1] == "failed"
    assert verdict.reruns[-1].differs == ("ValueError: no data",)


def test_what_measures_time_can_be_left_out() -> None:
    """Ignored metrics count neither as final values nor as columns of a series."""
    first = b"step,time,accuracy,epoch_s\n0,0.1,0.5,7.1\n"
    second = b"step,time,accuracy,epoch_s\n0,0.1,0.5,8.3\n"
    a = result(0, metrics={"accuracy": 0.5, "epoch_s": 7.1}, series=first)
    b = result(1, metrics={"accuracy": 0.5, "epoch_s": 8.3}, series=second)
    assert judge(a, [b], ExperimentConfig()).level == "not-reproduced"
    ignoring = ExperimentConfig(reproducibility=Reproducibility(ignore=("epoch_s",)))
    assert judge(a, [b], ignoring).level == "bitwise-same-host"


def test_declared_metrics_are_those_that_are_compared() -> None:
    """A metric that gittrack.yaml does not declare may differ; without any declared, all count."""
    a = result(0, metrics={"accuracy": 0.9, "other": 1.0})
    b = result(1, metrics={"accuracy": 0.9, "other": 2.0})
    declared = ExperimentConfig(metrics={"accuracy": MetricConfig()})
    assert judge(a, [b], declared).level == "numeric"
    assert judge(a, [b], ExperimentConfig()).level == "not-reproduced"


@rows("status", ["nan", "inf", "-inf"])
def test_values_that_are_not_finite_agree_only_with_themselves(status: Any) -> None:
    """They never enter a mean."""
    odd = {"accuracy": Metric(status=status)}
    assert (
        judge(result(0, metrics=odd), [result(1, metrics=odd)], ExperimentConfig()).level
        == "bitwise-same-host"
    )
    mixed = [result(n, metrics=odd if n == 1 else {"accuracy": 0.9 + n / 100}, seed=n) for n in (1, 2, 3)]
    verdict = judge(result(0), mixed, ExperimentConfig())
    assert verdict.level == "not-reproduced" and verdict.metrics["accuracy"].mean is None


def test_huge_whole_numbers_are_compared_without_overflow() -> None:
    """A count beyond what a float holds is equal to itself, and to nothing else."""
    huge = 10**400
    same = judge(result(0, metrics={"n": huge}), [result(1, metrics={"n": huge})], ExperimentConfig())
    assert same.level == "bitwise-same-host"
    other = judge(result(0, metrics={"n": huge}), [result(1, metrics={"n": huge + 1})], ExperimentConfig())
    assert other.level == "not-reproduced"


def test_a_run_without_anything_to_compare_is_not_reproduced() -> None:
    """Ending well is no result."""
    verdict = judge(result(0, metrics={}), [result(1, metrics={})], ExperimentConfig())
    assert verdict.level == "not-reproduced"


def test_factors_name_what_was_not_the_same_and_what_was_left_to_chance() -> None:
    """Seeds, packages, machine; threads and switches of libraries."""
    flags = {"torch.deterministic_algorithms": False, "torch.num_threads": 2}
    other = {**HOST, "packages": {"numpy": "2.2"}, "host": "b" * 16}
    verdict = judge(
        Result(result(0, determinism=flags).record, {**HOST, "packages": {"numpy": "2.1"}}),
        [result(n, host=other, metrics={"accuracy": 0.9 + n / 100}, seed=n) for n in (2, 3, 4)],
        ExperimentConfig(reproducibility=Reproducibility(factors=("the order of the queue",))),
    )
    said = "\n".join(verdict.factors)
    for word in ("seed: 1 in the original, 2, 3, 4", "package numpy: 2.1 → 2.2", "2 threads",
                 "torch.deterministic_algorithms is off", "PYTHONHASHSEED is not set",
                 "declared in gittrack.yaml: the order of the queue"):  # fmt: skip
        assert word in said


def compared(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Factors of packages, of a run and a rerun that have these sections of environment.yaml."""
    original = Result(result(0).record, {**HOST, **a})
    verdict = judge(original, [result(1, host={**HOST, **b}, metrics={"accuracy": 0.1})], ExperimentConfig())
    return [factor for factor in verdict.factors if factor.startswith(("package", "and "))]


def test_packages_that_were_imported_come_first_and_what_is_cut_is_counted() -> None:
    """A package that no run imported is the last to suspect."""
    a, b = {f"p{n}": "1" for n in range(50)}, {f"p{n}": "2" for n in range(50)}
    factors = compared({"packages": a, "imported": ["p49"]}, {"packages": b, "imported": ["p49"]})
    assert factors[0] == "package p49: 1 → 2" and factors[1].endswith(", not imported")
    assert factors[-1].startswith("and ") and factors[-1].endswith(" more that differ")
    assert int(factors[-1].split()[1]) + len(factors) - 1 == 50
    assert compared({"packages": {"a": "1"}}, {"packages": {"a": "2"}}) == ["package a: 1 → 2"]


def test_packages_that_are_not_known_are_no_difference() -> None:
    """One sentence in place of one for each package."""
    (factor,) = compared({}, {"packages": {"numpy": "2.2", "scipy": "1"}})
    assert factor == "packages: which ones the original had is not known, so none are compared"


@rows(
    ("level", "claims"),
    [
        ("bitwise-cross-host", {"bitwise-cross-host", "bitwise-same-host", "numeric", "statistical", "none"}),
        ("bitwise-same-host", {"bitwise-same-host", "numeric", "statistical", "none"}),
        ("numeric", {"numeric", "statistical", "none"}),
        ("statistical", {"statistical", "none"}),
        ("not-reproduced", {"none"}),
    ],
)
def test_a_level_bears_out_the_claims_that_are_no_stronger(level: str, claims: set[str]) -> None:
    """Bitwise on the same host is no proof for other hosts."""
    every = {"bitwise-cross-host", "bitwise-same-host", "numeric", "statistical", "none"}
    assert {claim for claim in every if reaches(level, claim)} == claims


def statement(**changes: Any) -> Reproduction:
    values: dict[str, Any] = {
        "id": "20261122-150000-0a1b2c",
        "run": result(0).record.id,
        "experiment": "digits",
        "made": "2026-11-22T15:00:00.000000Z",
        "author": Author(name="Ada", email="ada@example.org"),
        "claim": "statistical",
        "environment": "current",
        "executor": "local",
        "verdict": accuracy(0.90, 0.91, 0.92),
        "tool": Tool(version="0.1.0"),
    }
    return Reproduction(**{**values, **changes})


def test_a_statement_reads_back_as_it_was_written() -> None:
    """Values, types and order; the bytes are the same again."""
    made = statement()
    assert load(dump(made), "f") == made and dump(load(dump(made), "f")) == dump(made)
    assert made.path == f"reproductions/digits/2026-11-22/{made.run}/{made.id}"


@rows(
    ("before", "after", "said"),
    [
        (b"schema: gittrack/reproduction/1", b"schema: gittrack/reproduction/2", "too new"),
        (b"schema: gittrack/reproduction/1", b"schema: gittrack/run/1", "not a reproduction"),
        (b"level: statistical", b"level: perfect", "perfect"),
        (b"executor: local", b"executor: local\nmore: 1", "more"),
        (b"confidence: 0.95", b"confidence: &a 0.95", "anchor"),
    ],
)
def test_a_malformed_statement_is_refused_in_one_line(before: bytes, after: bytes, said: str) -> None:
    """Strictly read, as records are."""
    data = dump(statement())
    assert before in data
    with pytest.raises(RecordError, match=said) as caught:
        load(data.replace(before, after), "f.yaml")
    assert str(caught.value).startswith("f.yaml") and "\n" not in str(caught.value)
