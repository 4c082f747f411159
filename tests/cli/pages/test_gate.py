"""A judgement as text: verdict first, everything escaped, programs get all of it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import gittrack
from gittrack.cli.pages import gate as pages
from gittrack.governance.gate import UNPROVEN, Judgement
from gittrack.text.text import Paint, width
from tests.governance.gate.lab import Lab
from tests.repositories import run_git

VALUES = (0.90, 0.91, 0.92)
HOSTILE = "\x1b[31m<b>|`@all`|</b>\u202e ]]> & \u0000 \U0001f600 Größe"


@pytest.fixture
def passed(lab: Lab) -> Judgement:
    """A sample that passes."""
    lab.fix(why="Below this the old rules do better.")
    lab.runs(*VALUES)
    return lab.judge("digits")


def parsed(junit: str) -> ET.Element:
    return ET.fromstring(junit)  # noqa: S314


def shown(judgement: Judgement, columns: int | None = None) -> str:
    return "\n".join(pages.terminal(judgement, Paint(), columns))


def test_the_terminal_has_the_verdict_first(passed: Judgement) -> None:
    """Then by how much, the runs with seed and value, the proof, and what is not proven."""
    lines = shown(passed).splitlines()
    assert lines[:2] == [
        "PASSED  digits: accuracy (test) at least 0.89, one-sided 95 %, 3 runs",
        "    the lower bound, 0.893141, passes by 0.00314146",
    ]
    assert lines[3].split() == ["run", "seed", "accuracy"]
    assert [line.split() for line in lines[4:7]] == [
        [run.id, str(seed), str(value)]
        for seed, (run, value) in enumerate(zip(passed.runs, VALUES, strict=True))
    ]
    labels = {line.split("  ")[0]: line for line in lines[8:-2]}
    assert list(labels) == ["figures", "judged", "varied", "gate", "why"]
    assert labels["figures"].endswith(
        "3 runs, mean 0.91, sd 0.01; the mean alone is 0.02 above the threshold"
    )
    assert labels["judged"].endswith(f"runs with the spec of {passed.run}, the newest of digits")
    assert (
        f"fixed in commit {passed.origins[0].commit[:12]}, from which the code of all 3 runs"
        in labels["gate"]
    )
    assert lines[-1] == UNPROVEN


def test_it_fits_the_terminal(lab: Lab) -> None:
    """Whatever is long goes on below itself, or is cut."""
    lab.fix(why="word " * 100, threshold=0.99)
    lab.runs(0.1)
    lab.fail(1)
    lab.fix(why="ä" * 300)
    lab.runs(0.90)
    assert all(width(line) <= 100 for line in shown(lab.judge(declared="because " * 50), 100).splitlines())


def test_a_declaration_is_in_every_form(lab: Lab) -> None:
    """With what it was needed for, and in the verdict itself."""
    lab.fix()
    lab.runs(*VALUES, 0.93)
    found = lab.judge(declared="one too many by mistake")
    assert shown(found).startswith("PASSED, AS DECLARED  digits:")
    assert pages.as_markdown(found).startswith("## gittrack gate: passed, as declared\n")
    for text in (shown(found), pages.as_markdown(found), pages.as_json(found), pages.as_junit(found)):
        assert "one too many by mistake" in text
        assert "4 runs where the protocol fixed 3" in text


def test_a_declaration_that_was_not_needed(lab: Lab) -> None:
    """Is shown, and changes nothing."""
    lab.fix()
    lab.runs(*VALUES)
    found = lab.judge(declared="just in case")
    assert shown(found).startswith("PASSED  ")
    assert "just in case (there was nothing to declare)" in shown(found)


def test_identical_values_are_said_to_have_no_spread(lab: Lab) -> None:
    """No interval of width 0."""
    lab.fix(threshold=0.9)
    lab.runs(0.9, 0.9, 0.9)
    text = shown(lab.judge())
    assert "the value of all runs, 0.9, reaches it exactly" in text
    assert "identical values: no spread, and no interval" in text


@pytest.mark.parametrize(("direction", "side"), [("maximize", "above"), ("minimize", "below")])
def test_the_mean_lies_on_a_side(lab: Lab, direction: str, side: str) -> None:
    """Above or below, whichever is better."""
    lab.fix(direction=direction, threshold=0.89 if direction == "maximize" else 0.93)
    lab.runs(*VALUES)
    assert f"0.02 {side} the threshold" in shown(lab.judge())


def test_seeds_by_name(lab: Lab) -> None:
    """A split beside the seed, or alone, or nothing."""
    lab.fix()
    lab.run(0.9, 1, seeds={"split": 2})
    lab.run(0.9, None, seeds={"split": 3})
    lab.run(0.9)
    rows = [line.split("  ")[1] for line in shown(lab.judge()).splitlines()[4:7]]
    assert rows == ["1 (split 2)", "split 3", "none"]


def test_hostile_text_steers_nothing(lab: Lab) -> None:
    """Neither a terminal, nor Markdown, nor XML, nor a line of the output."""
    why = HOSTILE.replace("\x00", "").replace("\x1b", "").replace("\u202e", "")
    lab.fix(why=f"{why}\n## heading")
    lab.runs(0.90, 0.91)
    with pytest.raises(ValueError), gittrack.start_run("digits", seed=2):
        raise ValueError(HOSTILE)
    lab.run(0.92, 3)
    found = lab.judge(declared=f"{HOSTILE}\n## heading\udc80")
    for line in shown(found).splitlines():
        assert line.isprintable() and not line.startswith("##")
    markdown = pages.as_markdown(found)
    assert "<b>" not in markdown and "@all" not in markdown and markdown.count("\n## ") == 0
    assert all(
        row.count("|") - row.count("\\|") == 5 for row in markdown.splitlines() if row.startswith("| 2")
    )
    tree = parsed(pages.as_junit(found))
    values = {p.get("name"): p.get("value") or "" for p in tree.iter("property")}
    assert "Größe" in values["why"] and "\U0001f600" in values["declared"]
    assert json.loads(pages.as_json(found))["declared"].endswith("\\udc80")


def test_json_has_the_same_keys_whatever_the_outcome(lab: Lab) -> None:
    """None stands for what is not known."""
    lab.fix()
    lab.runs(*VALUES)
    whole = json.loads(pages.as_json(lab.judge()))
    assert list(whole) == [
        "outcome", "verdict", "experiment", "asked", "run", "spec", "other_specs", "fresh", "declared",
        "rule", "varied", "figures", "runs", "fixed", "findings", "not_proven", "gittrack",
    ]  # fmt: skip
    assert list(whole["figures"]) == ["n", "mean", "sd", "bound", "margin", "mean_margin", "identical"]
    assert list(whole["rule"]) == [
        "metric", "threshold", "direction", "confidence", "sided", "runs", "unit", "split", "why",
    ]  # fmt: skip
    assert list(whole["runs"][0]) == ["id", "status", "started", "seed", "seeds", "value", "part", "says"]
    assert list(whole["fixed"][0]) == ["commit", "date", "cut_off", "runs"]
    assert round(whole["figures"]["bound"], 6) == 0.893141
    lab.run(0.93, 3)
    refused = json.loads(pages.as_json(lab.judge()))
    assert list(refused) == list(whole) and refused["figures"] is None
    assert [list(finding) for finding in refused["findings"]] == [["code", "kind", "says"]]


def test_junit_is_one_case(lab: Lab) -> None:
    """With the figures as properties; a failure has what stands against it."""
    lab.fix()
    lab.runs(*VALUES)
    tree = parsed(pages.as_junit(lab.judge()))
    assert tree.attrib == {
        "name": "gittrack gate", "tests": "1", "failures": "0", "skipped": "0", "errors": "0",
    }  # fmt: skip
    (case,) = tree.iter("testcase")
    assert case.get("classname") == "gittrack.gate" and len(case) == 0
    assert "accuracy (test) at least 0.89" in (case.get("name") or "")
    values = {p.get("name"): p.get("value") for p in tree.iter("property")}
    assert values["outcome"] == "passed" and values["n"] == "3" and values["fresh"] == "false"
    assert round(float(values["bound"] or 0), 6) == 0.893141
    lab.run(0.1, 3)
    tree = parsed(pages.as_junit(lab.judge()))
    assert tree.get("failures") == "1"
    (failure,) = tree.iter("failure")
    assert failure.get("message") == "4 runs where the protocol fixed 3: that is running until it passes"
    assert (failure.text or "").startswith("too-many-runs: ")


def test_what_is_not_known_is_skipped_and_yellow(lab: Lab) -> None:
    """A clone without the code: no rule, no figures, every form still works."""
    lab.fix()
    lab.runs(*VALUES)
    (lab.top / "train.py").write_text("print(2)\n")
    lab.commit("later")
    where = lab.top.parent / "clone"
    run_git(lab.top, "clone", "-q", "--depth", "1", f"file://{lab.top}", str(where))
    run_git(where, "fetch", "-q", "origin", "gittrack/runs:gittrack/runs")
    found = Lab(where).judge("digits")
    assert shown(found).startswith("INCOMPLETE  digits: the gate is not known\n    code tree ")
    assert "\x1b[33mINCOMPLETE" in pages.terminal(found, Paint(True))[0]
    tree = parsed(pages.as_junit(found))
    assert tree.get("skipped") == "1" and len(list(tree.iter("skipped"))) == 1
    plain = json.loads(pages.as_json(found))
    assert (plain["rule"], plain["figures"], plain["fixed"]) == (None, None, [])
    assert "incomplete" in pages.as_markdown(found)


def test_every_code_is_documented() -> None:
    """docs/gate.md has a row for each, and no other."""
    root = Path(gittrack.__file__).parent.parent
    source = "".join(file.read_text() for file in (root / "gittrack/governance/gate").glob("*.py"))
    made = set(re.findall(r'Finding\(\s*"([a-z-]+)"', source))
    rows = re.findall(r"(?m)^\| `([a-z-]+)` \| (\w+) \|", (root / "docs" / "gate.md").read_text())
    assert {code for code, _ in rows} == made
    assert len(rows) == len(made) > 20
