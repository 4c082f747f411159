"""The verdict over reruns, from records alone. Pure: no repository, no clock.

**Bitwise**: the same outputs (SHA-256, else DVC's md5), the same series but for its column of times,
the same final metrics. **Numeric**: every metric within its tolerance, which is 0 where gittrack.yaml
gives none. **Statistical**: each metric of the original lies in the prediction interval for one more
run, ``mean ± t(1 - α/2, n - 1) · s · √(1 + 1/n)``, of at least three reruns (G. J. Hahn, W. Q. Meeker,
Statistical Intervals, 1991, 4.7); with k metrics, α is divided by k (Bonferroni), so that the
confidence is that of all together. Reruns that are all alike agree with nothing but their own value.
Else, or where a rerun failed: not reproduced.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from gittrack.formats.config import ExperimentConfig
from gittrack.formats.masks import likeness
from gittrack.formats.record import SYSTEM_ROLE, Metric, Output, Record
from gittrack.formats.reproduction import ENOUGH, Agreement, Level, Rerun, RerunLevel, Varied, Verdict
from gittrack.formats.series import column_of, values_digest
from gittrack.formats.spec import seed_key, spec_digest
from gittrack.stats.factors import at_most, factors_of
from gittrack.stats.result import Result

MOST_DIFFERENCES = 20


def judge(original: Result, reruns: Sequence[Result], protocol: ExperimentConfig) -> Verdict:
    """How far `original` was had again by `reruns`; `protocol` says what is compared and how closely."""
    claim = protocol.reproducibility
    names = compared_metrics(original.record, protocol)
    judged = tuple(_rerun(original, rerun, protocol, names) for rerun in reruns)
    finished = [rerun.record for rerun in reruns if rerun.record.status == "finished"]
    confidence = 1 - (1 - claim.confidence) / max(len(names), 1)
    metrics = {
        name: _agreement(original.record.metrics[name], finished, name, confidence, claim.tolerance.get(name))
        for name in names
    }
    level, why = _level(judged, metrics)
    apart = any(rerun.level in ("numeric", "differs") for rerun in judged)
    factors = factors_of(original, reruns, claim.factors) if apart else ()
    return Verdict(
        level=level,
        why=why,
        varied=_varied(original.record, [rerun.record for rerun in reruns]),
        confidence=claim.confidence,
        reruns=judged,
        metrics=metrics,
        factors=at_most(factors),
    )


def compared_metrics(record: Record, protocol: ExperimentConfig) -> list[str]:
    """The metrics that the experiment declares, or all where it declares none that the run has."""
    names = [name for name in sorted(record.metrics) if name not in protocol.reproducibility.ignore]
    return [name for name in names if name in protocol.metrics] or names


def _level(reruns: Sequence[Rerun], metrics: Mapping[str, Agreement]) -> tuple[Level, str]:
    failed = [rerun for rerun in reruns if rerun.level == "failed"]
    n = len(reruns)
    if not reruns:
        return "not-reproduced", "there was no rerun"
    if failed:
        return "not-reproduced", f"{len(failed)} of {n} reruns did not finish"
    if all(rerun.level == "bitwise" for rerun in reruns):
        if any(rerun.host == "other" for rerun in reruns):
            return "bitwise-cross-host", f"same outputs, series and metrics in {_all(n)}, on another host"
        return "bitwise-same-host", f"same outputs, series and metrics in {_all(n)}"
    if all(rerun.level in ("bitwise", "numeric") for rerun in reruns):
        return "numeric", f"every metric within its tolerance in {_all(n)}"
    if n < ENOUGH:
        return "not-reproduced", f"a metric differs, and {n} {_reruns(n)} cannot show agreement: take 3 to 5"
    outside = [name for name, agreement in metrics.items() if not agreement.inside]
    if not metrics:
        return "not-reproduced", "outputs differ, and there is no metric to compare"
    if outside:
        return "not-reproduced", f"outside what {n} reruns predict: {', '.join(outside[:10])}"[:500]
    return "statistical", f"every metric of the original lies where {n} reruns predict one more run"


def _reruns(n: int) -> str:
    return "rerun" if n == 1 else "reruns"


def _all(n: int) -> str:
    return "the rerun" if n == 1 else f"all {n} reruns"


def _varied(original: Record, reruns: Sequence[Record]) -> Varied:
    same = [seed_key(rerun) == seed_key(original) for rerun in reruns]
    return "nothing" if all(same) else "some seeds" if any(same) else "seed"


# --- one rerun ---------------------------------------------------------------------------------


def _rerun(original: Result, rerun: Result, protocol: ExperimentConfig, names: Sequence[str]) -> Rerun:
    record = rerun.record
    level: RerunLevel
    if record.status != "finished":
        why = f"{record.failure.type}: {record.failure.message}" if record.failure else record.status
        level, differs = "failed", [" ".join(why.split())[:300]]
    else:
        differs = _differences(original, rerun, protocol)
        close = _within(original, rerun, protocol, names)
        level = "bitwise" if not differs else "numeric" if close else "differs"
        if record.spec != original.record.spec:
            differs.append(_other_spec(original.record, record))
            level = "differs"
    host: Literal["same", "other", "unknown"] = "unknown"
    if original.host and rerun.host:
        host = "same" if original.host == rerun.host else "other"
    return Rerun(
        run=record.id,
        status=record.status,
        seed=record.seed,
        level=level,
        host=host,
        differs=tuple(differs[:MOST_DIFFERENCES]),
    )


def _other_spec(original: Record, rerun: Record) -> str:
    names = original.masked.keys() | rerun.masked.keys()
    known = {name: likeness(original.masked.get(name), rerun.masked.get(name)) for name in names}
    if "not known" in known.values() and _unmasked_spec(original) == _unmasked_spec(rerun):
        unknown = sorted(name for name, like in known.items() if like == "not known")
        return f"spec: masked, and not known whether the same: {', '.join(unknown)}"
    return "spec: the rerun is of other code, command, parameters, data or locks"


def _unmasked_spec(record: Record) -> str:
    return spec_digest(record.code, record.params, record.data, record.locks)


def _differences(original: Result, rerun: Result, protocol: ExperimentConfig) -> list[str]:
    ignored = protocol.reproducibility.ignore
    differences = [
        *_outputs(original.record.outputs, rerun.record.outputs),
        *_series(original, rerun, ignored),
        *_metrics(original.record.metrics, rerun.record.metrics, ignored),
    ]
    comparable = original.record.outputs or original.record.series or original.record.metrics
    return differences if comparable else ["the original has no output, series or metric to compare"]


def _outputs(a: Sequence[Output], b: Sequence[Output]) -> list[str]:
    first, second = ({o.path: o for o in outputs if o.role != SYSTEM_ROLE} for outputs in (a, b))
    differences = [f"output {path}: missing" for path in first.keys() - second.keys()]
    differences += [f"output {path}: the original has none" for path in second.keys() - first.keys()]
    for path in first.keys() & second.keys():
        one, two = first[path], second[path]
        both = one.sha256 and two.sha256
        if (one.sha256 != two.sha256) if both else (one.md5 != two.md5):
            differences.append(f"output {path}: other bytes")
    return sorted(text[:300] for text in differences)


def _series(original: Result, rerun: Result, ignored: Sequence[str]) -> list[str]:
    a, b = original.record.series, rerun.record.series
    if a is None or b is None:
        return [] if a is b else ["series: one of the two has none"]
    one, two = _values(original, ignored), _values(rerun, ignored)
    if one is None or two is None:
        return ["series: the whole of it is not at hand to be compared"]
    return [] if one == two else ["series: other values"]


def _values(result: Result, ignored: Sequence[str]) -> str | None:
    """Digest of the logged values, times left out; None where git has only a sample of them."""
    series = result.record.series
    if series is None:
        return None
    leave_out = set(map(column_of, ignored)) & set(series.columns)
    if not leave_out and series.values_sha256 is not None:
        return series.values_sha256
    return None if series.pointer or result.series is None else values_digest(result.series, leave_out)


def _metrics(a: Mapping[str, Metric], b: Mapping[str, Metric], ignored: Sequence[str]) -> list[str]:
    differences = []
    for name in sorted({*a, *b} - set(ignored)):
        one, two = (_shown(metrics.get(name)) for metrics in (a, b))
        if repr(one) != repr(two):
            differences.append(f"metric {name}: {two} instead of {one}"[:300])
    return differences


def _shown(metric: Metric | None) -> Any:
    return "none" if metric is None else metric.status or metric.value


def _within(original: Result, rerun: Result, protocol: ExperimentConfig, names: Sequence[str]) -> bool:
    """Every compared metric as close as its tolerance asks; false where there is none to compare."""
    tolerance = protocol.reproducibility.tolerance
    for name in names:
        one, two = original.record.metrics[name], rerun.record.metrics.get(name)
        if two is None or one.status != two.status:
            return False
        distance = _distance(one, two)
        if one.status is None and (distance is None or distance > tolerance.get(name, 0.0)):
            return False
    return bool(names)


def _distance(a: Metric, b: Metric) -> float | None:
    """|b - a|, None where it cannot be told."""
    if a.value is None or b.value is None:
        return None
    try:
        return abs(float(b.value - a.value))
    except OverflowError:  # whole numbers beyond what a float holds
        return 0.0 if a.value == b.value else None


# --- one metric over the reruns ----------------------------------------------------------------


def _agreement(
    original: Metric, reruns: Sequence[Record], name: str, confidence: float, tolerance: float | None
) -> Agreement:
    original_value = _shown(original)
    others = [metric for record in reruns if (metric := record.metrics.get(name)) is not None]
    values = [float(m.value) for m in others if m.value is not None and _is_float(m.value)]
    if len(values) < len(reruns) or not values or original.value is None or not _is_float(original.value):
        same = bool(reruns) and len(others) == len(reruns)
        return Agreement(
            original=original_value,
            n=len(values),
            inside=same and all(repr(_shown(m)) == repr(original_value) for m in others),
            tolerance=tolerance,
        )
    value = float(original.value)
    from gittrack.stats.maths.intervals import prediction_interval

    interval = prediction_interval(values, confidence)
    if interval.low is None or interval.high is None:
        inside = all(other == value for other in values)
    else:
        inside = interval.low <= value <= interval.high
    furthest = max(abs(other - value) for other in values)
    return Agreement(
        original=original_value,
        n=len(values),
        mean=interval.mean,
        sd=interval.sd,
        low=interval.low,
        high=interval.high,
        inside=inside,
        largest_difference=furthest if math.isfinite(furthest) else None,
        tolerance=tolerance,
    )


def _is_float(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False
