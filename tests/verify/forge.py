"""Ledgers that no gittrack wrote: trees and commits of any shape, and what verify finds in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gittrack.git.objects import (
    BLOB_MODE,
    TREE_MODE,
    GitObject,
    Signature,
    TreeEntry,
    make,
    make_pack,
    make_tree,
)
from gittrack.git.repository import Repository
from gittrack.ledger import ROOT_FILES
from gittrack.verify import VerifyOptions, VerifyReport, verify
from tests.ledgers import BRANCH, files_of, make_record, make_repository

Content = bytes | tuple[int, str]
"""Bytes of a plain file, or mode and object id."""
WHO = Signature("Ada", "ada@example.org", 1_790_000_000)
ROOT: Mapping[str, Content] = dict(ROOT_FILES)


def run_files(number: int = 0) -> dict[str, Content]:
    """The files of a run, whose code and environment nobody has."""
    return dict(files_of(make_record(number), environment_yaml=b"python: '3.11'\n"))


@dataclass
class Forge:
    """A repository, and its ledger as a list of commits to be forged."""

    repository: Repository

    @classmethod
    def at(cls, where: Path) -> Forge:
        return cls(make_repository(where))

    def tree(self, files: Mapping[str, Content]) -> str:
        """The tree of `files`, written."""
        objects: list[GitObject] = []
        oid = _tree(files, objects, self.repository.object_format)
        # Not by write_objects, which has git refuse what is hostile.
        pack = make_pack(objects, self.repository.object_format)
        self.repository.git("unpack-objects", "-q", doing="write", data=pack)
        return oid

    def commit(self, files: Mapping[str, Content], *parents: str, tree: str | None = None) -> str:
        """A commit of just these files; the ledger now stands there."""
        made = self.repository.commit_object(tree or self.tree(files), parents, "run", WHO)
        self.repository.write_objects([made])
        self.move(made.oid)
        return made.oid

    def chain(self, *steps: Mapping[str, Content], onto: str | None = None) -> list[str]:
        """A commit for each of `steps`, one upon the other."""
        commits: list[str] = []
        for files in steps:
            parents = commits[-1:] or ([onto] if onto else [])
            commits.append(self.commit(files, *parents))
        return commits

    def signed(self, files: Mapping[str, Content], *parents: str, at: int = WHO.seconds) -> str:
        """As `commit`, signed as git is set up to, with a date of the forger's choice."""
        who = Signature(WHO.name, WHO.email, at)
        commit = self.repository.signed_commit(self.tree(files), parents, "run", who)
        self.move(commit)
        return commit

    def move(self, commit: str) -> None:
        done = self.repository.update_refs([(f"refs/heads/{BRANCH}", commit, None)])
        assert done.code == 0, done.err

    def verify(self, *selection: str, options: VerifyOptions | None = None) -> VerifyReport:
        return verify(Repository.discover(self.repository.top), selection=selection, options=options)

    def codes(
        self, *topics: str, selection: Sequence[str] = (), options: VerifyOptions | None = None
    ) -> list[str]:
        """Codes of what verify finds, those that begin with one of `topics`, in order."""
        return codes(self.verify(*selection, options=options), *topics)


def codes(report: VerifyReport, *topics: str) -> list[str]:
    found = [finding.code for finding in report.findings]
    return [code for code in found if code.startswith(topics)] if topics else found


def _tree(files: Mapping[str, Content], objects: list[GitObject], algorithm: str) -> str:
    folders: dict[str, dict[str, Content]] = {}
    entries: dict[str, TreeEntry] = {}
    for path, content in files.items():
        head, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(head, {})[rest] = content
        elif isinstance(content, bytes):
            blob = make("blob", content, algorithm)
            objects.append(blob)
            entries[head] = TreeEntry(BLOB_MODE, blob.oid)
        else:
            entries[head] = TreeEntry(*content)
    for name, inner in folders.items():
        entries[name] = TreeEntry(TREE_MODE, _tree(inner, objects, algorithm))
    tree = make_tree(entries, algorithm)
    objects.append(tree)
    return tree.oid
