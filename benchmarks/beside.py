"""`python -m benchmarks.beside CHECKOUT [NAME...]`: two states of gittrack, measured in turn.

CHECKOUT is a clone of the state before, with an environment of its own (``make .venv/.dev`` there). In each
round both measure themselves once, the one that comes first changing from round to round; the median of a
figure here over its median there is the ratio. Peers and the bare limits are in `python -m benchmarks`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

from benchmarks.__main__ import NAMES
from benchmarks.measure import HERE

Figures = dict[tuple[str, str, str], list[float]]
"""By benchmark, what was measured, and its unit: the value of each round."""

SLOWER = 1.05


def measure(checkout: Path, name: str, figures: Figures) -> None:
    """Let the gittrack of `checkout` measure itself once, without peers, and add that to `figures`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        options = ["--rounds", "1", "--no-peers", "--json", file]
        subprocess.run(
            [checkout / ".venv/bin/python", "-m", "benchmarks", name, *options],
            cwd=checkout,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        for figure in json.loads(file.read_text())[name]["figures"]:
            if figure["who"] == "gittrack" and figure["unit"] != "x":
                figures[name, figure["what"], figure["unit"]].append(figure["value"])


def table(now: Figures, before: Figures) -> str:
    """A row a figure: medians before and now, and by how much it grew (a rate: by how much it fell)."""
    lines = ["| benchmark | figure | before | now | ratio | |", "|---|---|---|---|---|---|"]
    for (name, what, unit), values in now.items():
        old, new = median(before.get((name, what, unit), [0.0])), median(values)
        ratio = (old / new if unit.endswith("/s") else new / old) if old and new else 1.0
        mark = f"**over {SLOWER}**" if ratio > SLOWER else ""
        lines.append(f"| {name} | {what} | {old:.4g} {unit} | {new:.4g} {unit} | {ratio:.3f} | {mark} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.beside", description=__doc__.split("\n\n")[0])
    parser.add_argument("checkout", type=Path, help="the state before")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default all")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, in turn")
    options = parser.parse_args()
    before: Figures = defaultdict(list)
    now: Figures = defaultdict(list)
    sides = [(options.checkout.resolve(), before), (HERE, now)]
    for name in options.names or NAMES:
        for turn in range(options.rounds):
            for checkout, figures in sides[:: 1 if turn % 2 else -1]:
                measure(checkout, name, figures)
    print(table(now, before))


if __name__ == "__main__":
    main()
