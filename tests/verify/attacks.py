"""The attacks of docs/threats.md: each alters an honest ledger as somebody would who wants to deceive.

An attack is a function of a `Victim`; its name, with spaces, is that of the row in the page.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import gittrack
from gittrack.formats.codec import dump_record, load_record
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from tests.repositories import run_git
from tests.verify.gnupg import BEFORE, gnupg

LEDGER = "gittrack/runs"
Change = bytes | None | tuple[str, bytes] | str
"""New bytes, None to delete, (mode, bytes), or the id of an object."""


@dataclass
class Victim:
    """A project with honest runs: two of experiment ``digits`` with data, a model and a series."""

    top: Path
    runs: list[Record]
    honest: str
    """The ledger's tip before the attack."""
    options: list[str] = field(default_factory=list)
    """What verify has to be given to see the attack."""
    where: Path | None = None
    """Another clone to verify in."""

    def git(self, *arguments: str, data: bytes | None = None, **env: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.top, input=data, check=True, capture_output=True, env={**os.environ, **env},
        )  # fmt: skip
        return done.stdout.decode()

    def blob(self, data: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", data=data).strip()

    def read(self, path: str) -> bytes:
        return subprocess.run(
            ["git", "show", f"{self.honest}:{path}"], cwd=self.top, check=True, capture_output=True
        ).stdout

    def tree(self, changes: Mapping[str, Change], base: str = LEDGER) -> str:
        """The tree of `base` with other content at some paths."""
        env = {"GIT_INDEX_FILE": str(self.top / ".git" / f"forge-{secrets.token_hex(4)}")}
        self.git("read-tree", base, **env)
        for path, change in changes.items():
            if change is None:
                self.git("update-index", "--force-remove", "--", path, **env)
                continue
            mode, content = ("100644", change) if not isinstance(change, tuple) else change
            oid = content if isinstance(content, str) else self.blob(content)
            self.git("update-index", "--add", "--cacheinfo", f"{mode},{oid},{path}", **env)
        return self.git("write-tree", **env).strip()

    def commit(
        self, changes: Mapping[str, Change], *parents: str, message: str = "forged", **env: str
    ) -> str:
        """Commit changed content and move the ledger there."""
        parents = parents or (LEDGER,)
        tree = self.tree(changes, parents[0])
        parts = [part for parent in parents for part in ("-p", parent)]
        commit = self.git("commit-tree", tree, *parts, "-m", message, **env).strip()
        self.move(commit)
        return commit

    def amend(self, changes: Mapping[str, Change], **env: str) -> str:
        """Rewrite the ledger's last commit."""
        tree = self.tree(changes)
        commit = self.git("commit-tree", tree, "-p", f"{LEDGER}~1", "-m", "forged", **env).strip()
        self.move(commit)
        return commit

    def move(self, commit: str) -> None:
        self.git("update-ref", f"refs/heads/{LEDGER}", commit)

    def path(self, name: str, run: int = -1) -> str:
        return f"{self.runs[run].path}/{name}"

    def edited(self, old: str, new: str, name: str = "run.yaml", run: int = -1) -> dict[str, Change]:
        """A file of a run with one text replaced by another."""
        path = self.path(name, run)
        before = self.read(path).decode()
        after = re.sub(old, new, before, count=1, flags=re.M)
        assert after != before, f"{old!r} is not in {path}"
        return {path: after.encode()}


Attack = Callable[[Victim], None]
ATTACKS: dict[str, tuple[Attack, Literal["FAIL", "INCOMPLETE", "PASS"], str | None]] = {}


def attack(
    outcome: Literal["FAIL", "INCOMPLETE", "PASS"], code: str | None = None
) -> Callable[[Attack], Attack]:
    """Register an attack with what verify says, and the code that it says it with."""

    def register(function: Attack) -> Attack:
        ATTACKS[function.__name__.replace("_", " ").strip()] = (function, outcome, code)
        return function

    return register


def make_victim(top: Path) -> Victim:
    """Real runs in a real repository with DVC, made through the API."""
    top.mkdir()
    run_git(top, "init", "-q")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=top, check=True)
    (top / "requirements.txt").write_text("numpy==2.0.0\n")
    (top / "gittrack.yaml").write_text("experiment: digits\n")
    (top / "train.py").write_text("print('training')\n")
    (top / ".gitignore").write_text("/model.pkl\n/data.csv\n")
    (top / "data.csv").write_text("a,b\n1,2\n")
    run_git(top, "add", "-A")
    run_git(top, "commit", "-q", "-m", "code")
    records = []
    for seed in (1, 2):
        with gittrack.start_run(repository=top, seed=seed, params={"lr": 0.1}) as run:
            os.chdir(top)
            run.log_input("data.csv", "train", store=True)
            for step in range(5):
                run.log_metrics({"loss": 1 / (step + 1), "accuracy": 0.5 + step / 10}, step=step)
            (top / "model.pkl").write_bytes(f"model {seed}".encode() * 100)
            run.log_artifact("model.pkl", role="model")
        assert run.record is not None
        records.append(run.record)
    return Victim(top, records, run_git(top, "rev-parse", LEDGER).strip())


