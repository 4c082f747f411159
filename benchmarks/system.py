"""What it costs to sample the use of the machine while a run goes on."""

from __future__ import annotations

from benchmarks.measure import Outcome, Settings, figures, scratch

EVERY_S = 10
SHARE = 0.2
"""Percent of a core."""

SAMPLES = """
import json, os, statistics, subprocess, sys, threading, time
import gittrack.recording.start  # as a run has it loaded
idle = [sys.executable, "-c", "input()"]
below = [subprocess.Popen(idle, stdin=subprocess.PIPE) for _ in range(int(sys.argv[1]))]
waiting = threading.Event()
for _ in range(int(sys.argv[2])):
    threading.Thread(target=waiting.wait, daemon=True).start()
time.sleep(0.5)
began = time.thread_time()
from gittrack.recording.system.readings import Readings
readings = Readings(os.getpid())
loading = time.thread_time() - began
spent = []
for _ in range(int(sys.argv[3])):
    time.sleep(0.1)  # what a processor forgets meanwhile, it forgets in ten seconds
    began = time.thread_time()
    json.dumps(readings.take(10.0))
    spent.append(time.thread_time() - began)
for process in below:
    process.communicate(b"\\n")
print(json.dumps([loading, statistics.median(spent)]))
"""


def measure(settings: Settings) -> Outcome:
    """CPU time of the thread, user and system, for a sample; as a share of a core with one every ten seconds.

    Of a process alone, and of one with 64 threads and 32 processes below it, as a training with its workers
    has. What is loaded before the first sample, ten seconds after the start, is loaded once. GPUs that the
    machine has are asked too. Where a sample takes more than 20 ms the next one waits longer, so that the
    share stays below 0.2 %.
    """
    outcome = Outcome()
    count = settings.size(50, 3)
    with scratch() as folder:
        for what, processes, threads in (("alone", 0, 0), ("with 32 processes and 64 threads", 32, 64)):
            loading, sample = figures(SAMPLES, folder, settings.size(processes, 1), threads, count)
            if not processes:
                outcome.add("loaded once, before the first sample", "gittrack", loading * 1000, "ms")
            outcome.add(f"a sample, {what}", "gittrack", sample * 1000, "ms")
            share = outcome.add(f"share of a core, {what}", "gittrack", sample / EVERY_S * 100, "%")
            outcome.goal(f"percent of a core for sampling, {what}", share, SHARE)
    return outcome
