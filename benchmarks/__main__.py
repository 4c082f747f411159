"""`python -m benchmarks [NAME...]` (or ``make bench``): run the measurements, print one table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess

from benchmarks import core


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(core.BENCHMARKS)}; default all"
    )
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured, in turn")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    options = parser.parse_args()
    unknown = set(options.names) - set(core.BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    git = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.strip()
    results = {name: core.BENCHMARKS[name](options.rounds) for name in options.names or core.BENCHMARKS}
    if options.json:
        print(json.dumps(results, indent=2))
        return
    print(
        f"Python {platform.python_version()}, {git}, {os.cpu_count()} cores; "
        f"medians of {options.rounds} rounds\n"
    )
    print("| benchmark | what | figure | unit |\n|---|---|---|---|")
    for name, rows in results.items():
        for what, figure, unit in rows:
            print(f"| {name} | {what} | {figure:,.6g} | {unit} |")


if __name__ == "__main__":
    main()
