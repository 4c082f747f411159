"""in-toto: statements that its own messages take, and envelopes that its own tools check."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gittrack.errors import RecordError, UsageError
from gittrack.exporters import PemSigner, SshSigner
from gittrack.exporters.dsse import PAYLOAD, pae
from gittrack.formats.record import BaseModel, DataInput
from tests.exporters.bench import HOSTILE, Bench
from tests.repositories import run_git

SLSA = "https://slsa.dev/provenance/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"


def statements(data: bytes) -> dict[str, Any]:
    """The statements by predicate, each taken by the messages of in-toto."""
    pytest.importorskip("in_toto_attestation")
    from google.protobuf.json_format import Parse
    from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
    from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.statement import Statement

    messages = {SLSA: Provenance, TEST_RESULT: TestResult}
    found = {}
    for line in data.splitlines():
        plain = json.loads(line)
        Statement.copy_from_pb(Parse(line, statement_pb2.Statement())).validate()
        Parse(json.dumps(plain["predicate"]), messages[plain["predicateType"]]())
        found[plain["predicateType"]] = plain
    return found


def test_the_provenance_of_a_run(bench: Bench) -> None:
    """Outputs as subjects; command, parameters, code, data, locks and the record by digest."""
    record = bench.run(0.9, 3, folder=True)
    statement = statements(bench.data(record.id, "in-toto"))[SLSA]
    assert statement["subject"] == [
        {"name": "model.bin", "digest": {"sha256": record.outputs[0].sha256}},
        {"name": "plots", "digest": {"dirHash": record.outputs[1].sha256}},
    ]
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["params"] == {"lr": 0.1}
    assert definition["externalParameters"]["seed"] == 3
    found = {item["name"]: item for item in definition["resolvedDependencies"]}
    assert found["code"]["digest"] == {"gitCommit": run_git(bench.top, "rev-parse", "HEAD").strip()}
    assert found["code"]["uri"] == "git+https://example.org/lab/digits.git"
    assert found["data/train.csv"]["digest"] == {"sha256": record.data[0].sha256}
    assert found["requirements.txt"]["digest"]["sha256"] == record.locks[0].sha256
    blob = run_git(bench.top, "rev-parse", "HEAD:gittrack.yaml").strip()
    assert found["gittrack.yaml"]["digest"]["gitBlob"] == blob
    details = statement["predicate"]["runDetails"]
    assert details["metadata"]["invocationId"] == record.id
    assert details["metadata"]["startedOn"] == record.started
    (said, *_) = details["byproducts"]
    assert (
        said["digest"]["gitBlob"]
        == run_git(bench.top, "rev-parse", f"gittrack/runs:{record.path}/run.yaml").strip()
    )


def test_the_digest_of_a_folder_is_that_of_in_toto(bench: Bench) -> None:
    """By the command that in-toto's DigestSet gives for dirHash."""
    record = bench.run(0.9, 3, folder=True)
    command = "find . -type f | cut -c3- | LC_ALL=C sort | xargs -r sha256sum | sha256sum | cut -f1 -d' '"
    done = subprocess.run(
        ["sh", "-c", command], cwd=bench.top / "plots", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == record.outputs[1].sha256


def test_the_verdict_of_the_gate(bench: Bench) -> None:
    """PASSED with three runs above it, FAILED with two; none where there is no gate."""
    first = bench.run(0.90, 0)
    found = statements(bench.data(first.id, "in-toto"))[TEST_RESULT]["predicate"]
    assert found["result"] == "FAILED" and "accuracy" in found["failedTests"][0]
    bench.run(0.91, 1)
    bench.run(0.92, 2)
    found = statements(bench.data(first.id, "in-toto"))[TEST_RESULT]["predicate"]
    assert found["result"] == "PASSED" and found["failedTests"] == []
    blob = run_git(bench.top, "rev-parse", "HEAD:gittrack.yaml").strip()
    assert found["configuration"][0]["digest"]["gitBlob"] == blob
    assert len(found["configuration"][0]["annotations"]["runs"]) == 3
    (bench.top / "gittrack.yaml").write_text("experiment: digits\n")
    run_git(bench.top, "commit", "-qam", "no gate")
    assert TEST_RESULT not in statements(bench.data(bench.bare().id, "in-toto"))


def test_a_run_without_outputs(bench: Bench) -> None:
    """Its record is the subject, and a note says so."""
    record = bench.fail()
    done = bench.export("latest", "in-toto")
    assert done.notes[0] == f"run {record.id} has no outputs: the subject is its record"
    statement = statements(done.data or b"")[SLSA]
    assert statement["subject"][0]["name"] == f"{record.path}/run.yaml"
    said = statement["predicate"]["runDetails"]["byproducts"][0]["annotations"]
    assert said["status"] == "failed" and said["failure"] == f"ValueError: {HOSTILE}"


def test_digests_of_other_kinds(bench: Bench) -> None:
    """What is not a digest of the very bytes is not called one."""
    record = bench.bare()
    odd = replace(
        record,
        id="20990101-000000-aaaaaa",
        params={"n": 2**60},
        data=(
            DataInput(path="a", role="train", source="dvc", md5="1" * 32, hash="md5"),
            DataInput(path="b", role="train", source="dvc", md5="2" * 32, hash="md5-dos2unix"),
            DataInput(path="c", role="train", source="dvc", md5="3" * 32 + ".dir", nfiles=1),
            DataInput(path="d", role="test", source="git", blob="4" * 40, nfiles=2),
        ),
        base_models=(
            BaseModel(name="lab/bert", revision="v1"),
            BaseModel(name="x", digest="sha256:" + "5" * 64),
        ),
    )
    bench.add(odd)
    statement = statements(bench.data(odd.id, "in-toto"))[SLSA]
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["params"] == {"n": str(2**60)}
    found = {item["name"]: item for item in definition["resolvedDependencies"]}
    assert [next(iter(found[name]["digest"])) for name in "abcd"] == ["md5", "dvcMd5", "dvcMd5", "gitTree"]
    assert found["lab/bert"]["uri"] == "pkg:generic/lab/bert@v1"
    assert found["x"]["digest"] == {"sha256": "5" * 64}


def test_a_damaged_record(bench: Bench) -> None:
    """One line."""
    from gittrack.git.repository import Repository
    from tests.ledgers import commit_files

    record = bench.bare()
    commit_files(Repository.discover(bench.top), {f"{record.path}/run.yaml": b"schema: gittrack/run/1\n"})
    with pytest.raises(RecordError, match=record.id):
        bench.export(record.id, "in-toto")
    with pytest.raises(RecordError, match=record.id):
        bench.export("digits", "prov")


def test_an_experiment_is_refused(bench: Bench) -> None:
    """With the name of a run to give."""
    bench.bare()
    with pytest.raises(UsageError, match="digits/latest"):
        bench.export("digits", "in-toto")


# --- signatures -----------------------------------------------------------------------------------------


def pem(path: Path, kind: str, password: bytes | None = None) -> Path:
    """A new private key in a file."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    made: Any = {
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "k1": lambda: ec.generate_private_key(ec.SECP256K1()),
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
    }[kind]()
    secret = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(made.private_bytes(serialization.Encoding.PEM, form, secret))
    return path


@pytest.mark.parametrize("kind", ["ed25519", "p256", "p384"])
def test_a_key_in_a_file(bench: Bench, tmp_path: Path, kind: str) -> None:
    """securesystemslib, which in-toto's tools use, takes the envelope; not one whose payload was changed."""
    pytest.importorskip("securesystemslib")
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    bench.bare()
    key = pem(tmp_path / "key.pem", kind)
    line = bench.data("latest", "in-toto", signer=lambda _: PemSigner(key)).splitlines()[0]
    plain = json.loads(line)
    public = load_pem_private_key(key.read_bytes(), None).public_key()
    known = SSlibKey.from_crypto(public, plain["signatures"][0]["keyid"])  # type: ignore[arg-type]
    Envelope.from_dict(json.loads(line)).verify([known], 1)
    assert statements(base64.b64decode(plain["payload"]))[SLSA]
    changed = json.loads(line)
    other = base64.b64decode(plain["payload"]).replace(b"finished", b"FINISHED")
    changed["payload"] = base64.b64encode(other).decode()
    with pytest.raises(VerificationError):
        Envelope.from_dict(changed).verify([known], 1)


@pytest.mark.parametrize(
    ("kind", "says"), [("rsa", "neither Ed25519"), ("k1", "neither Ed25519"), ("ed25519", "encrypted")]
)
def test_other_keys_are_refused(tmp_path: Path, kind: str, says: str) -> None:
    """In one line."""
    password = b"secret" if kind == "ed25519" else None
    with pytest.raises(UsageError, match=says):
        PemSigner(pem(tmp_path / "key.pem", kind, password))


def test_no_key(tmp_path: Path) -> None:
    """A file that is none, a path that is none."""
    (tmp_path / "x").write_text("no key")
    with pytest.raises(UsageError, match="no private key"):
        PemSigner(tmp_path / "x")
    with pytest.raises(UsageError, match="cannot be read"):
        PemSigner(tmp_path / "absent")


@pytest.fixture
def ssh(bench: Bench, tmp_path: Path) -> Iterator[Path]:
    """An SSH key that git is set up to sign with."""
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    run_git(bench.top, "config", "gpg.format", "ssh")
    run_git(bench.top, "config", "user.signingKey", str(key))
    yield key


def ssh_verify(folder: Path, key: Path, payload: bytes, signature: bytes) -> int:
    """As docs/export.md has it; the exit code of ssh-keygen."""
    (folder / "sig").write_bytes(signature)
    (folder / "signers").write_text(f"ada@example.com {key.with_suffix('.pub').read_text()}")
    command = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        "signers",
        "-I",
        "ada@example.com",
        "-n",
        "gittrack-dsse",
        "-s",
        "sig",
    ]
    return subprocess.run(
        command, cwd=folder, input=pae(payload), capture_output=True, check=False
    ).returncode


