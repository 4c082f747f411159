"""Check 12. Every tag of the model registry says what the ledger says, and is signed as the policy asks.

Looked at are the models that have to do with this ledger: with a tag that names a run or lies on the
ledger. A tag that was deleted leaves no trace: a registry cut short is not found out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gittrack.governance.registry.state import Model, models_of
from gittrack.governance.registry.tags import OUTPUT, RUN, SHA256, Tag, read_path, read_tags, split_signature
from gittrack.verify.context import Context, RunFiles
from gittrack.verify.findings import Finding, Severity, finding
from gittrack.verify.signatures import allowed_signers
from gittrack.verify.signers import Signed, Signers, State, listed_signers, read_signatures

_SAYS: dict[State, tuple[str, str]] = {
    "bad": ("registry-signature", "the signature does not fit the tag, which was changed afterwards"),
    "expired": ("registry-signature", "the signing key is not valid now, whatever the tag's date says"),
    "revoked": ("registry-signature", "the signing key was revoked"),
    "untrusted": ("registry-untrusted", "the tag is signed with a key that nobody allowed"),
    "unknown": ("registry-unjudged", "who may sign is not known here: give --signers FILE or --base REV"),
    "none": ("registry-unsigned", "signatures are required, and the tag is not signed"),
}
# git verify-tag --raw, by gnupg's doc/DETAILS; the first that is found counts.
_GNUPG: tuple[tuple[bytes, State], ...] = (
    (b"BADSIG", "bad"), (b"REVKEYSIG", "revoked"), (b"EXPKEYSIG", "expired"), (b"EXPSIG", "expired"),
    (b"ERRSIG", "unknown"), (b"TRUST_UNDEFINED", "untrusted"), (b"TRUST_NEVER", "untrusted"),
    (b"GOODSIG", "good"),
)  # fmt: skip


def check_registry(context: Context) -> Iterator[Finding]:
    """The tags that lie on commits of the selected runs or name them; without a selection, all."""
    every = len(context.runs) == len(context.all_runs) and context.new is None
    runs = {run.run_id: run for run in context.runs.values()}
    commits = {commit for added in context.added_by.values() for commit in added}
    signed = []
    for model in models_of(read_tags(context.repository, context.objects)).values():
        own = [tag for tag in (*model.tags, *model.strays) if _is_of(tag, runs, commits)]
        if every and own:
            own = [*model.tags, *model.strays]
        for tag in own:
            signed.append(tag)
            yield from _tag(context, model, tag, runs, every)
        yield from _twice(model, own)
    yield from _signatures(context, signed)


def _is_of(tag: Tag, runs: dict[str, RunFiles], commits: set[str]) -> bool:
    return tag.commit in commits or tag.trailers.get(RUN) in runs


def _tag(
    context: Context, model: Model, tag: Tag, runs: dict[str, RunFiles], every: bool
) -> Iterator[Finding]:
    if tag.fault:
        yield _finding("registry-tag", tag.fault, tag)
    elif tag.name.action == "register":
        yield from _registration(context, tag, runs, every)
    elif tag.name.stage is not None:
        version = next((v for v in model.versions if v.tag.commit == tag.commit), None)
        if version is None:
            says = f"no version of {model.name} is registered at the commit that it points to"
            yield _finding("registry-stage", says, tag, found=tag.commit)


def _registration(context: Context, tag: Tag, runs: dict[str, RunFiles], every: bool) -> Iterator[Finding]:
    run_id = tag.trailers.get(RUN)
    run = runs.get(run_id or "")
    if run is None:
        if run_id is None or every or tag.commit in context.commits:
            says = "it names no run" if run_id is None else "it names a run that is not on the ledger"
            yield _finding("registry-run", says, tag, found=run_id)
        return
    added = context.added_by.get(run.folder, [])
    if tag.commit not in added:
        if _is_shallow(context):
            says = (
                "not checked: the commit that added the run is not in this clone; run git fetch --unshallow"
            )
            yield _finding("registry-unchecked", says, tag, "incomplete", run=run.run_id)
        else:
            says = "it does not point to the commit that added the run that it names"
            yield _finding(
                "registry-commit", says, tag, run=run.run_id, expected=", ".join(added), found=tag.commit
            )
    yield from _output(context, tag, run)


def _output(context: Context, tag: Tag, run: RunFiles) -> Iterator[Finding]:
    record = context.record_at(run.folder)
    if record is None:
        return  # the record check has said so
    path, stated = read_path(tag.trailers.get(OUTPUT, "")), tag.trailers.get(SHA256)
    output = next((output for output in record.outputs if output.path == path), None)
    if record.status != "finished":
        yield _finding("registry-run", f"it registers a run that {record.status}", tag, run=run.run_id)
    if output is None:
        yield _finding("registry-output", "the run has no such output", tag, run=run.run_id, found=path)
    elif output.sha256 is None or output.sha256 != stated:
        says = "the record has another sha256 of the model"
        yield _finding("registry-output", says, tag, run=run.run_id, expected=output.sha256, found=stated)


def _twice(model: Model, own: Sequence[Tag]) -> Iterator[Finding]:
    first: dict[str | None, Tag] = {}
    for version in reversed(model.versions):
        before = first.setdefault(version.tag.commit, version.tag)
        if before is not version.tag and version.tag in own:
            says = "its commit is another version of the model already, and gto reads none of the tags then"
            yield _finding("registry-twice", says, version.tag, found=before.ref)


# --- signatures ------------------------------------------------------------------------------------


def _signatures(context: Context, tags: Sequence[Tag]) -> Iterator[Finding]:
    counted = [tag for tag in tags if tag.counts]
    required = context.config.policy.signatures == "required"
    if not required and not any(tag.signed for tag in counted):
        return
    with listed_signers(context.repository, allowed_signers(context)) as signers:
        states = _states(context, counted, signers)
    for tag in counted:
        signed = states[tag.oid]
        if signed.state == "good" or (signed.state == "none" and not required):
            continue
        code, says = _SAYS[signed.state]
        severity: Severity = "fail" if required or code == "registry-signature" else "note"
        if signed.state == "unknown":
            severity = "incomplete" if required else "note"
        by = signed.who or (f"key {signed.key[-44:]}" if signed.key else "")
        yield _finding(code, says, tag, severity, found=by or None)


def _states(context: Context, tags: Sequence[Tag], signers: Signers) -> dict[str, Signed]:
    """By object id. SSH signatures as those of commits are judged; the others by git with GnuPG."""
    repository = context.repository
    items = context.objects.get_many(tag.oid for tag in tags)
    data = {tag.oid: b"" if item is None else item.data for tag, item in zip(tags, items, strict=True)}
    split = {oid: split_signature(content) for oid, content in data.items()}
    ssh = {oid for oid, (_, signature) in split.items() if signature.startswith(b"-----BEGIN SSH ")}
    headed = {
        oid: _headed(*parts, repository.object_format)
        for oid, parts in split.items()
        if oid in ssh or not parts[1]
    }
    states = read_signatures(repository, headed, signers)
    for oid in data.keys() - headed.keys():
        states[oid] = _by_gnupg(context, oid, signers)
    return states


def _headed(payload: bytes, signature: bytes, algorithm: str) -> bytes:
    """A tag with its signature as a header, which is where a commit has it."""
    if not signature:
        return payload
    key = b"gpgsig" if algorithm == "sha1" else b"gpgsig-sha256"
    head, gap, body = payload.partition(b"\n\n")
    return head + b"\n" + key + b" " + signature.rstrip(b"\n").replace(b"\n", b"\n ") + gap + body


def _by_gnupg(context: Context, oid: str, signers: Signers) -> Signed:
    if signers.gnupg == "nobody":
        return Signed("untrusted")
    home = {} if signers.gnupg == "own" else {"GNUPGHOME": str(signers.gnupg)}
    status = context.repository.run("verify-tag", "--raw", oid, env=home).err
    words = [line.split()[1:] for line in status.splitlines() if line.startswith(b"[GNUPG:] ")]
    present = {line[0]: line for line in words if line}
    state = next((state for word, state in _GNUPG if word in present), "bad" if present else "unknown")
    if state == "unknown" and home:
        state = "untrusted"  # the list is all there is: a key that it lacks is nobody's
    who = b" ".join(present.get(b"GOODSIG", [])[2:]).decode("utf-8", "replace")
    return Signed(state, who)


def _is_shallow(context: Context) -> bool:
    return (context.repository.common_dir / "shallow").exists()


def _finding(
    code: str,
    says: str,
    tag: Tag,
    severity: Severity = "fail",
    *,
    run: str | None = None,
    expected: str | None = None,
    found: str | None = None,
) -> Finding:
    return finding(code, says, f"refs/tags/{tag.ref}", severity, run=run, expected=expected, found=found)
