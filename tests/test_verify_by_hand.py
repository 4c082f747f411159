"""docs/verify-by-hand.md: its commands pass an honest run and end in the right section for a forged one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pages import DOCS, shell
from tests.repositories import run_git

TRAIN = """\
import os, pathlib
import gittrack
pathlib.Path("model.pkl").write_text(pathlib.Path("data.csv").read_text() + os.environ["GITTRACK_SEED"])
pathlib.Path("charts/a").mkdir(parents=True, exist_ok=True)
pathlib.Path("charts/a/b").write_text("nested")
pathlib.Path("charts/a.txt").write_text("sorts before a/b")
for step, loss in enumerate([0.5, 0.00001]):
    gittrack.log_metrics({"loss": loss}, step=step)
gittrack.log({"sample": "seven looks like one"}, step=2)
gittrack.log_html("<b>seven</b>", "page", step=2)
"""
PAGE = (DOCS / "verify-by-hand.md").read_text()
SECTIONS = [
    (part.partition("\n")[0], "".join(re.findall(r"(?ms)^```sh\n(.*?)^```$", part)))
    for part in re.split(r"(?m)^## ", PAGE)[1:]
]


@pytest.fixture(scope="module")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("by-hand")


@pytest.fixture
def ledger(_template: Path) -> Path:
    """A published project: two signed runs, the newer of a dirty tree, with data, a lock and two outputs."""
    top = _template
    if not (top / "project").exists():
        _make(top)
    run_git(top, "--git-dir=origin.git", "update-ref", "refs/heads/gittrack/runs", _honest(top))
    shutil.rmtree(top / "by-hand", ignore_errors=True)
    return top


def _make(top: Path) -> None:
    for key in ("key", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", top / key], check=True)
        (top / f"{key}.signers").write_text(f"ada@example.com {(top / f'{key}.pub').read_text()}")
    expired = f'ada@example.com valid-before="20210101" {(top / "key.pub").read_text()}'
    (top / "expired.signers").write_text(expired)
    run_git(top, "init", "-q", "--bare", "-b", "main", "origin.git")
    run_git(top, "clone", "-q", "origin.git", "project")
    project = top / "project"
    (project / "train.py").write_text(TRAIN)
    (project / ".gitignore").write_text("model.pkl\ncharts\n")
    (project / "data.csv").write_text("a,b\n1,2\n")
    (project / "labels.csv").write_text("committed\n")
    (project / "requirements.txt").write_text("PyYAML\n")
    run = "gittrack run -e digits --input data.csv:train --input labels.csv:test"
    outputs = "--output model.pkl:model --output charts:figures -- python train.py"
    setup = f"""
        git config gpg.format ssh && git config user.signingKey '{top}/key' && git config commit.gpgSign true
        git checkout -q -b main
        dvc init -q && dvc remote add -q --default storage ../storage && dvc add -q data.csv
        gittrack init
        git add . && git commit -q -m first && git push -q -u origin main
        {run} --seed 1 --pass env {outputs}
        echo '# not committed' >> train.py
        {run} --seed 2 --pass env {outputs}
        gittrack push --artifacts
        """
    shell(setup, project)


def _honest(top: Path) -> str:
    return run_git(top / "project", "rev-parse", "gittrack/runs").strip()


def _folder(top: Path) -> str:
    files = run_git(top / "project", "show", "--format=", "--name-only", "gittrack/runs").split()
    return next(name.removesuffix("/run.yaml") for name in files if name.endswith("/run.yaml"))


def by_hand(top: Path, pin: str = "gittrack/runs~1", signers: str = "key") -> tuple[str | None, str]:
    """Type the page, section by section, in one shell; the section that failed, and what was printed."""
    script = "\n".join(f"echo '## {title}'\n{block}" for title, block in SECTIONS)
    given = {
        "url": str(top / "origin.git"),
        "id": _folder(top).rpartition("/")[2],
        "pin": run_git(top / "project", "rev-parse", pin).strip(),
        "signers": str(top / f"{signers}.signers") if signers else "",
    }
    refused = top / "refused" / "gittrack"
    refused.parent.mkdir(exist_ok=True)
    refused.write_text("#!/bin/sh\nexit 99\n")
    refused.chmod(0o755)
    path = f"{refused.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = os.environ | given | {"PATH": path}
    done = subprocess.run(
        ["sh", "-s"], input=script, cwd=top, env=env, capture_output=True, text=True, check=False
    )
    printed = f"{done.stdout}\n{done.stderr}"
    titles = re.findall(r"(?m)^## (.*)$", done.stdout)
    return (titles[-1] if done.returncode else None), printed


def forge(top: Path, name: str, change: Callable[[str], str], *, amend: bool, date: str = "") -> None:
    """Publish a ledger in which a file of the newest run is another, in a new commit or a rewritten one."""
    work = top / "forger"
    shutil.rmtree(work, ignore_errors=True)
    run_git(top, "clone", "-q", "--single-branch", "-b", "gittrack/runs", "origin.git", "forger")
    for key, value in {
        "gpg.format": "ssh",
        "user.signingKey": f"{top}/key",
        "commit.gpgSign": "true",
    }.items():
        run_git(work, "config", key, value)
    file = work / _folder(top) / name
    file.write_text(change(file.read_text()))
    run_git(work, "add", ".")
    dated = f"GIT_COMMITTER_DATE={date}" if date else "FORGED=yes"
    options = ["--amend", "--no-edit"] if amend else ["-m", "correction"]
    command = ["env", dated, "git", "commit", "-q", "--allow-empty", *options]
    subprocess.run(command, cwd=work, check=True)
    run_git(work, "push", "-q", "--force", "origin", "gittrack/runs")


def test_every_check_of_the_page_is_run() -> None:
    """The sections are those of the page's numbering, and each but the last has commands."""
    titles = [title for title, _ in SECTIONS]
    assert [title[0] for title in titles[1:-1]] == list("12345678")
    assert all(block for _, block in SECTIONS[:-1])


