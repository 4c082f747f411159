"""Check 7: the protocol in force, and the spec."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from gittrack.formats.record import Record
from gittrack.formats.spec import spec_digest
from gittrack.verify.protocol import check_protocol
from tests.repositories import run_git
from tests.strategies import examples, records
from tests.verify.contexts import Honest, opened, run_checks


def test_an_honest_run_has_no_finding(honest: Honest) -> None:
    """With a protocol, and in a snapshot."""
    assert honest.clean.protocol is not None
    with opened(honest.repository) as context:
        assert run_checks(context, check_protocol) == []


@pytest.mark.parametrize("protocol", [None, "1" * 40])
def test_another_protocol_is_told(honest: Honest, protocol: str | None) -> None:
    """The criteria cannot be exchanged afterwards, nor hidden."""
    (finding,) = honest.check(check_protocol, replace(honest.clean, protocol=protocol))
    assert (finding.code, finding.severity) == ("protocol-differs", "fail")
    assert finding.expected == honest.clean.protocol


def test_code_without_a_protocol_has_none_recorded(honest: Honest) -> None:
    """Both absent is fine, a made up one is not."""
    run_git(honest.top, "rm", "-q", "gittrack.yaml")
    run_git(honest.top, "commit", "-q", "-m", "none")
    commit, tree = run_git(honest.top, "rev-parse", "HEAD", "HEAD^{tree}").split()
    record = replace(honest.clean, code=replace(honest.clean.code, commit=commit, tree=tree))
    assert honest.codes(check_protocol, record) == ["protocol-differs"]
    assert honest.codes(check_protocol, replace(record, protocol=None)) == []


@pytest.mark.parametrize("change", ["params", "command", "data", "locks", "spec"])
def test_a_spec_that_is_not_of_the_record_is_told(honest: Honest, change: str) -> None:
    """Params, command, data and locks all count."""
    run = honest.clean
    record: Record = {
        "params": replace(run, params={"lr": 0.5}),
        "command": replace(run, code=replace(run.code, command=("other",))),
        "data": replace(run, data=run.data[1:]),
        "locks": replace(run, locks=()),
        "spec": replace(run, spec="1" * 64),
    }[change]
    assert honest.codes(check_protocol, record, seal=False) == ["protocol-spec"]
    assert honest.codes(check_protocol, record) == []


def test_another_seed_is_the_same_spec(honest: Honest) -> None:
    """Replicates differ by their seed."""
    assert honest.codes(check_protocol, replace(honest.clean, seed=8), seal=False) == []


def test_without_the_code_only_the_spec_is_checked(honest: Honest) -> None:
    """The code check has said what is missing."""
    record = replace(honest.clean, code=replace(honest.clean.code, tree="1" * 40))
    assert honest.codes(check_protocol, record, seal=False) == ["protocol-spec"]


@examples(15)
@given(record=records())
def test_every_record_has_a_spec(record: Record) -> None:
    """Whatever its params and paths are."""
    assert len(spec_digest(record.code, record.params, record.data, record.locks)) == 64
