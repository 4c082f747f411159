"""Sources of parameters that contradict each other."""

from __future__ import annotations

import pytest

from gittrack.formats.sources import Layer, contradictions, resolve


@pytest.mark.parametrize(
    ("sources", "is_said"),
    [(["-S"], False), (["command line", "-S", "start_run"], False), (["command line"], True)],
)
def test_a_setting_over_a_file_is_no_contradiction(sources: list[str], is_said: bool) -> None:
    """That is what it is for, also where the program states it once more."""
    layers = [Layer("params.yaml", {"lr": 0.1}), *(Layer(source, {"lr": 0.5}) for source in sources)]
    resolved = resolve(layers)
    assert resolved.params == {"lr": 0.5}
    assert bool(contradictions(resolved.conflicts)) is is_said