@pytest.mark.parametrize("signers", ["key", ""])
def test_an_honest_run_passes(ledger: Path, signers: str) -> None:
    """Every block from top to bottom, in a plain clone, with a gittrack that refuses to run."""
    failed, printed = by_hand(ledger, pin="gittrack/runs", signers=signers)
    assert failed is None, printed
    assert ("\nG ada@example.com" in printed) == bool(signers), printed
    for listed, rows in {"data": 2, "locks": 1, "pointers": 4, "final": 1}.items():
        lines = (ledger / "by-hand" / listed).read_text().splitlines()
        assert len(lines) == rows, f"{listed}: {lines}"


def _better(record: str) -> str:
    changed = record.replace("value: 1.0e-05", "value: 1.0e-09")
    assert changed != record
    return changed


def _other_bytes(pointer: str) -> str:
    return re.sub(r"md5: [0-9a-f]{32}", "md5: " + "0" * 32, pointer)


def _other_series(series: str) -> str:
    return series.replace(",0.5\n", ",0.4\n")


def _other_lock(record: str) -> str:
    return re.sub(r"(?s)(\nlocks:.*?sha256: )[0-9a-f]{64}", r"\g<1>" + "0" * 64, record)


def _other_output(record: str) -> str:
    return re.sub(r"(?s)(\noutputs:.*?sha256: )[0-9a-f]{64}", r"\g<1>" + "0" * 64, record)


def _other_code(record: str) -> str:
    return re.sub(r"(?m)^  tree: .*", "  tree: " + "0" * 40, record)


def _other_protocol(record: str) -> str:
    return re.sub(r"(?m)^protocol: .*", "protocol: " + "0" * 40, record)


@pytest.mark.parametrize(
    ("name", "change", "amend", "section"),
    [
        ("run.yaml", _better, False, "2. History"),
        ("run.yaml", _better, True, "3. Record"),
        ("metrics.csv", _other_series, True, "3. Record"),
        ("environment.yaml", str.swapcase, True, "3. Record"),
        ("run.yaml", _other_code, True, "4. Code"),
        ("run.yaml", _other_lock, True, "5. Locks"),
        ("outputs/model.pkl.dvc", _other_bytes, True, "6. Data and outputs"),
        ("inputs/data.csv.dvc", _other_bytes, True, "6. Data and outputs"),
        ("run.yaml", _other_output, True, "6. Data and outputs"),
        ("run.yaml", _other_protocol, True, "7. Protocol"),
    ],
)
def test_a_forged_run_fails_in_its_section(
    ledger: Path, name: str, change: Callable[[str], str], amend: bool, section: str
) -> None:
    """A changed file, in a new commit or a rewritten one above the pin, ends the block that looks at it."""
    forge(ledger, name, change, amend=amend)
    failed, printed = by_hand(ledger)
    assert failed == section, printed


def test_a_rewritten_ledger_is_seen_by_its_pin(ledger: Path) -> None:
    """The honest tip, written down before, is no ancestor of a tip that was made anew."""
    forge(ledger, "run.yaml", str, amend=True, date="2020-06-01T00:00:00Z")
    assert by_hand(ledger, pin="gittrack/runs")[0] == "2. History"


def test_a_merge_that_drops_a_run_is_seen(ledger: Path) -> None:
    """A merge with the tree of one side, which git log shows with -m only."""
    project = ledger / "project"
    tip = _honest(ledger)
    side = run_git(project, "commit-tree", f"{tip}~1^{{tree}}", "-p", f"{tip}~1", "-m", "side").strip()
    forged = run_git(
        project, "commit-tree", f"{tip}~1^{{tree}}", "-p", side, "-p", tip, "-m", "merge"
    ).strip()
    run_git(project, "push", "-q", "--force", "origin", f"{forged}:refs/heads/gittrack/runs")
    failed, printed = by_hand(ledger)
    assert failed == "2. History", printed
    assert "D\truns/digits/" in printed
    assert not run_git(project, "log", "--diff-filter=MDRT", "--format=%h", forged, "--", "runs/")


def test_a_stranger_is_no_signer(ledger: Path) -> None:
    """A key that is not in the file of signers ends the last block."""
    failed, printed = by_hand(ledger, signers="other")
    assert failed == "8. Signature", printed


def test_an_expired_key_is_good_on_a_commit_dated_back(ledger: Path) -> None:
    """What the page warns of: git judges the key by the date that the commit gives itself."""
    assert by_hand(ledger, signers="expired")[0] == "8. Signature"
    forge(ledger, "run.yaml", str, amend=True, date="2020-06-01T00:00:00Z")
    shutil.rmtree(ledger / "by-hand")
    failed, printed = by_hand(ledger, signers="expired")
    assert failed is None, printed
    assert "\nG ada@example.com" in printed
