"""Runs in the formats of others: what the records say, written so that other tools can read and check it.

source.py      a run with everything beside its record
values.py      values, digests and addresses as those formats hold them
contents.py    the bytes of outputs, and safe names for them
losses.py      what trackers cannot hold of points; wire.py: protocol buffers
writing.py     a new file or folder, never over one that is there
dsse.py        signed envelopes
then one file a format: ro_crate.py, in_toto.py, cyclonedx.py, model_card.py, prov.py, mlflow.py,
tensorboard.py;
tables.py, parquet.py  many runs as tables, which need no more of them than the index has
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gittrack.errors import UsageError
from gittrack.exporters.dsse import PemSigner, Signer, SshSigner
from gittrack.exporters.source import Source, Subject, subject
from gittrack.git.repository import Repository
from gittrack.reading.across import Across
from gittrack.reading.index import Index, Progress

__all__ = [
    "ExportOptions",
    "Exported",
    "Format",
    "PemSigner",
    "Signer",
    "SshSigner",
    "export",
    "export_tables",
]

Format = Literal["ro-crate", "in-toto", "cyclonedx", "model-card", "prov", "mlflow", "tensorboard"]

WHOLE = ("ro-crate", "prov", "mlflow", "tensorboard")
"""Formats that take an experiment as well."""

_OPTIONS = {
    "data": ("ro-crate", "mlflow", "tensorboard"),
    "licence": ("ro-crate", "cyclonedx", "model-card"),
    "signer": ("in-toto",),
}
_FLAGS = {"data": "--data", "licence": "--license", "signer": "--sign and --key"}
_STANDARD_OUTPUT = "-"
_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+() -]{0,99}|https?://[A-Za-z0-9/._~:?=&%#@+-]{1,500}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What a person asked for. `target` is a path, a store of MLflow, or ``-`` for the terminal."""

    target: str = _STANDARD_OUTPUT
    force: bool = False
    data: bool = False
    licence: str | None = None
    signer: Callable[[Repository], Signer] | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What came of it: bytes for the terminal if they went nowhere else, a line, and what one should know."""

    data: bytes | None
    said: str
    notes: list[str]


def export(index: Index, name: str, to: Format, options: ExportOptions) -> Exported:
    """Write a run or an experiment in the format `to`.

    UsageError for what does not go together, a target that is there, or a name that means nothing;
    RecordError for damaged records; DvcError where bytes were asked for and are not here.
    """
    _check(to, options)
    if options.licence is not None and not _LICENCE.fullmatch(options.licence):
        raise UsageError(f"--license takes an SPDX identifier or a URL, not {options.licence!r}")
    with subject(index, name) as chosen:
        if chosen.whole and to not in WHOLE:
            raise UsageError(
                f"--to {to} takes a run, and {name} is an experiment: name one, such as {name}/latest"
            )
        if to == "mlflow":
            return _to_mlflow(chosen, options)
        if to == "tensorboard":
            return _to_tensorboard(chosen, options)
        if to == "ro-crate":
            return _to_crate(chosen, options)
        data = _text(chosen, to, options, index.repository)
        return _put(chosen, data, _default_name(chosen, to), options)


def export_tables(
    across: Across, experiment: str | None, options: ExportOptions, progress: Progress | None = None
) -> Exported:
    """Write the runs of all repositories, or those of an experiment, as a folder of Parquet files.

    Damaged records are rows that say so. UsageError for what does not go together or a folder that is
    there, NotFoundError for an experiment that is not.
    """
    from gittrack.exporters import parquet

    _check("parquet", options)
    if options.target == _STANDARD_OUTPUT or options.target.endswith(".parquet"):
        raise UsageError("--to parquet writes a folder with a file for each table: say where with -o FOLDER/")
    if experiment is not None:
        across.require_experiment(experiment)
    target = Path(options.target)
    written = parquet.write(across, target, experiment=experiment, force=options.force, progress=progress)
    notes = [f"{name} has no ledger, and so no runs" for name in across.without_ledger]
    if written.damaged:
        records = "1 record is" if written.damaged == 1 else f"{written.damaged:,} records are"
        notes.append(f"{records} damaged: runs has the fault, gittrack verify says more")
    runs = "1 run" if written.runs == 1 else f"{written.runs:,} runs"
    return Exported(None, f"{runs} written to {target}/", notes)


def _check(to: str, options: ExportOptions) -> None:
    """UsageError for an option that the format does not take."""
    for option, formats in _OPTIONS.items():
        if getattr(options, option) and to not in formats:
            raise UsageError(f"{_FLAGS[option]}: not with --to {to}, only {' and '.join(formats)}")


def _text(chosen: Subject, to: Format, options: ExportOptions, repository: Repository) -> bytes:
    from gittrack.exporters.values import pretty

    source = chosen.sources[0]
    if to == "in-toto":
        return _attestations(source, options, repository)
    if to == "cyclonedx":
        from gittrack.exporters.cyclonedx import bom

        return pretty(bom(source, options.licence))
    if to == "model-card":
        from gittrack.exporters.model_card import model_card

        return model_card(source, options.licence)
    from gittrack.exporters.prov import document

    return pretty(document(chosen))


def _attestations(source: Source, options: ExportOptions, repository: Repository) -> bytes:
    """One statement a line, or its envelope."""
    from gittrack.exporters.dsse import envelope
    from gittrack.exporters.in_toto import statements
    from gittrack.exporters.values import compact

    lines = [compact(statement) for statement in statements(source)]
    if options.signer is not None:
        signer = options.signer(repository)
        lines = [compact(envelope(line, signer)) for line in lines]
    return b"".join(line + b"\n" for line in lines)


def _default_name(chosen: Subject, to: Format) -> str:
    """Name of the file in a folder that was given as the target."""
    endings = {"in-toto": ".intoto.jsonl", "cyclonedx": ".cdx.json", "prov": ".prov.json"}
    return "README.md" if to == "model-card" else chosen.name + endings.get(to, ".crate.zip")


def _put(chosen: Subject, data: bytes, name: str, options: ExportOptions) -> Exported:
    """`data` to the terminal, a file, or a file of that `name` in a folder."""
    from gittrack.exporters.writing import new_file

    if options.target == _STANDARD_OUTPUT:
        return Exported(data, "", chosen.notes)
    target = Path(options.target)
    if target.is_dir():
        target /= name
    with new_file(target, force=options.force) as temporary:
        temporary.write_bytes(data)
    return Exported(None, str(target), chosen.notes)


def _to_crate(chosen: Subject, options: ExportOptions) -> Exported:
    """A folder where the target ends in a slash, else a zip."""
    from gittrack.exporters import ro_crate
    from gittrack.exporters.writing import new_file, new_folder

    target = Path(options.target)
    if options.data and options.target == _STANDARD_OUTPUT:
        raise UsageError("--data may be much: say where to with -o FILE or -o FOLDER/")
    crate = ro_crate.build(chosen, data=options.data, licence=options.licence)
    if options.target == _STANDARD_OUTPUT:
        stream = io.BytesIO()
        ro_crate.write_zip(crate, stream)
        return Exported(stream.getvalue(), "", chosen.notes)
    if options.target.endswith("/"):
        with new_folder(target) as temporary:
            ro_crate.write_folder(crate, temporary)
        return Exported(None, f"{target}/", chosen.notes)
    with new_file(target, force=options.force) as temporary:
        ro_crate.write_zip(crate, temporary)
    return Exported(None, str(target), chosen.notes)


def _to_mlflow(chosen: Subject, options: ExportOptions) -> Exported:
    from gittrack.exporters import mlflow

    if options.target == _STANDARD_OUTPUT:
        raise UsageError("--to mlflow needs -o: a folder, sqlite:///FILE or the address of a tracking server")
    exported = mlflow.export(chosen, options.target, data=options.data)
    said = _written(len(exported.written), len(exported.there), mlflow.shown(options.target))
    return Exported(None, said, chosen.notes)


def _to_tensorboard(chosen: Subject, options: ExportOptions) -> Exported:
    from gittrack.exporters import tensorboard

    if options.target == _STANDARD_OUTPUT:
        raise UsageError("--to tensorboard writes a folder for each run: say where with -o FOLDER")
    written, there = tensorboard.export(chosen, Path(options.target), data=options.data)
    return Exported(None, _written(written, there, options.target), chosen.notes)


def _written(count: int, there: int, target: str) -> str:
    skipped = f"; {there} there already" if there else ""
    return f"{'1 run' if count == 1 else f'{count} runs'} written to {target}{skipped}"
