"""Takes credentials out of text: URLs, command lines, messages. Pure functions, no I/O.

A value counts as secret for one of three reasons: the name that it stands beside says so
(``--api-key X``, ``DB_PASSWORD=X``), its shape is that of a known kind of token (``ghp_...``, a
JWT, a private key), or it is the value of an environment variable with such a name. Where in
doubt a value is replaced; a record lives on in git for years and cannot take it back.

Scrub a text before cutting it: half a secret has no shape. Every expression here is linear
in the text (possessive or bounded repetition), as the text can be hostile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

MASK = "***"
_SHORTEST = 8
"""Values of environment variables shorter than this are too likely to be ordinary words."""

# --- names ---------------------------------------------------------------------------------


def _among(words: str) -> frozenset[str]:
    return frozenset(words.split())


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = _among(
    "password passwords passwd passphrase passcode secret secrets credential credentials authorization "
    "apikey apitoken accesskey accesstoken authtoken secretkey privatekey sshpass pgpassword"
)
# `--password-file x`, `SECRET_NAME=x` name where a secret is, not the secret.
_WHEREABOUTS = _among(
    "file files filename path dir directory folder name length len size count policy store manager prompt"
)
_QUANTITIES = _among("n num number max min total count no ask prompt show hide")
_LAST_WORDS_IGNORED = _among("prod dev staging ro rw value")
# What stands before `key` (`keys`, `tokens`) when it opens a door rather than a dictionary.
_KEY_OWNERS = _among(
    "access account admin anthropic api app application auth aws azure bearer client clearml cohere comet "
    "deploy encryption gcp gemini github gitlab google groq hf huggingface kaggle license master mistral "
    "mlflow neptune ngc openai private refresh replicate secret service session signing ssh storage "
    "subscription wandb"
)
_OPEN_KEYS = _among("public primary foreign sort partition cache label image")
# What stands before `token` when it belongs to a language model.
_VOCABULARY = _among(
    "additional audio begin bos class cls decoder end eod eom eos eot first forced fim image last mask new "
    "next pad padding per prefix prompt sep separator special start stop suffix suppress time unk "
    "unknown video word"
)
_PASS_OWNERS = _among("admin auth db ftp http login mongo mysql redis root smtp ssh user")

_HARMLESS = re.compile(
    r"(?:(?i:true|false|yes|no|none|null)|\*{3,}|\$\{[A-Za-z_][A-Za-z0-9_]*+\}?|\$[A-Z_][A-Z0-9_]*+)?\Z"
)
_NUMBER_OR_TAG = re.compile(
    r"(?:[-+]?[0-9]{0,7}(?:\.[0-9]{0,17})?(?:[eE][-+]?[0-9]{1,3})?|<[^<>]*+>|\[[A-Z]++\])\Z"
)
_PLAIN_WORDS = re.compile(r"[A-Za-z]{1,20}(?:[ _.,/-][A-Za-z]{1,20}){0,3}\Z")
_NAMES_A_FILE = re.compile(r"\S+\.(?:json|pem|key|crt|txt|ya?ml|toml|ini|cfg)\Z")


def looks_secret(name: str, value: str) -> bool:
    """Whether `value`, called `name` (an option, parameter, variable or field), is to be kept out."""
    if _HARMLESS.match(value):
        return False
    words = _words(name)
    if _is_password(words) or (len(words) > 1 and words[-1] == "pwd"):
        return not _NAMES_A_FILE.match(value)
    if _NUMBER_OR_TAG.match(value) or _NAMES_A_FILE.match(value):
        return False
    return _is_key(name, words) or (_may_be_key(words) and (name.isupper() or not _PLAIN_WORDS.match(value)))


def is_key_of(owner: str, name: str, value: str) -> bool:
    """Whether `value` is a credential by the name above its own: ``auth: {token: x}``."""
    if any(form.match(value) for form in (_HARMLESS, _NUMBER_OR_TAG, _NAMES_A_FILE)):
        return False
    return _is_key("", [*_words(owner), *_words(name)])


def _words(name: str) -> list[str]:
    words = [word.lower() for word in _WORD.findall(name[:200])]
    while len(words) > 1 and (words[-1].isdigit() or words[-1] in _LAST_WORDS_IGNORED):
        words.pop()
    return words


def _is_password(words: Sequence[str]) -> bool:
    return (
        not _SECRET_WORDS.isdisjoint(words) and words[-1] not in _WHEREABOUTS and words[0] not in _QUANTITIES
    )


def _is_key(name: str, words: Sequence[str]) -> bool:
    match words:
        case [*_, owner, "key"]:
            return owner in _KEY_OWNERS or (name.isupper() and owner not in _OPEN_KEYS)
        case [*_, owner, "keys" | "tokens" | "token"]:
            return owner in _KEY_OWNERS
        case [*_, owner, "pass"]:
            return owner in _PASS_OWNERS
        case [*_, "auth"]:
            return name.isupper()
    return False


def _may_be_key(words: Sequence[str]) -> bool:
    """Names of credentials that are names of much else too: there the value decides."""
    match words:
        case ["key" | "token" | "auth" | "pass"]:
            return True
        case [*_, owner, "token"]:
            return owner not in _VOCABULARY and _QUANTITIES.isdisjoint({words[0], owner})
    return False


def secret_values(env: Mapping[str, str]) -> frozenset[str]:
    """Values of at least 8 characters of the variables in `env` whose names look secret."""
    variables = ((value.strip(), name) for name, value in env.items())
    return frozenset(
        value for value, name in variables if len(value) >= _SHORTEST and looks_secret(name, value)
    )


# --- URLs ----------------------------------------------------------------------------------

_PARAMETERS = _among("sig signature code jwt")
_PARAMETER_PREFIXES = ("x-amz-", "x-goog-", "x-ms-")


def strip_url(url: str) -> str:
    """`url` without credentials; text that is no URL, and scp-like ``git@host:path``, as it is.

    >>> strip_url("https://user:token@example.org/a.git?ref=main&access_token=a1b2")
    'https://example.org/a.git?ref=main'
    >>> strip_url("ssh://git:password@example.org/a.git")
    'ssh://git@example.org/a.git'
    """
    scheme, separator, address = url.partition("://")
    if not separator:
        return url
    before_fragment, hash_sign, fragment = _without_userinfo(scheme, address).partition("#")
    path, question_mark, query = before_fragment.partition("?")
    query = _without_secret_parameters(query)
    fragment = _without_secret_parameters(fragment)
    return (
        f"{scheme}://{path}{question_mark if query else ''}{query}{hash_sign if fragment else ''}{fragment}"
    )


def _without_userinfo(scheme: str, address: str) -> str:
    end = next((i for i, character in enumerate(address) if character in "/?#"), len(address))
    userinfo, at, host = address[:end].rpartition("@")
    if not at and _has_no_port(address[:end]):
        # A password may hold an unescaped "/": then the host only comes after the last "@".
        userinfo, at, host = address.rpartition("@")
        end = len(address)
    if not at:
        return address
    user = userinfo.partition(":")[0]
    keeps_user = bool(user) and scheme.lower().rpartition("+")[2] in {"ssh", "sftp"}
    return (f"{user}@" if keeps_user else "") + host + address[end:]


def _has_no_port(authority: str) -> bool:
    _, colon, port = authority.rpartition(":")
    return bool(colon) and bool(port) and not port.isdigit() and not authority.startswith("[")


def _without_secret_parameters(query: str) -> str:
    return "&".join(part for part in query.split("&") if not _is_secret_parameter(part))


def _is_secret_parameter(part: str) -> bool:
    name, _, value = part.partition("=")
    name = name.lower()
    return bool(value) and (
        name in _PARAMETERS
        or name.startswith(_PARAMETER_PREFIXES)
        or looks_secret(name, value)
        or (_may_be_key(_words(name)) and not _NUMBER_OR_TAG.match(value))
    )


# --- text ----------------------------------------------------------------------------------

# The scheme may itself have been masked, as the value of a variable.
_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{0,20}|\*\*\*)://[^\s'\"<>`\\]++")

_TOKENS = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
    r"|(?<![A-Za-z0-9])(?:"
    r"gh[opsur]_[A-Za-z0-9]{20,}+|github_pat_[A-Za-z0-9_]{20,}+|gl(?:pat|dt|rt|ptt|ft|imt|agent|oas|cbt|soat)-[A-Za-z0-9_-]{20,}+"
    r"|hf_[A-Za-z0-9]{20,}+|api_org_[A-Za-z0-9]{20,}+|wandb_v[0-9]_[A-Za-z0-9_]{20,}+"
    r"|sk-[A-Za-z0-9]{20,}+|sk-(?:ant|proj|svcacct|admin|or|lf)-[A-Za-z0-9_-]{16,}+"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])|xox[abeoprs]-[A-Za-z0-9-]{10,}+|AIza[A-Za-z0-9_-]{30,}+"
    r"|pypi-Ag[A-Za-z0-9_-]{40,}+|npm_[A-Za-z0-9]{36}|dckr_pat_[A-Za-z0-9_-]{20,}+|nvapi-[A-Za-z0-9_-]{20,}+"
    r")"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]++)?"
)
_BEARER = re.compile(r"(?<![A-Za-z0-9])((?i:bearer)[ \t]{1,4})[A-Za-z0-9._~+/=-]{20,}+")

# `name = `, `"name": `, `--name ` : what stands before a value. Never starts inside a word.
_HEAD = re.compile(
    r"(?<![A-Za-z0-9_.-])(?P<name>(?P<dash>-{1,2})?[A-Za-z_][A-Za-z0-9_.-]*+)\\?[\"']?"
    r"(?P<separator>[ \t]{0,8}+[=:][ \t]{0,8}+|(?(dash)[ \t]{1,8}+(?![-=:])|(?!)))"
)
_VALUE = re.compile(
    r"\\\"(?P<escaped>[^\"\\\n]*+)|\"(?P<double>(?:[^\"\\\n]|\\.)*+)|'(?P<single>(?:[^'\\\n]|\\.)*+)"
    r"|(?P<plain>(?:(?i:bearer|basic|digest|token)[ \t]{1,4})?[^\s\"']++)"
)


def scrub_text(text: str, env: Mapping[str, str]) -> str:
    """`text` with every secret value replaced by ``***``; `env` is the environment of the run."""
    return _scrub(text, secret_values(env))


def _scrub(text: str, values: Iterable[str]) -> str:
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, MASK)
    text = _URL.sub(lambda match: strip_url(match[0]), text)
    text = _TOKENS.sub(MASK, text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    return _without_named_values(text)


def _without_named_values(text: str) -> str:
    pieces: list[str] = []
    position = 0
    while head := _HEAD.search(text, position):
        pieces.append(text[position : head.end()])
        position = head.end()
        value = _VALUE.match(text, position) if looks_secret(head["name"], "x1") else None
        if value:
            start, end = _bounds(value)
            if _is_secret_in_text(head, text[start:end]):
                pieces.append(text[position:start] + MASK)
                position = end
    return "".join([*pieces, text[position:]])


def _bounds(value: re.Match[str]) -> tuple[int, int]:
    """Where the value lies without its quotes or, if it has none, without closing punctuation."""
    kind = str(value.lastgroup)
    text = value[kind].rstrip(",;)]}") if kind == "plain" else value[kind]
    return value.start(kind), value.start(kind) + len(text)


def _is_secret_in_text(head: re.Match[str], value: str) -> bool:
    is_prose = not head["dash"] and " ".join(_words(head["name"])) in {"key", "token", "auth", "pass"}
    return looks_secret(head["name"], value) and (not is_prose or _is_credible(value))


def _is_credible(value: str) -> bool:
    """Not "invalid token: identifier" or ``sorted(names, key=len)``: a real one is long and has a digit."""
    return len(value) >= _SHORTEST and any(character.isdigit() for character in value)


# --- command lines -------------------------------------------------------------------------

_ASSIGNMENT = re.compile(r"(?P<head>-{0,2}(?P<name>[A-Za-z_][A-Za-z0-9_.-]*+)=)(?P<value>[\s\S]*)\Z")


def scrub_arguments(argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """`argv` with every secret value replaced by ``***``, argument by argument."""
    values = secret_values(env)
    return [_scrub_argument(a, before, values) for a, before in zip(argv, ["", *argv], strict=False)]


def _scrub_argument(argument: str, before: str, values: frozenset[str]) -> str:
    if _takes_value(before, argument) and looks_secret(before, argument):
        return MASK
    assignment = _ASSIGNMENT.match(argument)
    if assignment and _names_secret(assignment):
        return assignment["head"] + MASK
    return _scrub(argument, values)


def _takes_value(option: str, argument: str) -> bool:
    is_option = option.startswith("-") and "=" not in option and not any(c.isspace() for c in option)
    return is_option and not argument.startswith("--") and not re.fullmatch(r"-[A-Za-z]", argument)


def _names_secret(assignment: re.Match[str]) -> bool:
    name, value = assignment["name"], assignment["value"]
    is_option = assignment["head"].startswith("-")
    if looks_secret(name, value):
        return is_option or name.lower() != "key" or _is_credible(value)  # key=image is a column's name
    # -DPASSWORD=x, -eTOKEN=x: one letter of option, then the name.
    return is_option and name[1:2].isupper() and looks_secret(name[1:], value)


def secret_arguments(command: Sequence[str], env: Mapping[str, str]) -> dict[str, str]:
    """The secrets on a command line, as if they were variables, so that the output is rid of them too."""
    secrets = {}
    for at, (given, scrubbed) in enumerate(zip(command, scrub_arguments(command, env), strict=True)):
        before, mask, after = scrubbed.partition(MASK)
        if mask and given.startswith(before) and given.endswith(after):
            secrets[f"ARGUMENT_{at}_SECRET"] = given[len(before) : len(given) - len(after)]
    return secrets
