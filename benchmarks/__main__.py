"""`python -m benchmarks [NAME...]` (or ``make bench``): gittrack beside its peers and the bare limits.

Each benchmark does the same work with gittrack, with peers from PyPI in an environment of their own, and with
the bare limit, in turn; medians count, and ratios of one run. The largest sizes take an hour on two cores.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path

from benchmarks import page
from benchmarks.measure import HERE, Outcome, Settings

NAMES = (
    "logging",
    "life",
    "query",
    "verify",
    "hooks",
    "startup",
    "sync",
    "pages",
    "live",
    "imports",
    "system",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default all")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, in turn")
    parser.add_argument("--smoke", action="store_true", help="small sizes, to see that all of it works")
    parser.add_argument("--no-peers", action="store_true", help="gittrack and the bare limits alone")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write, or bring up to date, the figures here"
    )
    parser.add_argument("--write", action="store_true", help="put figures into docs/benchmarks.json and .md")
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    settings = Settings(1 if options.smoke else options.rounds, options.smoke, not options.no_peers)
    found: dict[str, Outcome] = {}
    for name in options.names or NAMES:
        began = time.perf_counter()
        found[name] = import_module(f"benchmarks.{name}").measure(settings)
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    machine = page.machine(settings)
    print(page.markdown(page.document(machine, found)))
    files = [options.json] if options.json else []
    if options.write:
        files.append(HERE / "docs/benchmarks.json")
    for file in files:
        page.keep(file, machine, found)
    if options.write:
        page.put_into(HERE / "docs/benchmarks.md", HERE / "docs/benchmarks.json")


if __name__ == "__main__":
    main()
