"""Check 8: the commits that added runs are signed, by signers whom the trusted base allows.

Who may sign is never taken from the ledger or from what is proposed: a pull request could add its own
key. It comes from a file given, or from the signers file of the trusted base revision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gittrack.errors import UsageError
from gittrack.verify.context import Context
from gittrack.verify.findings import Finding, Severity
from gittrack.verify.signers import Signed, State, listed_signers, read_signatures

_MAX_SIGNERS = _MAX_COMMIT = 1 << 20

SAYS: Mapping[State, tuple[str, str]] = {
    "bad": ("signature-bad", "the signature does not fit the commit, which was changed afterwards"),
    "expired": ("signature-expired-key", "the signing key is not valid now, whatever the commit's date says"),
    "revoked": ("signature-revoked-key", "the signing key was revoked"),
    "untrusted": ("signature-untrusted", "the commit is signed with a key that nobody allowed"),
    "unknown": ("signature-unjudged", "who may sign is not known here: give --signers FILE or --base REV"),
    "none": ("signature-missing", "signatures are required, and the commit is not signed"),
}  # fmt: skip
"""State of a signature: code, and what is said. `unknown` and `none` are judged by the policy."""


def check_signatures(context: Context) -> Iterator[Finding]:
    """The signature of each commit that added a verified run, and who let it in."""
    policy = context.config.policy
    required = policy.signatures == "required"
    adding = [c for commits in context.added_by.values() for c in commits]
    approved = approvals(context) if policy.author_not_approver else {}
    commits = dict.fromkeys([*adding, *(c for c in approved.values() if c)])
    data = _bytes_of(context, commits)
    if not required and not approved and not any(b"\ngpgsig" in head for head in data.values()):
        return
    with listed_signers(context.repository, allowed_signers(context)) as given:
        signed = read_signatures(context.repository, data, given)
    unjudged = [c for c in adding if signed.get(c, Signed("bad")).state == "unknown"]
    if unjudged:
        code, says = SAYS["unknown"]
        yield Finding(
            code=code, severity="incomplete" if required else "note", says=says, path=context.branch,
            found=f"{len(unjudged)} signed commits, such as {unjudged[0]}",
        )  # fmt: skip
    for folder, added in context.added_by.items():
        for commit in added:
            yield from _commit(folder, commit, signed.get(commit, Signed("bad")), required)
            if policy.author_not_approver:
                yield from _approval(context, folder, commit, approved.get(commit), signed)


def _bytes_of(context: Context, commits: Iterable[str]) -> dict[str, bytes]:
    """The bytes of each commit; nothing for one that is missing or larger than any commit of a ledger."""
    pairs = zip(commits, context.objects.get_many(commits), strict=True)
    return {c: item.data for c, item in pairs if item is not None and len(item.data) < _MAX_COMMIT}


def allowed_signers(context: Context) -> bytes | None:
    """The text of the allowed signers file; None where nobody outside the pull request said who may sign."""
    given = context.options.signers
    if given is not None:
        try:
            with given.open("rb") as file:
                return file.read(_MAX_SIGNERS)
        except OSError as error:
            raise UsageError(f"cannot read the signers file {given}: {error.strerror}") from error
    path = context.config.policy.signers
    if path is None or context.base is None:
        return None
    blob = context.objects.get(f"{context.base}:{path}")
    if blob is None or blob.kind != "blob":
        raise UsageError(f"policy.signers names {path}, which the trusted revision {context.base[:12]} lacks")
    return blob.data[:_MAX_SIGNERS]


def _commit(folder: str, commit: str, signed: Signed, required: bool) -> Iterator[Finding]:
    if signed.state in ("good", "unknown") or (signed.state == "none" and not required):
        return
    code, says = SAYS[signed.state]
    severity: Severity = "note" if signed.state == "untrusted" and not required else "fail"
    by = f" by {signed.who or 'key ' + signed.key[-44:]}" if signed.who or signed.key else ""
    yield _finding(code, severity, says, folder, f"commit {commit}{by}")


def _finding(code: str, severity: Severity, says: str, folder: str, found: str) -> Finding:
    run = folder.rsplit("/", 1)[-1]
    return Finding(code=code, severity=severity, says=says, path=folder, run=run, found=found)


def approvals(context: Context) -> dict[str, str | None]:
    """By adding commit the merge that brought it to the ledger's own line; None for one committed there.

    The line is that of first parents from the tip; a pull request comes in by a second parent.
    """
    line: list[str] = []
    at: str | None = context.tip
    while at is not None and at in context.commits:
        line.append(at)
        at = next(iter(context.commits[at]), None)
    brought: dict[str, str | None] = dict.fromkeys(line)
    for merge in reversed(line):
        waiting = list(context.commits[merge][1:])
        while waiting:
            commit = waiting.pop()
            if commit in context.commits and commit not in brought:
                brought[commit] = merge
                waiting += context.commits[commit]
    return {c: brought.get(c) for commits in context.added_by.values() for c in commits}


def _approval(
    context: Context, folder: str, commit: str, merge: str | None, signed: Mapping[str, Signed]
) -> Iterator[Finding]:
    """Somebody else than the run's author has to have merged it, and signed that."""
    if merge is None:
        yield _finding("signature-no-approver", "fail", "no merge brought this run in: nobody approved it",
                       folder, f"commit {commit}")  # fmt: skip
        return
    approver = signed.get(merge, Signed("unknown"))
    if approver.state == "unknown":
        yield _finding("signature-unjudged", "incomplete", SAYS["unknown"][1], folder, f"merge {merge}")
    elif approver.state != "good":
        yield _finding("signature-no-approver", "fail", "the merge of this run is not validly signed",
                       folder, f"merge {merge}: {approver.state}")  # fmt: skip
    elif _same_person(context, folder, signed.get(commit), approver):
        yield _finding("signature-own-approval", "fail", "the author of this run approved it",
                       folder, f"merge {merge} by {approver.who}")  # fmt: skip


def _same_person(context: Context, folder: str, author: Signed | None, approver: Signed) -> bool:
    """By key, by principal, or by the address in the record. Two keys of one person look like two people."""
    record = context.records.get(folder)
    author_stated = None if record is None else record.author
    email = author_stated.email.lower() if author_stated is not None and author_stated.email else None
    if author is not None and author.state == "good" and approver.key == author.key:
        return True
    names = {name for name in (author.who if author is not None else None, email) if name}
    return any(name.lower() in approver.who.lower() for name in names)