def test_the_key_of_git(bench: Bench, ssh: Path, tmp_path: Path) -> None:
    """ssh-keygen takes the signature over DSSE's encoding, and no other bytes; keyid is the fingerprint."""
    bench.run(0.9, 1)
    for line in bench.data("latest", "in-toto", signer=SshSigner).splitlines():
        plain = json.loads(line)
        assert plain["payloadType"] == PAYLOAD
        payload, (signed,) = base64.b64decode(plain["payload"]), plain["signatures"]
        assert ssh_verify(tmp_path, ssh, payload, base64.b64decode(signed["sig"])) == 0
        assert ssh_verify(tmp_path, ssh, payload + b" ", base64.b64decode(signed["sig"])) != 0
        shown = subprocess.run(
            ["ssh-keygen", "-l", "-f", ssh], capture_output=True, text=True, check=True
        ).stdout
        assert signed["keyid"] == shown.split()[1]


def test_without_a_key_of_git(bench: Bench, tmp_path: Path) -> None:
    """One line, for a set-up without a key and for a key that is not there."""
    bench.bare()
    with pytest.raises(UsageError, match=r"gpg\.format ssh"):
        bench.data("latest", "in-toto", signer=SshSigner)
    run_git(bench.top, "config", "gpg.format", "ssh")
    run_git(bench.top, "config", "user.signingKey", str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="could not use the key"):
        bench.data("latest", "in-toto", signer=SshSigner)