# --- content of records ----------------------------------------------------------------------


@attack("FAIL", "history-modified")
def edited_metric(v: Victim) -> None:
    """A later commit makes the accuracy better."""
    v.commit(v.edited(r"value: 0\.9$", "value: 0.99"))


@attack("FAIL", "record-metrics")
def edited_metric_in_an_amended_commit(v: Victim) -> None:
    """The commit that added the run is rewritten: the series still tells the truth."""
    v.amend(v.edited(r"value: 0\.9$", "value: 0.99"))


@attack("FAIL", "history-rolled-back")
def edited_metric_and_series_with_recomputed_digests(v: Victim) -> None:
    """Everything agrees with everything; only who pinned the tip before can tell."""
    path = v.path("metrics.csv")
    series = v.read(path).decode().replace(",0.9\n", ",0.99\n").encode()
    old = hashlib.sha256(v.read(path)).hexdigest()
    record = v.read(v.path("run.yaml")).decode().replace("value: 0.9\n", "value: 0.99\n")
    record = record.replace(old, hashlib.sha256(series).hexdigest())
    v.amend({path: series, v.path("run.yaml"): record.encode()})
    v.options = ["--anchor", v.honest]


@attack("FAIL", "record-digest")
def edited_series_in_an_amended_commit(v: Victim) -> None:
    """Learning curves that look better than they were."""
    v.amend({v.path("metrics.csv"): v.read(v.path("metrics.csv")).replace(b"0.7", b"0.8")})


@attack("FAIL", "record-digest")
def environment_swapped(v: Victim) -> None:
    """Another machine's environment beside the record."""
    v.amend(v.edited(r"^schema:.*$", "schema: gittrack/environment/1 ", "environment.yaml"))


@attack("FAIL", "record-unreadable")
def failed_run_presented_without_status(v: Victim) -> None:
    """A field that the schema demands is gone."""
    v.amend(v.edited(r"^status: .*\n", ""))


@attack("FAIL", "record-canonical")
def comment_smuggled_into_a_record(v: Victim) -> None:
    """Text that people read and programs do not."""
    v.amend(v.edited(r"^status: finished", "status: finished  # approved by the board"))


@attack("FAIL", "record-unreadable")
def duplicate_key(v: Victim) -> None:
    """Two values for one name: readers differ on which one counts."""
    v.amend(v.edited(r"^status: finished\n", "status: failed\nstatus: finished\n"))


