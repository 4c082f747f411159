"""The experiment log as a spreadsheet: every column an assessor asks for, typed, and nothing that runs."""

from __future__ import annotations

import csv
import io
import time
import xml.etree.ElementTree as ET
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.escape import unescape

from gittrack.cli.pages.sheet import as_csv, titles, write_xlsx
from gittrack.errors import UsageError
from gittrack.formats.record import Code, DataInput, Failure, Metric, Output, Record
from gittrack.git.repository import Repository
from gittrack.reading.index import Index, open_index
from gittrack.reading.sheet import Sheet, sheet, sheets
from tests.ledgers import commit_files, commit_records, make_record

FORMULAS = [
    "=1+1",
    "+1",
    "-1+2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1+1",
    "=cmd|'/C calc'!A0",
    '=HYPERLINK("http://x")',
]


def full(number: int = 0, **changes: Any) -> Record:
    return make_record(
        number,
        hypothesis="It learns.",
        name="wide",
        tags={"note": "on new data", "sweep": "s1"},
        params={"lr": 0.1, "net": {"depth": 3, "act": "relu"}, "aug": True, "sizes": [1, 2]},
        seed=7,
        metrics={"accuracy": 0.9, "loss": Metric(status="nan")},
        code=Code(commit="1" * 40, tree="2" * 40, snapshot="5" * 40, dirty=True),
        data=(
            DataInput(path="data/train.csv", role="train", source="dvc", md5="a" * 32, sha256="b" * 64),
            DataInput(path="data/test.csv", role="test", source="git", blob="c" * 40),
        ),
        outputs=(
            Output(path="model.pkl", role="model", pointer="outputs/model.pkl.dvc", md5="d" * 32,
                   sha256="e" * 64, size=3),
            Output(path="roc.png", role="plot", pointer="outputs/roc.png.dvc", md5="d" * 32,
                   sha256="f" * 64, size=3),
        ),
        **changes,
    )  # fmt: skip


def made(repository: Repository, *records: Record, **declared: list[str]) -> Sheet:
    commit_records(repository, records)
    with open_index(repository) as index:
        return sheet(index, index.search(order_by=["started"]), declared)


def row(found: Sheet, at: int = 0) -> dict[str, Any]:
    return dict(zip(found.columns, found.rows[at], strict=True))


def test_every_column_is_there(repository: Repository) -> None:
    """In the order of the question: what, when, why, with what, on what, how long, how good, what then."""
    found = made(repository, full(), digits=["f1", "accuracy"])
    assert found.columns == (
        "experiment", "run", "date (UTC)", "status", "author", "hypothesis",
        "params.aug",
        "params.lr",
        "params.net.act",
        "params.net.depth",
        "params.sizes",
        "data version", "code commit", "random seed", "training duration (s)",
        "metrics.f1", "metrics.accuracy", "metrics.loss",
        "notes", "outcome", "because", "decided by", "model sha256",
    )  # fmt: skip
    cells = row(found)
    assert cells["date (UTC)"] == datetime(2026, 11, 22)
    assert (cells["params.net.depth"], cells["params.aug"], cells["random seed"]) == (3, True, 7)
    assert cells["data version"] == f"train data/train.csv md5:{'a' * 32}; test data/test.csv blob:{'c' * 40}"
    assert cells["code commit"] == f"{'5' * 40} (snapshot on {'1' * 40})"
    assert (cells["metrics.f1"], cells["metrics.accuracy"], cells["metrics.loss"]) == (None, 0.9, "nan")
    assert cells["notes"] == "wide; on new data; sweep: s1"
    assert cells["model sha256"] == "e" * 64
    assert (cells["outcome"], cells["because"]) == (None, None)


def test_runs_that_failed_and_records_that_are_damaged(repository: Repository) -> None:
    """Have a row like the others, and say why."""
    failed = make_record(1, status="failed", failure=Failure(type="ValueError", message="no data"))
    commit_records(repository, [make_record(0), failed])
    commit_files(repository, {f"{make_record(2).path}/run.yaml": b"{"})
    with open_index(repository) as index:
        found = sheet(index, index.search(order_by=["started"]), {})
    assert row(found, 1)["notes"] == "failed: ValueError: no data"
    assert row(found, 2)["status"] == "damaged" and "run.yaml" in row(found, 2)["notes"]


def test_the_decision_is_the_last_one(inside: Path) -> None:
    """Outcome, reason and who."""
    from gittrack.formats.config import load
    from gittrack.governance.decide import decide
    from tests.governance.gate.lab import Lab

    lab = Lab(inside)
    lab.fix()
    lab.runs(0.9, 0.91)
    for outcome, because in (("rejected", "too slow"), ("selected", "after all")):
        decide(lab.repository, load(lab.top), lab.records[0].id, outcome, because)  # type: ignore[arg-type]
    with open_index(lab.top) as index:
        found = sheet(index, index.search(order_by=["started"]), {"digits": ["accuracy"]})
    cells = row(found)
    assert (cells["outcome"], cells["because"], cells["decided by"]) == (
        "selected",
        "after all",
        "Ada Lovelace",
    )
    assert row(found, 1)["outcome"] is None


def workbook(path: Path, *made: Sheet) -> Any:
    write_xlsx(made, path)
    return openpyxl.load_workbook(path)


