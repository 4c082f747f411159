"""The HTML on paper, by a Chromium that is installed. The page holds no script and may load nothing.

The browser gets no network, a profile of its own and a time limit. The dates that it writes into the file are
replaced by that of the ledger, so that the same report gives the same bytes with the same browser.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from gittrack.errors import NotFoundError, RepositoryError

VARIABLES = ("GITTRACK_CHROMIUM", "CHROME_PATH")
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", "microsoft-edge")
PATIENCE_S = 120


def as_pdf(page: str, committed: str) -> bytes:
    """The PDF, dated `committed` (``2026-11-25 09:30 UTC``).

    NotFoundError without a browser, RepositoryError where it fails.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory(prefix="gittrack-report-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        source, target = folder / "report.html", folder / "report.pdf"
        source.write_text(page, encoding="utf-8")
        command = [
            browser, "--headless", "--disable-gpu", "--no-first-run", "--disable-extensions",
            "--disable-background-networking", "--disable-sync", "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
            "--no-pdf-header-footer", f"--print-to-pdf={target}",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium refuses root otherwise
            source.as_uri(),
        ]  # fmt: skip
        try:
            process = subprocess.run(
                command,
                capture_output=True,
                timeout=PATIENCE_S,
                check=False,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "HOME": name, "XDG_CONFIG_HOME": name, "XDG_CACHE_HOME": name},
            )
        except subprocess.TimeoutExpired as error:
            raise RepositoryError(f"{browser} did not print the report in {PATIENCE_S} s") from error
        except OSError as error:
            raise NotFoundError(f"{browser} cannot be run: {error.strerror}; set {VARIABLES[0]}") from error
        if not target.is_file():
            errors = process.stderr.decode("utf-8", "replace").strip().splitlines()
            raise RepositoryError(
                f"{browser} printed nothing: {errors[-1][:200] if errors else 'no message'}"
            )
        return dated(target.read_bytes(), committed)


def dated(pdf: bytes, committed: str) -> bytes:
    """`pdf` with `committed` in place of its dates, which take as many bytes."""
    digits = re.sub("[^0-9]", "", committed)[:12].encode().ljust(14, b"0")
    return re.sub(
        rb"(/(?:CreationDate|ModDate) \(D:)[0-9]{14}(\+00'00'\))", rb"\g<1>" + digits + rb"\g<2>", pdf
    )


def find_browser() -> str:
    """The program that prints: that of GITTRACK_CHROMIUM or CHROME_PATH, one on PATH, or Playwright's."""
    chosen = next((os.environ[name] for name in VARIABLES if os.environ.get(name)), None)
    for name in (chosen,) if chosen else NAMES:
        program = shutil.which(name)
        if program:
            return program
    if chosen:
        raise NotFoundError(f"{chosen} cannot be run: set {VARIABLES[0]} to a Chromium or Chrome")
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    for path in sorted(cache.glob("chromium*/chrome-linux*/*"), reverse=True):
        if path.name in ("chrome", "headless_shell") and os.access(path, os.X_OK):
            return str(path)
    raise NotFoundError(
        f"--format pdf prints by Chromium, and there is none on PATH: install it, or set {VARIABLES[0]}; "
        "or use --format html and print that"
    )
