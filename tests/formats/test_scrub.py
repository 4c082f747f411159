"""Credentials leave text, and nothing else does."""

from __future__ import annotations

import doctest
import time

from gittrack.formats import scrub as secrets
from gittrack.formats.scrub import looks_secret, scrub_arguments, scrub_text, secret_values, strip_url
from tests.tables import rows

# Put together at run time, so that scanners do not take the fixtures for leaks.
GITHUB = "ghp" + "_" + "a1B2c3D4e5F6" * 3
ANTHROPIC = "sk" + "-ant-" + "api03-a1B2c3D4e5F6a1B2c3D4"
OPENAI = "sk" + "-" + "a1B2c3D4e5F6a1B2c3D4"
AWS = "AKIA" + "A1B2C3D4E5F6G7H8"
HF = "hf" + "_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZ"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9" + "." + "eyJzdWIiOiIxIn0" + "." + "abc-_123"
PEM = "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIabc+/=\nxyz\n-----END RSA PRIVATE " + "KEY-----"
SHAPES = [
    GITHUB,
    ANTHROPIC,
    OPENAI,
    AWS,
    HF,
    JWT,
    PEM,
    "gho" + "_" + "a1B2c3D4" * 4,
    "github" + "_pat_" + "11ABC_" + "a1B2c3D4" * 4,
    "glpat" + "-" + "a1B2c3D4e5F6a1B2c3D4",
    "xoxb" + "-1234567890-abcdefghij",
    "xoxp" + "-1234567890-abcdefghij",
    "AIza" + "a1B2c3D4e5F6a1B2c3D4a1B2c3D4e5F6a1B",
]


@rows(
    ("url", "stripped"),
    [
        ("https://user:token@host/a.git", "https://host/a.git"),
        ("https://token@host/a.git", "https://host/a.git"),
        ("https://user:p@ss@host/a", "https://host/a"),
        ("https://user:pa/ss@host/a", "https://host/a"),
        ("https://user:p?a#ss@host/a", "https://host/a"),
        ("HTTPS://user:x@host:8443/a", "HTTPS://host:8443/a"),
        ("https://user:x@[::1]:80/a", "https://[::1]:80/a"),
        ("ssh://git@host/a.git", "ssh://git@host/a.git"),
        ("ssh://git:pw@host:22/a.git", "ssh://git@host:22/a.git"),
        ("git+ssh://git:pw@host/a.git", "git+ssh://git@host/a.git"),
        ("git+https://x:y@host/a.git@v1#egg=a", "git+https://host/a.git@v1#egg=a"),
        ("postgresql+psycopg://me:pw@db:5432/x", "postgresql+psycopg://db:5432/x"),
        ("https://host/a?token=abc", "https://host/a"),
        ("https://host/a?x=1&access_token=abc&y=2", "https://host/a?x=1&y=2"),
        ("https://host/a?api_key=abc#top", "https://host/a#top"),
        ("https://host/a?sig=abc&sv=2024", "https://host/a?sv=2024"),
        ("s3://b/a?X-Amz-Signature=1&X-Amz-Credential=2&v=3", "s3://b/a?v=3"),
        ("https://host/a?password=123456", "https://host/a"),
        ("https://host/cb#access_token=abc&state=1", "https://host/cb#state=1"),
        ("ssh://host/~git/a", "ssh://host/~git/a"),
    ],
)
def test_strip_url(url: str, stripped: str) -> None:
    """Credentials leave the URL, what names the resource stays."""
    assert strip_url(url) == stripped
    assert strip_url(stripped) == stripped


@rows(
    "url",
    [
        "git@host:path/a.git",
        "host:path",
        "/srv/git/a.git",
        "../a.git",
        "C:\\repo\\a.git",
        "file:///srv/git/a@b.git",
        "https://host/a.git@v1.0",
        "https://host:8080/@scope/a.git",
        "https://host/a?ref=main&key=5",
        "https://host/a#sha256=00ff",
        "s3://bucket/path@v1/x",
        "https://host/a?tokenizer=bert&page=2",
        "",
    ],
)
def test_strip_url_leaves_the_innocent(url: str) -> None:
    """A URL without credentials, and what is no URL, is not touched."""
    assert strip_url(url) == url


