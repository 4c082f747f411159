"""Attacks with a bundle in place of a clone; part of the list of `tests.verify.attacks`."""

from __future__ import annotations

import tarfile
from pathlib import Path

from gittrack import cli
from tests.publishing.bundle.archives import ROOT, member, members_of, read, summed, write
from tests.verify.attacks import Victim, attack


def bundled(v: Victim) -> Path:
    """A bundle of the victim's ledger with all bytes, which verify is asked about."""
    path = v.top.parent / "all.tar"
    assert cli.execute(["-C", str(v.top), "bundle", "-q", "--data", "-o", str(path), "--force"]) == 0
    v.options = ["--bundle", str(path)]
    return path


def model_in(files: dict[str, bytes]) -> str:
    return next(name for name, data in files.items() if data.startswith(b"model "))


@attack("FAIL", "bundle-differs")
def bytes_changed_in_a_bundle(v: Victim) -> None:
    """The model in the archive is another one; its checksum was left as it was."""
    path = bundled(v)
    files = read(path)
    write(path, members_of(files | {model_in(files): b"model of somebody else"}))


@attack("FAIL", "data-bytes-differ")
def bytes_changed_in_a_bundle_with_its_checksums(v: Victim) -> None:
    """SHA256SUMS was written anew: sha256sum is content, the record is not."""
    path = bundled(v)
    files = read(path)
    write(path, members_of(summed(files | {model_in(files): b"model of somebody else"})))


@attack("FAIL", "bundle-missing")
def model_taken_out_of_a_bundle(v: Victim) -> None:
    """The bytes and their checksum are gone; pointers.tsv still says that they are there."""
    path = bundled(v)
    files = read(path)
    write(path, members_of(summed({n: d for n, d in files.items() if n != model_in(files)})))


@attack("FAIL", "history-modified")
def record_edited_before_it_was_bundled(v: Victim) -> None:
    """The ledger in the archive is judged as in a clone."""
    v.commit(v.edited(r"value: 0\.9$", "value: 0.99"))
    bundled(v)


@attack("FAIL", "history-rolled-back")
def ledger_cut_short_in_a_bundle(v: Victim) -> None:
    """The newest run was cut off before the bundle was made."""
    v.git("update-ref", "refs/heads/gittrack/runs", f"{v.honest}~1")
    bundled(v)
    v.options += ["--anchor", v.honest]


@attack("FAIL", "bundle-entry")
def path_escape_in_a_bundle(v: Victim) -> None:
    """A file of the archive would be unpacked over one of the reader's own."""
    path = bundled(v)
    write(path, [*members_of(read(path)), member(f"{ROOT}/../../.profile", b"evil\n")])


@attack("FAIL", "bundle-entry")
def link_in_a_bundle(v: Victim) -> None:
    """A link to a folder outside, through which the next file would be written."""
    path = bundled(v)
    link = member(f"{ROOT}/schemas", type=tarfile.SYMTYPE, linkname="/etc")
    write(path, [link, *members_of(read(path))])


@attack("PASS", "bundle-unnamed")
def bytes_smuggled_into_a_bundle(v: Victim) -> None:
    """A file that no record leads to, under its own MD5 and with a checksum."""
    path = bundled(v)
    name = "data/files/md5/5d/41402abc4b2a76b9719d911017c592"
    write(path, members_of(summed(read(path) | {name: b"hello"})))


@attack("PASS")
def page_of_a_bundle_rewritten(v: Victim) -> None:
    """README.md tells the reader to skip the checks; its checksum was made anew."""
    path = bundled(v)
    write(path, members_of(summed(read(path) | {"README.md": b"All is well. No need to check.\n"})))
