"""What can make two runs of one spec differ: what was not the same, and what was left to chance."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gittrack.formats.record import Record
from gittrack.formats.spec import UNSEEDED, has_seed, seed_key
from gittrack.reading.diff import environments

if TYPE_CHECKING:
    from gittrack.stats.result import Result

MOST = 40
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_NO_FACTOR = re.compile(
    r"(?:^|\.)(?:GITTRACK_[A-Z]+|PYTHONHASHSEED|memory_mb|container)$|^(?:drift|variables$)"
)


def factors_of(original: Result, reruns: Sequence[Result], declared: Sequence[str]) -> tuple[str, ...]:
    """In words, what differs first; each once."""
    surroundings = [pair for rerun in reruns for pair in _surroundings(original, rerun)]
    factors = [
        *_seeds(original.record, [rerun.record for rerun in reruns]),
        *(text for text, is_idle in surroundings if not is_idle),
        *_chance(original),
        *(f"declared in gittrack.yaml: {text}" for text in declared),
        *(text for text, is_idle in surroundings if is_idle),
    ]
    return tuple(dict.fromkeys(text[:300] for text in factors))


def at_most(factors: Sequence[str], most: int = MOST) -> tuple[str, ...]:
    """The first of them, and how many more there are."""
    if len(factors) <= most:
        return tuple(factors)
    return (*factors[: most - 1], f"and {len(factors) - most + 1} more that differ")


def _seeds(original: Record, reruns: Sequence[Record]) -> Iterator[str]:
    if seed_key(original) == UNSEEDED and not has_seed(original.params):
        yield "seed: the run records none"
    others = sorted({rerun.seed for rerun in reruns if rerun.seed not in (None, original.seed)}, key=str)
    if others:
        yield f"seed: {original.seed} in the original, {', '.join(map(str, others[:10]))} in reruns"


def _surroundings(original: Result, rerun: Result) -> Iterator[tuple[str, bool]]:
    """What differs, that which was imported first; and whether it is a package that neither imported."""
    if not original.environment or not rerun.environment:
        return
    for who, environment in (
        ("the original", original.environment),
        (f"run {rerun.record.id}", rerun.environment),
    ):
        if "packages" not in environment:
            yield f"packages: which ones {who} had is not known, so none are compared", False
    pairs = environments((original.environment, original.record), (rerun.environment, rerun.record))
    imported = _imported(original.environment, rerun.environment)
    for kind, differing in zip(("package", "environment"), pairs, strict=True):
        for pair in differing:
            if not pair.same and not _NO_FACTOR.search(pair.name):
                is_idle = kind == "package" and imported is not None and _is_unused(pair.name, imported)
                unused = ", not imported" if is_idle else ""
                yield f"{kind} {pair.name}: {_short(pair.a)} → {_short(pair.b)}{unused}", is_idle


def _is_unused(name: str, imported: Collection[str]) -> bool:
    """Whether neither run imported the package; what further Pythons of a job imported is not known."""
    return name not in imported and " (of " not in name


def _imported(*environments: Mapping[str, Any]) -> set[str] | None:
    """Packages that one of the runs imported; None where a run did not say."""
    stated = [environment.get("imported") for environment in environments]
    return None if None in stated else {name for names in stated for name in names or ()}


def _short(value: Any) -> str:
    return "none" if value is None else str(value)[:80]


def _chance(original: Result) -> Iterator[str]:
    """Switches that the record shows to leave the order of sums, or the choice of a kernel, open."""
    flags = original.record.determinism
    cores = _cores(original.environment)
    if not any(str(flags.get(f"env.{name}")) == "1" for name in _THREADS) and cores != 1:
        threads = flags.get("torch.num_threads") or flags.get("env.OMP_NUM_THREADS") or cores
        if threads != 1:
            many = f"{threads} threads" if threads else "several threads"
            yield f"threads: {many} may add numbers up in any order (OMP_NUM_THREADS is not 1)"
    if flags.get("torch.deterministic_algorithms") is False:
        yield "torch.deterministic_algorithms is off: kernels whose sums have no fixed order may be chosen"
    if flags.get("torch.cudnn.benchmark") is True:
        yield "torch.cudnn.benchmark is on: cuDNN chooses its kernels by measured time"
    if flags.get("tensorflow.op_determinism") is False:
        yield "tensorflow.op_determinism is off"
    if original.record.surroundings.gpus:
        yield "GPU: atomic additions of its kernels have no fixed order"
    if "env.PYTHONHASHSEED" not in flags:
        yield "PYTHONHASHSEED is not set: sets of text are walked in another order each time"


def _cores(environment: Mapping[str, Any]) -> int | None:
    cpu = environment.get("cpu")
    cores = cpu.get("available_cores") if isinstance(cpu, Mapping) else None
    return cores if isinstance(cores, int) else None
