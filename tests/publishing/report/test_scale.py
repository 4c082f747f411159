"""Many runs, in bounded time and memory; what is drawn is limited, what is listed is not."""

from __future__ import annotations

import tracemalloc

from tests.publishing.report.big import grow
from tests.publishing.report.pages import Page
from tests.publishing.report.study import Study

RUNS = 100


def test_many_runs(study: Study) -> None:
    """Within 500 MB for 1,000: measured on 100, where a tenth of that is allowed."""
    grow(study.top, RUNS)
    study.decide(study.report(verify=False).records[-1])
    tracemalloc.start()
    page = study.html(verify=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    found = Page(page)
    assert sum(name.startswith("run-2") for name in found.ids) == RUNS
    assert sum(name.startswith("spec-") for name in found.ids) == RUNS
    assert all(len(line.attributes["points"]) < 4000 for line in found.all("polyline"))
