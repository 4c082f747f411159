"""dvc.yaml of anybody is resolved: nothing is run, and what stands for too much is refused."""

from __future__ import annotations

import pytest

from gittrack.dvc.documents import read_document
from gittrack.dvc.templates import resolve
from gittrack.errors import RecordError

BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (97 + n, 97 + n, b", ".join([b"*%c" % (96 + n)] * 9)) for n in range(1, 9)
)


def test_anchors_and_merge_keys_are_read_as_dvc_reads_them() -> None:
    """Our own reader for records refuses them."""
    text = b"base: &base {cmd: x, params: [lr]}\nstages:\n  a:\n    <<: *base\n    cmd: y\n"
    assert read_document(text, "dvc.yaml")["stages"] == {"a": {"cmd": "y", "params": ["lr"]}}
    assert read_document(b"\n# nothing\n", "dvc.yaml") == {}


@pytest.mark.parametrize(
    "text", [BOMB, b"[1]", b"a: [", b"a: !!python/object:os.x {}", b"\xff", b"a: &a [*a]"]
)
def test_what_is_no_file_of_dvc_is_refused_with_its_name(text: bytes) -> None:
    """At once, whatever its aliases stand for."""
    with pytest.raises(RecordError, match=r"dvc\.yaml"):
        read_document(text, "dvc.yaml")


@pytest.mark.parametrize(
    ("stage", "why"),
    [
        ({"matrix": {"a": list(range(200)), "b": list(range(200))}, "metrics": ["m"]}, "40000 stages"),
        ({"foreach": "${nothing}", "do": {"metrics": ["m"]}}, "Could not find"),
        ({"metrics": ["${a.b}"], "vars": ["../../etc/passwd"]}, "does not exist"),
        ({"metrics": ["${x}"]}, "stand for too much"),
    ],
)
def test_a_stage_that_cannot_be_resolved_is_named(stage: object, why: str) -> None:
    """It costs no other one."""
    document = {"stages": {"bad": stage, "good": {"metrics": ["${report}.json"]}}}
    files = {"params.yaml": b"report: r\n"} if "${x}" not in str(stage) else {"params.yaml": BOMB}
    resolved, faults = resolve(document, "", files.get)
    assert any(why in fault for fault in faults), faults
    if files["params.yaml"] is not BOMB:
        assert resolved["stages"]["good"] == {"metrics": ["r.json"]}