@attack("FAIL", "record-unreadable")
def alias_bomb(v: Victim) -> None:
    """Three hundred bytes that are a billion leaves."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    v.amend({v.path("run.yaml"): "\n".join(lines).encode()})


@attack("FAIL", "record-unreadable")
def three_thousand_brackets(v: Victim) -> None:
    """Nesting that exhausts the stack of a careless reader."""
    v.amend({v.path("run.yaml"): b"[" * 3000})


@attack("FAIL", "record-unreadable")
def record_of_fifty_megabytes(v: Victim) -> None:
    """A file that fills the memory of a careless reader."""
    v.amend({v.path("run.yaml"): b"a: " + b"x" * 50_000_000})


@attack("FAIL", "record-unreadable")
def metric_that_is_not_a_number(v: Victim) -> None:
    """NaN passes every minimum and maximum of a JSON Schema validator."""
    v.amend(v.edited(r"value: 0\.9$", "value: .nan"))


@attack("INCOMPLETE", "record-too-new")
def record_of_the_future(v: Victim) -> None:
    """A schema version that nobody knows."""
    v.amend(v.edited(r"^schema: gittrack/run/1", "schema: gittrack/run/9"))


# --- where records lie -----------------------------------------------------------------------


@attack("FAIL", "history-deleted")
def record_deleted(v: Victim) -> None:
    """The run that did not look good is gone."""
    run = v.runs[0]
    v.commit(dict.fromkeys(v.git("ls-tree", "-r", "--name-only", LEDGER, run.path).split()))


@attack("FAIL", "record-path")
def records_swapped(v: Victim) -> None:
    """Two runs exchange their records."""
    one, two = v.path("run.yaml", 0), v.path("run.yaml", 1)
    v.commit({one: v.read(two), two: v.read(one)})


@attack("FAIL", "record-path")
def record_moved_to_another_experiment(v: Victim) -> None:
    """A copy under another name counts as a candidate twice."""
    v.commit({v.path(n).replace("runs/digits", "runs/other"): v.read(v.path(n)) for n in _names(v)})


@attack("FAIL", "record-duplicate")
def duplicate_id(v: Victim) -> None:
    """Another experiment holds a valid record with the id of a run that exists."""
    from dataclasses import replace

    record = replace(load_record(v.read(v.path("run.yaml")), "run.yaml"), experiment="other")
    files: dict[str, Change] = {f"{record.path}/{n}": v.read(v.path(n)) for n in _names(v)}
    files[f"{record.path}/run.yaml"] = dump_record(record)
    v.commit(files)


def _names(v: Victim) -> list[str]:
    folder = v.runs[-1].path
    listed = v.git("ls-tree", "-r", "--name-only", LEDGER, folder).split()
    return [path.removeprefix(folder + "/") for path in listed]


@attack("FAIL", "history-deleted")
def forged_merge_that_drops_a_record(v: Victim) -> None:
    """A merge commit takes everything from both sides but one run."""
    side = v.git("commit-tree", f"{LEDGER}^{{tree}}", "-p", f"{LEDGER}~1", "-m", "side").strip()
    gone = v.git("ls-tree", "-r", "--name-only", LEDGER, v.runs[-1].path).split()
    v.commit(dict.fromkeys(gone), LEDGER, side, message="Merge ledger of origin")


@attack("FAIL", "history-run-extended")
def forged_merge_that_adds_a_record(v: Victim) -> None:
    """A merge brings in a file that no side has."""
    side = v.git("commit-tree", f"{LEDGER}~1^{{tree}}", "-p", f"{LEDGER}~1", "-m", "side").strip()
    v.commit({v.path("extra.txt"): b"x"}, LEDGER, side, message="Merge ledger of origin")


@attack("FAIL", "history-rolled-back")
def truncated_ledger(v: Victim) -> None:
    """The newest run is cut off."""
    v.move(f"{LEDGER}~1")
    v.options = ["--anchor", v.honest]


@attack("FAIL", "history-rolled-back")
def rolled_back_remote(v: Victim) -> None:
    """A server hands out an old state to a clone that had seen a newer one verified."""
    assert gittrack_verify(v) == 0
    v.move(f"{LEDGER}~1")


@attack("FAIL", "record-file-unexpected")
def file_added_beside_a_record(v: Victim) -> None:
    """Something that the record does not name lies in its folder."""
    v.amend({v.path("notes.txt"): b"the better model is elsewhere"})


@attack("FAIL", "ledger-mode")
def symlink_in_place_of_a_record(v: Victim) -> None:
    """A checkout of the ledger would read a file outside it."""
    v.amend({v.path("run.yaml"): ("120000", b"/etc/passwd")})


@attack("FAIL", "ledger-case-collision")
def case_colliding_paths(v: Victim) -> None:
    """On some file systems one of the two hides the other."""
    v.commit({v.path("run.yaml").replace("runs/digits", "runs/Digits"): v.read(v.path("run.yaml"))})


@attack("FAIL", "ledger-layout")
def option_like_names(v: Victim) -> None:
    """A folder that a careless program takes for an option."""
    v.commit({"runs/--upload-pack=touch owned/2026-11-22/20261122-142233-7f3a2c/run.yaml": b"a: 1\n"})


@attack("FAIL", "ledger-layout")
def terminal_codes_in_names(v: Victim) -> None:
    """A name that rewrites the reader's screen."""
    v.commit({"runs/\x1b[2Jx/2026-11-22/20261122-142233-7f3a2c/run.yaml": b"a: 1\n"})


