"""The events of a journal: what each is called here, and the letter that it has on disk.

The letters are part of the format: journals that an older gittrack left behind are recovered.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What an event says. On disk it is a JSON array: the letter, then what stands beside it here."""

    METRICS = "m"
    """``[[elapsed, step, {name: value}], ...]``, see `Row`."""
    PARAMS = "p"
    """``{name: value}``, where they come from, digests of what is masked by dotted name, and whether the
    program wrote them; the last three may be absent. `formats.sources` says which of several is recorded."""
    TAGS = "t"
    """``{name: text}``; a later one is added."""
    SEEDS = "s"
    """``{name: number}``; a later one is added."""
    SUMMARY = "z"
    """``{metric: value}``: final values that a series does not end with."""
    TEXT = "w"
    """Seconds since the start, step or null, ``{name: text}``: what is logged as text at a step."""
    MEDIA = "g"
    """Seconds since the start, step or null, the media of one call as in the manifest, all of one name, how
    many calls that name had before, and ``{name: [every, [number, ...]]}``: calls that make room for this,
    so that of that name every so many are kept."""
    DATASET = "a"
    """The dataset as in the record."""
    DETERMINISM = "d"
    """``{flag: value}``; a later one is added."""
    INPUT = "i"
    """The input as in the record, the text of its pointer or null."""
    OUTPUT = "o"
    """The output as in the record, the text of its pointer."""
    FACTS = "f"
    """``{field: value}`` of the record at the start, which they replace."""
    DECLARED = "c"
    """``{metric: {...}}``: what gittrack.yaml says of metrics, in place of what the start has."""
    NOT_RECORDED = "l"
    """What the record will not hold, and why; how often it was so, where that was counted."""
    DEFINED = "r"
    """``{metric: {...}}``: what the program says of metrics, before DECLARED; ``a*``: all that begin so."""
    CHANGED = "v"
    """The name of something, what it was and what it is now, null for nothing; a later one is added."""
    COUNTING = "n"
    """`next_step` counts, so rows logged before without a step are of this step; absent: of step 0."""
    ATTEMPT = "u"
    """``{...}``: another process goes on with the run; see `attempts.Taken`. What follows is of that one."""
    PREEMPTED = "q"
    """Nothing more: the program was told that it has to go, so this attempt ends as killed by preemption."""
    END = "x"
    """Status, failure or null, seconds since the start, who says so (`EndedBy`; journals of old do not)."""


POINTS = b'["%b",' % Kind.METRICS.encode()
"""How a line of metric rows begins."""
