"""No record that the schema allows makes a check raise, whatever its paths, ids and digests are."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given

from gittrack.formats.record import Record
from gittrack.verify.code import check_code
from gittrack.verify.context import VerifyOptions
from gittrack.verify.data import check_bytes, check_pointers
from gittrack.verify.locks import check_locks
from gittrack.verify.policy import check_policy
from gittrack.verify.protocol import check_protocol
from tests.strategies import examples, records
from tests.verify.contexts import Honest, opened

CHECKS = (check_code, check_locks, check_pointers, check_protocol, check_policy)
RULES = {
    "policy": {"preset": "ai-act", "required": ["name", "params.a.b"], "clean_tree": True, "image": True}
}


@examples(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=records())
def test_no_record_makes_a_check_raise(template: Honest, drawn: Record) -> None:
    """Also with the code of an honest one, so that its paths are looked for in a tree."""
    options = VerifyOptions(data=True, read_data=(1, 1))
    with opened(template.repository, config=RULES, options=options) as context:
        run = context.runs[template.clean.path]
        honest = template.clean.code
        for ran in (drawn.code, replace(drawn.code, commit=honest.commit, tree=honest.tree)):
            context.records.note(run.folder, replace(drawn, code=ran))
            for check in CHECKS:
                for finding in check(context, run):
                    assert finding.run in (run.run_id, None) and finding.code.count("-")
            for finding in check_bytes(context):
                assert finding.run == run.run_id and finding.severity != "note"
            context.cache.clear()