# --- code, locks, data -------------------------------------------------------------------------


@attack("FAIL", "code-tree")
def code_tree_of_another_commit(v: Victim) -> None:
    """The record claims code that the commit does not hold."""
    other = v.git("rev-parse", f"{LEDGER}^{{tree}}").strip()
    v.amend(v.edited(r'^  tree: "?[0-9a-f]+"?$', f"  tree: {other}"))


@attack("FAIL", "code-missing")
def snapshot_missing(v: Victim) -> None:
    """The record names a commit that exists nowhere."""
    v.amend(v.edited(r'^  commit: "?[0-9a-f]+"?$', f"  commit: {'ab' * 20}"))


@attack("INCOMPLETE", "code-anchor-missing")
def code_anchor_deleted(v: Victim) -> None:
    """The next gc takes the code of every run whose branch is gone."""
    v.git("update-ref", "-d", "refs/gittrack/code")


@attack("FAIL", "locks-digest")
def lock_changed(v: Victim) -> None:
    """The record names another lock than the code commit holds."""
    v.amend(v.edited(r'^    sha256: "?[0-9a-f]{64}"?\n    blob', f"    sha256: {'a' * 64}\n    blob"))


@attack("FAIL", "locks-grade")
def lock_graded_better_than_it_is(v: Victim) -> None:
    """Versions without hashes pass as hashed."""
    v.amend(v.edited(r"^    pins: versions$", "    pins: hashed"))


@attack("FAIL", "data-pointer-differs")
def pointer_of_other_data(v: Victim) -> None:
    """The pointer beside the record fetches another model than the record names."""
    v.amend(v.edited(r'md5: "?[0-9a-f]{32}"?', f"md5: {'b' * 32}", "outputs/model.pkl.dvc"))


@attack("FAIL", "data-pointer-differs")
def path_escape_in_a_pointer(v: Victim) -> None:
    """Fetching the model would overwrite a file outside the run's folder."""
    v.amend(
        v.edited(r"path: model\.pkl", "path: ../../../../../.ssh/authorized_keys", "outputs/model.pkl.dvc")
    )


@attack("FAIL", "data-bytes-differ")
def cache_bytes_changed(v: Victim) -> None:
    """The model in the cache is another one than was measured."""
    md5 = v.runs[-1].outputs[0].md5
    cached = v.top / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    cached.chmod(0o644)
    cached.write_bytes(b"another model"[:13] + cached.read_bytes()[13:])
    v.options = ["--read-data"]


@attack("INCOMPLETE", "data-bytes-unknown")
def cache_bytes_gone(v: Victim) -> None:
    """The model was never pushed and its cache is lost."""
    shutil.rmtree(v.top / ".dvc" / "cache")
    v.options = ["--data"]


# --- criteria ------------------------------------------------------------------------------------


@attack("FAIL", "protocol-differs")
def criteria_changed_afterwards(v: Victim) -> None:
    """The record points to other criteria than its code commit holds."""
    v.amend(v.edited(r'^protocol: "?[0-9a-f]+"?$', f"protocol: {v.blob(b'experiment: easier')}"))


@attack("FAIL", "protocol-spec")
def spec_forged(v: Victim) -> None:
    """Runs of another specification pass as replicates."""
    v.amend(v.edited(r'^spec: "?[0-9a-f]+"?$', f"spec: {'c' * 64}"))


# --- git itself ----------------------------------------------------------------------------------