@rows(
    ("argv", "scrubbed"),
    [
        (["--api-key", "abc"], ["--api-key", "***"]),
        (["--api_key=abc def"], ["--api_key=***"]),
        (["--apiKey", "abc"], ["--apiKey", "***"]),
        (["--password=X"], ["--password=***"]),
        (["--password", "12345"], ["--password", "***"]),
        (["--password", "-abc"], ["--password", "***"]),
        (["--db-password-prod", "x"], ["--db-password-prod", "***"]),
        (["--token", "abc1"], ["--token", "***"]),
        (["-token", "abc1"], ["-token", "***"]),
        (["--hf-token=abc"], ["--hf-token=***"]),
        (["--wandb-key", "abc"], ["--wandb-key", "***"]),
        (["--secret", "abc", "x"], ["--secret", "***", "x"]),
        (["--use_auth_token", "abc"], ["--use_auth_token", "***"]),
        (["WANDB_API_KEY=abc"], ["WANDB_API_KEY=***"]),
        (["NEPTUNE_KEY=abc"], ["NEPTUNE_KEY=***"]),
        (["SOME_KEY_2=abc"], ["SOME_KEY_2=***"]),
        (["trainer.logger.api_key=abc"], ["trainer.logger.api_key=***"]),
        (["-e", "DB_PASSWORD=a b"], ["-e", "DB_PASSWORD=***"]),
        (["-DTOKEN=abc"], ["-DTOKEN=***"]),
        (["token=abc1"], ["token=***"]),
        (["key=a1b2c3d4"], ["key=***"]),
        (["MYSQL_PWD=abc"], ["MYSQL_PWD=***"]),
        (["--db=postgres://me:pw@h/x"], ["--db=postgres://h/x"]),
        (["-H", "Authorization: Bearer abc.def"], ["-H", "Authorization: ***"]),
        (["-H", "X-Api-Key: abc"], ["-H", "X-Api-Key: ***"]),
        (['{"lr": 1, "api_key": "abc", "n": 2}'], ['{"lr": 1, "api_key": "***", "n": 2}']),
        (["-c", "login(password='a b', n=1)"], ["-c", "login(password='***', n=1)"]),
        (["sh", "-c", "x --token abc1 --n 5"], ["sh", "-c", "x --token *** --n 5"]),
        (["sh", "-c", 'x="--token abc1"'], ["sh", "-c", 'x="--token ***"']),
        (["--token", "--verbose", "abc"], ["--token", "--verbose", "abc"]),
    ],
)
def test_scrub_arguments(argv: list[str], scrubbed: list[str]) -> None:
    """Values that stand beside a secret name are replaced, their names stay."""
    assert scrub_arguments(argv, {}) == scrubbed
    assert scrub_arguments(scrubbed, {}) == scrubbed


INNOCENT = [
    ["python", "train.py", "--lr", "0.001", "--epochs=3"],
    ["--tokenizer", "bert"],
    ["--tokenizer=bert-base-uncased"],
    ["--num-tokens", "5"],
    ["--max-token", "512"],
    ["--max_new_tokens=128"],
    ["--token-dropout", "0.1"],
    ["--pad-token", "[PAD]"],
    ["--eos_token=</s>"],
    ["--mask-token-id", "103"],
    ["--token", "5"],
    ["--token", "cls"],
    ["--head.token", "mean pooling"],
    ["--key", "user_id"],
    ["--auth", "basic"],
    ["--pass", "env"],
    ["--key", "2"],
    ["--key-dim", "64"],
    ["--keep", "3"],
    ["--monkey", "george"],
    ["--keyboard", "us"],
    ["--label_key", "y"],
    ["--data.image_key=image"],
    ["--sort-key", "name"],
    ["--primary-key=id"],
    ["--use_auth_token", "True"],
    ["--password-file", "/run/secrets/db"],
    ["--secret-name", "db"],
    ["--n-secrets", "5"],
    ["--private-key", "keys/id.pem"],
    ["--no-password", "x"],
    ["--token=$HF_TOKEN", "--password=${DB_PASSWORD}"],
    ["--bypass", "x", "--compass=north", "--num-pass", "two"],
    ["--author", "me", "--authority=x"],
    ["--pwd", "/srv/x", "PWD=/srv/x"],
    ["-p", "8080", "-k", "abc", "-t", "x"],
    ["sk-learn-random-forest-baseline-2024", "runs/risk-assessment-of-everything-2024"],
    ["global-average-pooling-layer-two-big", "hf_hub_download_of_everything_big"],
    ["eyJlook.like", "AKIASHORT", "ghp_short", "AIzaShort"],
    ["d670460b4b4aece5915caf5c68d12f560a9fe3e4"],
    ["https://host/data.csv?page=2", "s3://bucket/x@v1", "git@host:a/b.git"],
    ["python:3.11@sha256:" + "0" * 64],
    ["Basic regression of bearer bonds", "a token of love", "the secret garden", "KeyError: 'api_key'"],
    ["SyntaxError: invalid token: identifier", "unexpected key: name"],
    ["sorted(names, key=len)", "key=image", "max(x, key=lambda y: y.loss)"],
]


@rows("argv", INNOCENT)
def test_innocent_arguments_stay(argv: list[str]) -> None:
    """Paths, numbers, and machine-learning words that look like secrets are facts of the run."""
    assert scrub_arguments(argv, {}) == argv
    text = " ; ".join(argv)
    assert scrub_text(text, {}) == text


@rows("token", SHAPES)
def test_known_shapes_go_wherever_they_stand(token: str) -> None:
    """A token of a known kind is recognised with no name beside it."""
    assert scrub_arguments(["login", token], {}) == ["login", "***"]
    assert scrub_text(f"got '{token}', from /{token}/x", {}) == "got '***', from /***/x"


