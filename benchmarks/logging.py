"""Logging: five metrics a step, from the first call until all points are on disk."""

from __future__ import annotations

from pathlib import Path

from benchmarks.ledgers import project
from benchmarks.measure import Outcome, Settings, figures, in_turn, scratch
from benchmarks.peers import environment as peers

STEP = '{"a": i * 0.1, "b": i * 0.2, "c": i * 0.3, "d": i * 0.4, "e": i * 0.5}'

OURS = f"""
import json, resource, sys, time
import gittrack
steps = int(sys.argv[1])
run = gittrack.start_run("speed")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
for i in range(steps):
    run.log_metrics({STEP}, step=i)
caller = time.perf_counter() - began
run._journal.flush()
disk = time.perf_counter() - began
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
size = sum(path.stat().st_size for path in run._journal.folder.glob("events-*.jsonl"))
samples = []
for i in range(steps, steps + 20_000):
    row = {STEP}
    at = time.perf_counter_ns()
    run.log_metrics(row, step=i)
    samples.append(time.perf_counter_ns() - at)
samples.sort()
began = time.perf_counter()
run.finish()
finish = time.perf_counter() - began
p50, p99 = samples[len(samples) // 2] / 1000, samples[len(samples) * 99 // 100] / 1000
print(json.dumps(dict(steps=steps, caller_s=caller, disk_s=disk, memory_mb=grown, bytes=size,
                      p50_us=p50, p99_us=p99, finish_s=finish)))
"""

ORJSON = f"""
import json, os, sys, time
import orjson
steps = int(sys.argv[1])
began = time.perf_counter()
with open("points.jsonl", "wb") as out:
    for i in range(steps):
        out.write(orjson.dumps({{"step": i, **{STEP}}}) + b"\\n")
took = time.perf_counter() - began
print(json.dumps(dict(steps=steps, caller_s=took, disk_s=took, bytes=os.path.getsize("points.jsonl"))))
"""


def measure(settings: Settings) -> Outcome:
    """Points a second in the caller and until on disk, beside a bare append of orjson and the peers.

    A peer stops after 20 seconds, so that its figure is of as many steps as it came to. The time of a call is
    from calls of their own, after the loop that is timed.
    """
    outcome = Outcome()
    fastest = 0.0
    for steps in settings.sizes(200, 2_000, 20_000, 200_000, smoke=[200]):
        with scratch() as folder:
            ours, bare, others = _one(folder, settings, steps)
        points = 5 * steps
        size = f"{points:,} points"
        for who, found in {"gittrack": ours, "orjson append": bare, **others}.items():
            _add(outcome, size, who, found)
        fastest = max([found["steps"] * 5 / found["disk_s"] for found in others.values()], default=0.0)
    if fastest:
        outcome.goal(
            "points/s against the fastest peer", points / ours["disk_s"] / fastest, 10, at_least=True
        )
    outcome.goal("time against an orjson append per row", ours["disk_s"] / bare["disk_s"], 2)
    return outcome


def _one(folder: Path, settings: Settings, steps: int) -> tuple[dict, dict, dict[str, dict]]:  # type: ignore[type-arg]
    where = project(folder / "project")
    kept: dict[str, dict[str, float]] = {}

    def timed(script: str, name: str) -> float:
        found = figures(script, where, steps)
        if name not in kept or found["disk_s"] < kept[name]["disk_s"]:
            kept[name] = found
        return float(found["disk_s"])

    medians = in_turn(
        settings.rounds, {"ours": lambda: timed(OURS, "ours"), "bare": lambda: timed(ORJSON, "bare")}
    )
    for name, seconds in medians.items():
        kept[name] |= {"disk_s": seconds}
    others = {}
    for peer in peers.ALL if settings.peers else ():
        found = peers.drive(peers.place(folder / peer, peer), peer, "logging", steps)
        if "skipped" not in found:
            others[peer] = found
    return kept["ours"], kept["bare"], others


def _add(outcome: Outcome, size: str, who: str, found: dict[str, float]) -> None:
    points = 5 * found["steps"]
    outcome.add(f"{size}, until on disk", who, points / found["disk_s"], "points/s")
    outcome.add(f"{size}, bytes a point", who, found["bytes"] / points, "bytes")
    for name, what, unit in (
        ("p50_us", "a call, p50", "µs"),
        ("p99_us", "a call, p99", "µs"),
        ("memory_mb", "memory grown", "MB"),
        ("finish_s", "finish", "s"),
    ):
        if name in found:
            outcome.add(f"{size}, {what}", who, found[name], unit)