@attack("FAIL", "repository-replaced")
def replaced_object(v: Victim) -> None:
    """git replace shows another record to everybody who does not switch it off."""
    old = v.git("rev-parse", f"{LEDGER}:{v.path('run.yaml')}").strip()
    (_, forged) = next(iter(v.edited(r"value: 0\.9$", "value: 0.99").items()))
    assert isinstance(forged, bytes)
    v.git("replace", old, v.blob(forged))


@attack("FAIL", "repository-damaged")
def object_with_flipped_bits(v: Victim) -> None:
    """Bytes on disk changed under git's feet."""
    oid = v.git("rev-parse", f"{LEDGER}:{v.path('environment.yaml')}").strip()
    loose = v.top / ".git" / "objects" / oid[:2] / oid[2:]
    data = bytearray(loose.read_bytes())
    data[len(data) // 2] ^= 0xFF
    loose.chmod(0o644)
    loose.write_bytes(data)


@attack("INCOMPLETE", "repository-shallow")
def shallow_clone(v: Victim) -> None:
    """Without history nobody can say that nothing was altered."""
    where = v.top.parent / "shallow"
    branch = ["--depth", "1", "--no-single-branch"]
    v.git("clone", "-q", *branch, v.top.as_uri(), str(where))
    v.where = where


@attack("INCOMPLETE", "repository-partial")
def partial_clone(v: Victim) -> None:
    """Blobs that are fetched on demand may be other ones tomorrow."""
    v.git("config", "uploadpack.allowFilter", "true")
    where = v.top.parent / "partial"
    v.git("clone", "-q", "--filter=blob:none", "--no-checkout", v.top.as_uri(), str(where))
    v.where = where


@attack("PASS", "repository-grafts")
def grafted_history(v: Victim) -> None:
    """A file in the git directory pretends another parent; verify looks past it, and says so."""
    tip = v.git("rev-parse", LEDGER).strip()
    (v.top / ".git" / "info").mkdir(exist_ok=True)
    (v.top / ".git" / "info" / "grafts").write_text(f"{tip}\n")


# --- signatures ------------------------------------------------------------------------------


def _policy(v: Victim, *allowed: str) -> str:
    """A trusted code commit that demands signatures, and who may give them."""
    files: dict[str, Change] = {
        "gittrack.yaml": b"experiment: digits\npolicy: {signatures: required, signers: allowed}\n",
        "allowed": "".join(f"{line}\n" for line in allowed).encode(),
    }
    return v.git("commit-tree", v.tree(files, "main"), "-p", "main", "-m", "policy").strip()


def _key(v: Victim, name: str) -> str:
    """Make an SSH key, have git sign with it, and return the public half."""
    path = v.top.parent / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    v.git("config", "gpg.format", "ssh")
    v.git("config", "user.signingkey", str(path))
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def _signed_run(v: Victim, **env: str) -> None:
    """The newest run's commit again, signed now with the key that git is set up for."""
    tree = v.git("rev-parse", f"{LEDGER}^{{tree}}").strip()
    v.move(v.git("commit-tree", "-S", tree, "-p", f"{LEDGER}~1", "-m", "run", **env).strip())
    v.options = [v.runs[-1].id]


@attack("FAIL", "signature-missing")
def unsigned_run_where_policy_demands_a_signature(v: Victim) -> None:
    """Somebody without a key adds a run."""
    v.options = ["--base", _policy(v, f"ada@example.com {_key(v, 'ada')}")]


@attack("FAIL", "signature-untrusted")
def key_added_in_the_same_pull_request(v: Victim) -> None:
    """The pull request brings its own allowed signers; trust comes from the base, not from it."""
    trusted = _policy(v, f"ada@example.com {_key(v, 'ada')}")
    mallory = _key(v, "mallory")
    v.git("update-ref", "refs/heads/pull-request", _policy(v, f"ada@example.com {mallory}"))
    _signed_run(v)
    v.options += ["--base", trusted]


@attack("FAIL", "signature-expired-key")
def back_dated_commit_with_an_expired_key(v: Victim) -> None:
    """git itself calls this signature good, because it believes the commit's date."""
    key = _key(v, "ada")
    trusted = _policy(v, f'ada@example.com valid-before="20210101" {key}')
    _signed_run(v, GIT_COMMITTER_DATE="1577880000 +0000", GIT_AUTHOR_DATE="1577880000 +0000")
    v.options += ["--base", trusted]


@attack("FAIL", "signature-bad")
def signature_of_another_commit(v: Victim) -> None:
    """A good signature is pasted onto a commit with other content."""
    key = _key(v, "ada")
    trusted = _policy(v, f"ada@example.com {key}")
    _signed_run(v)
    commit = v.git("cat-file", "commit", LEDGER).replace("\n\nrun\n", "\n\nrun of somebody else\n")
    v.move(v.git("hash-object", "-t", "commit", "-w", "--stdin", data=commit.encode()).strip())
    v.options += ["--base", trusted]


@attack("FAIL", "signature-revoked-key")
def back_dated_commit_with_a_stolen_key(v: Victim) -> None:
    """The key was revoked when the theft was noticed; the thief writes a date before that."""
    trusted = _policy(v, f"ada@example.com {_key(v, 'ada')}")
    v.git("config", "gpg.ssh.revocationFile", str(v.top.parent / "ada.pub"))
    _signed_run(v, GIT_COMMITTER_DATE="1577880000 +0000", GIT_AUTHOR_DATE="1577880000 +0000")
    v.options += ["--base", trusted]


def _openpgp_run(v: Victim, signer: str, *, revoke: bool = False, expired: bool = False) -> None:
    """The newest run signed with an OpenPGP key, dated 2020; the trusted list has the key of ada."""
    with gnupg() as keys:
        keys.make("ada", expired=expired)
        if signer != "ada":
            keys.make(signer)
        keys.set_up(v.top, signer, then=expired)
        date = f"{BEFORE} +0000"
        _signed_run(v, GNUPGHOME=str(keys.home), GIT_COMMITTER_DATE=date, GIT_AUTHOR_DATE=date)
        v.git("config", "gpg.program", "gpg")
        if revoke:
            keys.revoke("ada")
        v.options += ["--base", _policy(v, keys.public("ada").decode())]


@attack("FAIL", "signature-expired-key")
def back_dated_commit_with_an_expired_openpgp_key(v: Victim) -> None:
    """Signature and commit have a date of 2020, when the key was valid."""
    _openpgp_run(v, "ada", expired=True)


@attack("FAIL", "signature-revoked-key")
def back_dated_commit_with_a_revoked_openpgp_key(v: Victim) -> None:
    """The list of signers has the key and its revocation."""
    _openpgp_run(v, "ada", revoke=True)


@attack("FAIL", "signature-untrusted")
def openpgp_key_of_a_stranger(v: Victim) -> None:
    """A good signature, by a key that no list and no keyring knows: that must not count as unchecked."""
    _openpgp_run(v, "mallory")


@attack("FAIL", "signature-bad")
def signature_of_no_known_form(v: Victim) -> None:
    """git ends at a signature that it does not know, and so would a look at all others."""
    trusted = _policy(v, f"ada@example.com {_key(v, 'ada')}")
    _signed_run(v)
    commit = v.git("cat-file", "commit", LEDGER).replace("BEGIN SSH SIGNATURE", "BEGIN ODD SIGNATURE")
    v.move(v.git("hash-object", "-t", "commit", "-w", "--stdin", data=commit.encode()).strip())
    v.options += ["--base", trusted]


# --- what no verifier can see ----------------------------------------------------------------


@attack("PASS")
def metric_that_was_never_true(v: Victim) -> None:
    """The program itself logs a figure that it did not measure."""
    with gittrack.start_run(repository=v.top, seed=3) as run:
        run.log_metric("accuracy", 0.999, step=0)


@attack("PASS")
def run_left_out(v: Victim) -> None:
    """A run that was made without gittrack, or whose journal was deleted, leaves no trace."""


@attack("PASS")
def rewritten_ledger_that_nobody_had_seen(v: Victim) -> None:
    """Before anybody pinned or fetched a tip, history can be made anew."""
    v.move(f"{LEDGER}~1")


def gittrack_verify(v: Victim) -> int:
    from gittrack import cli

    return cli.execute(["-C", str(v.where or v.top), "verify", "-q", *v.options])


def repository_of(v: Victim) -> Repository:
    return Repository.discover(v.where or v.top)