def test_a_workbook_has_typed_cells(repository: Repository, tmp_path: Path) -> None:
    """Numbers, dates, truth values and text; header frozen, filter over all; a sheet for each experiment."""
    commit_records(repository, [full(), full(1), make_record(2, experiment="letters")])
    with open_index(repository) as index:
        book = workbook(tmp_path / "log.xlsx", *sheets(index, index.search(order_by=["started"]), {}))
    assert book.sheetnames == ["digits", "letters"]
    page = book["digits"]
    assert (page.max_row, page.freeze_panes, page.auto_filter.ref) == (3, "C2", "A1:V3")
    header = {cell.value: at for at, cell in enumerate(page[1], 1)}
    kinds = {name: page.cell(2, at).data_type for name, at in header.items()}
    assert page.cell(1, 1).font.bold
    assert kinds["date (UTC)"] == "d" and page.cell(2, header["date (UTC)"]).value == datetime(2026, 11, 22)
    assert kinds["params.lr"] == "n" and kinds["params.aug"] == "b" and kinds["params.sizes"] == "s"
    assert kinds["random seed"] == "n" and kinds["metrics.accuracy"] == "n" and kinds["metrics.loss"] == "s"
    assert page.column_dimensions["B"].width >= 24


def parts(path: Path) -> dict[str, bytes]:
    """The files that a workbook consists of."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula(repository: Repository, tmp_path: Path, text: str) -> None:
    """In a workbook it is text as it was; in CSV a ' stands in front of it."""
    record = make_record(hypothesis=text, params={"x": text, text: 1}, tags={text: text})
    found = made(repository, record)
    page = workbook(tmp_path / "log.xlsx", Sheet("digits", found.columns, found.rows)).active
    assert not [cell for line in page.iter_rows() for cell in line if cell.data_type == "f"]
    assert b"<f>" not in parts(tmp_path / "log.xlsx")["xl/worksheets/sheet1.xml"]
    header = [cell.value for cell in page[1]]
    assert page.cell(2, header.index("params.x") + 1).value.replace("\r", "").replace("_x000D_", "") == (
        text.replace("\r", "")
    )
    lines = list(csv.reader(io.StringIO(as_csv(found), newline="")))
    for line in lines:
        for cell in line:
            assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r")), cell
    assert lines[1][lines[0].index("params.x")] == f"'{text}"


CONTROL = "a\x00b\x08c\x1bd\ufffee\U0001f600_x0041_f"


def test_characters_that_xml_cannot_hold(tmp_path: Path) -> None:
    """Are replaced; what looks like Excel's own escape stays what it is; the file stays well formed."""
    found = Sheet("x", ("name\x01",), ((CONTROL,), ("x" * 40_000,), ("</t><f>1+1</f>",)))
    page = workbook(tmp_path / "log.xlsx", found).active
    assert unescape(page["A2"].value) == "a\ufffdb\ufffdc\ufffdd\ufffde\U0001f600_x0041_f"
    assert len(page["A3"].value) == 32_767 and page["A3"].value.endswith("…")
    assert page["A4"].value == "</t><f>1+1</f>"
    for name, data in parts(tmp_path / "log.xlsx").items():
        if name.endswith(".xml"):
            ET.fromstring(data)  # noqa: S314


def test_numbers_that_a_spreadsheet_would_round(tmp_path: Path) -> None:
    """Are text; the largest exact ones are numbers."""
    numbers = (2**128 - 1, 2**53, -(2**53) - 1, 5e-324, 1.7976931348623157e308, 1e300, 0.0)
    page = workbook(tmp_path / "log.xlsx", Sheet("x", ("n",), tuple((n,) for n in numbers))).active
    held = [page.cell(n, 1).value for n in range(2, 9)]
    assert held[:3] == [str(2**128 - 1), 2**53, str(-(2**53) - 1)]
    assert held[3:] == ["5e-324", "1.7976931348623157e+308", 1e300, 0]


def test_csv_is_that_of_rfc_4180() -> None:
    """Lines end in CR LF, what needs it is quoted, a number is never quoted away."""
    found = Sheet("", ("a", 'b"c'), ((1, 'x "y", z\nw'), (-0.5, None), (True, datetime(2026, 1, 2, 3, 4, 5))))
    assert as_csv(found) == ('a,"b""c"\r\n1,"x ""y"", z\nw"\r\n-0.5,\r\ntrue,2026-01-02T03:04:05Z\r\n')


def test_names_of_worksheets() -> None:
    """At most 31 characters, once each whatever the case, and none that Excel keeps for itself."""
    long = "x" * 40
    found = titles([long, long + "y", "Digits", "digits", "History", ""])
    assert found == ["x" * 31, "x" * 29 + "~2", "Digits", "digits~2", "History~2", "runs"]


def test_what_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another suffix, too many columns, no XlsxWriter: one line, and no file."""
    with pytest.raises(UsageError, match=r"\.xlsx"):
        write_xlsx([], tmp_path / "log.csv")
    wide = Sheet("wide", tuple(map(str, range(16_385))), ())
    with pytest.raises(UsageError, match="more than a worksheet holds"):
        write_xlsx([wide], tmp_path / "log.xlsx")
    monkeypatch.setitem(__import__("sys").modules, "xlsxwriter", None)
    with pytest.raises(UsageError, match=r"gittrack\[xlsx\]"):
        write_xlsx([], tmp_path / "log.xlsx")
    assert list(tmp_path.glob("*.xlsx")) == []


def test_many_runs_are_quick(repository: Repository, tmp_path: Path) -> None:
    """1,000 rows of 60 columns in CSV and in a workbook in a few seconds."""
    records = [
        make_record(n, params={f"p{k}": n * k for k in range(40)}, metrics={"acc": n}) for n in range(1000)
    ]
    commit_records(repository, records)
    with Index.open(repository, "gittrack/runs") as index:
        rows = index.search()
        started = time.process_time()
        as_csv(sheet(index, rows, {}))
        write_xlsx(sheets(index, rows, {}), tmp_path / "log.xlsx")
    assert time.process_time() - started < 10