def test_what_is_signed() -> None:
    """The example of DSSE's own specification."""
    assert (
        pae(b"hello world", "http://example.com/HelloWorld")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@pytest.mark.parametrize(("number", "kind"), [(0, None), (1, "ed25519"), (2, "p256")])
def test_the_documented_check(bench: Bench, ssh: Path, tmp_path: Path, number: int, kind: str | None) -> None:
    """The commands of docs/export.md, on a file that was exported, and on one that was changed since."""
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    (script,) = re.findall(r"(?ms)^```sh\n(.*?)^```$", page)
    check = re.findall(r"(?m)^    ((?:ssh-keygen -Y|openssl) .*)$", page)[number]
    (tmp_path / "allowed_signers").write_text(f"ada@example.com {ssh.with_suffix('.pub').read_text()}")
    signer: Any = SshSigner
    if kind is not None:
        key = pem(tmp_path / "key.pem", kind)
        words = ["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(tmp_path / "public.pem")]
        subprocess.run(words, check=True)
        signer = lambda _: PemSigner(key)  # noqa: E731
    bench.bare()
    bench.export("latest", "in-toto", target=str(tmp_path / "run.intoto.jsonl"), signer=signer)
    subprocess.run(["sh", "-euc", script + check], cwd=tmp_path, check=True, capture_output=True)
    with (tmp_path / "1.signed").open("ab") as signed:
        signed.write(b" ")
    assert subprocess.run(["sh", "-c", check], cwd=tmp_path, capture_output=True, check=False).returncode
