"""The report on paper, by a real Chromium where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gittrack.errors import NotFoundError, RepositoryError
from gittrack.publishing.report.pdf import NAMES, as_pdf, dated, find_browser
from tests.publishing.report.study import Study

BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


@needs_browser
def test_pages_with_the_report(decided: Study, tmp_path: Path) -> None:
    """Its text, its title, numbered pages; the same bytes again, dated as the ledger."""
    page, committed = decided.html(), decided.report(verify=False).committed
    pdf = as_pdf(page, committed)
    assert pdf.startswith(b"%PDF-") and len(pdf) > 50_000
    assert b"(D:" + committed[:4].encode() in pdf
    assert as_pdf(page, committed) == pdf
    if shutil.which("pdftotext"):
        (tmp_path / "a.pdf").write_bytes(pdf)
        done = subprocess.run(
            ["pdftotext", "-layout", str(tmp_path / "a.pdf"), "-"], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("Model development and\ntesting evidence: digits\n")
        assert "1 / " in done.stdout and decided.runs[4].id in done.stdout


def test_no_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One line that says what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFoundError, match="install it, or set GITTRACK_CHROMIUM"):
        find_browser()
    monkeypatch.setenv("GITTRACK_CHROMIUM", "/nosuch/chrome")
    with pytest.raises(NotFoundError, match="/nosuch/chrome cannot be run"):
        find_browser()


def test_the_browser_of_playwright(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Found in its cache when none is on PATH."""
    program = tmp_path / "chromium-1200" / "chrome-linux" / "chrome"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    assert find_browser() == str(program)
    monkeypatch.undo()
    monkeypatch.setenv("GITTRACK_CHROMIUM", str(program))
    with pytest.raises(RepositoryError, match="printed nothing"):
        as_pdf("<p>", "2026-11-25 10:00 UTC")


def test_dates_are_those_of_the_ledger() -> None:
    """In as many bytes, so that the file stays one."""
    given = b"<</CreationDate (D:20261125100416+00'00')\n/ModDate (D:20261125100416+00'00')>>"
    made = dated(given, "2026-01-02 03:04 UTC")
    assert made.count(b"(D:20260102030400+00'00')") == 2 and len(made) == len(given)