@rows(
    ("text", "scrubbed"),
    [
        ("password: hunter2\nlr: 0.1", "password: ***\nlr: 0.1"),
        ("{'password': 'hunter2', 'n': 1}", "{'password': '***', 'n': 1}"),
        ('"{\\"password\\": \\"hunter2\\"}"', '"{\\"password\\": \\"***\\"}"'),
        ('secret = "a\\"b" # c', 'secret = "***" # c'),
        ("f(api_key=abc)", "f(api_key=***)"),
        ("token: a1b2c3d4e5", "token: ***"),
        ("curl -H 'authorization: token abc' x", "curl -H 'authorization: ***' x"),
        ("Bearer abcdefghijklmnopqrstuvwxyz", "Bearer ***"),
        ("clone https://u:t@h/a.git failed", "clone https://h/a.git failed"),
        (f"before {PEM[:45]}", "before ***"),
        ("password: ", "password: "),
        ("password=", "password="),
    ],
)
def test_scrub_text(text: str, scrubbed: str) -> None:
    """Free text loses the values of secret names, URLs' credentials and tokens."""
    assert scrub_text(text, {}) == scrubbed
    assert scrub_text(scrubbed, {}) == scrubbed


ENV = {
    "HF_TOKEN": "plainvalue-1",
    "DB_PASSWORD": "plainvalue-1-and-longer",
    "SHORT_SECRET": "abc",
    "SECRET_FILE": "/srv/elsewhere",
    "GOOGLE_APPLICATION_CREDENTIALS": "/srv/credentials.json",
    "PWD": "/srv/checkout",
    "OLDPWD": "/srv/checkout2",
    "PATH": "/usr/local/bin",
    "MAX_TOKEN": "12345678",
    "USE_AUTH_TOKEN": "true",
}


def test_secret_values() -> None:
    """Only long values of variables with secret names are secret."""
    assert secret_values(ENV) == {"plainvalue-1", "plainvalue-1-and-longer"}


def test_values_of_secret_variables_go_wherever_they_stand() -> None:
    """The value of a secret variable is found inside an argument or text, the longest first."""
    argv = ["--name", "x-plainvalue-1.csv", "plainvalue-1-and-longer", "abc", "/srv/credentials.json"]
    assert scrub_arguments(argv, ENV) == ["--name", "x-***.csv", "***", "abc", "/srv/credentials.json"]
    assert scrub_text("got plainvalue-1-and-longer\n", ENV) == "got ***\n"


def test_a_masked_scheme_does_not_hide_a_url() -> None:
    """A variable whose value is an ordinary word must not keep a URL from being recognised."""
    assert scrub_text("postgres://u:pw@h/x", {"DB_PASSWORD": "postgres"}) == "***://h/x"


def test_the_examples_in_the_documentation_hold() -> None:
    """What the docstrings show is what happens."""
    assert doctest.testmod(secrets).attempted == 2
    assert doctest.testmod(secrets).failed == 0


def test_looks_secret_judges_a_parameter_by_name_and_value() -> None:
    """Parameters can be judged without a command line around them."""
    assert looks_secret("model.api_key", "abc")
    assert not looks_secret("model.api_key", "")
    assert not looks_secret("model.key_dim", "64")


HOSTILE = {
    "letters": "a" * 1_000_000,
    "schemes": "a://" * 250_000,
    "jwt": "eyJ" * 333_333,
    "jwt dots": "eyJaaaaaaaa." * 83_333,
    "short jwt": "eyJ." * 250_000,
    "begin": "-----BEGIN PRIVATE KEY-----" * 37_000,
    "begin only": "-----BEGIN " * 90_000,
    "names": "password=" * 111_111,
    "quoted names": "password='" * 100_000,
    "open quotes": "password=\"'" * 90_000,
    "brackets": "password=" + ")" * 990_000 + "x",
    "options": "--token " * 125_000,
    "spaces": "password" + " " * 990_000,
    "dashes": "-" * 1_000_000,
    "at": "https://" + "@" * 990_000,
    "colons": "https://" + ":a" * 495_000,
    "query": "https://h/?" + "&" * 990_000,
    "tokens": "sk-ant-" * 142_857,
    "backslashes": 'secret="' + "\\" * 990_000,
    "dots": "a." * 500_000,
    "files": "password=" + ".key" * 247_000 + "!",
    "tags": "token=" + "<" * 990_000,
}


@rows("text", HOSTILE.values())
def test_time_is_linear_in_the_text(text: str) -> None:
    """A megabyte of hostile text takes a second or so of processor time, not hours."""
    start = time.process_time()
    scrub_text(text, {"HF_TOKEN": "plainvalue-1"})
    scrub_arguments([text[:200_000]], {})
    strip_url(text)
    assert time.process_time() - start < 8
