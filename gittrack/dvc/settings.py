"""DVC's configuration: where the cache is, how it links, and the part of it that the ledger carries."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gittrack.dvc.hashing import Ignore
from gittrack.errors import DvcError
from gittrack.git.repository import Repository

_LINK_TYPES = frozenset({"reflink", "hardlink", "symlink", "copy"})
_REMOTE = re.compile(r'\s*remote\s*"(.*)"\s*\Z')

# What a remote may say on the ledger, and nothing that could hold a credential.
_URLS = frozenset({"url", "endpointurl", "oss_endpoint"})
_WORDS = re.compile(
    r"(?:account_name|acl|allow_agent|allow_anonymous_login|auth|connect_timeout|gss_auth|jobs|kerberos"
    r"|max_sessions|method|port|profile|projectname|read_timeout|region|sse|ssl_verify|timeout|use_https"
    r"|use_ssl|verify|version_aware|worktree)\Z"
)
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")


def project_of(top: Path | None, start: Path | None = None) -> Path | None:
    """The DVC project of `start`: the nearest ``.dvc`` from there up to the top of the work tree.

    Where there is none, that of the current directory, the same way; None where there is none either.
    """
    if top is None:
        return None
    for place in (start, Path.cwd()):
        folders = [] if place is None else [path := Path(os.path.abspath(place)), *path.parents]  # noqa: PTH100
        above = folders[: folders.index(top) + 1] if top in folders else []
        project = next((folder for folder in above if (folder / ".dvc").is_dir()), None)
        if project is not None:
            return project
    return top if (top / ".dvc").is_dir() else None


def cache_dir(top: Path | None, fallback: Path) -> Path:
    """DVC's cache folder as ``dvc cache dir`` says it; `fallback` where there is no ``.dvc`` at `top`.

    Content lies under it as ``files/md5/ab/cdef...``, that of DVC 2.x as ``ab/cdef...``.
    """
    if top is None or not (top / ".dvc").is_dir():
        return fallback
    folder = _setting(top, "cache", "dir", _resolve)
    if folder is None:
        return top / ".dvc" / "cache"
    if "://" in folder:
        raise DvcError("DVC's cache.dir is a URL, no folder: set it with `dvc cache dir <folder>`")
    return Path(folder)


def cache_types(top: Path | None) -> list[str]:
    """Link types in the order that DVC tries them: config ``cache.type``, or reflink, copy."""
    stated = _setting(top, "cache", "type", lambda _, value: value)
    if stated is None:
        return ["reflink", "copy"]
    types = [word.strip() for word in (stated.split(",") if isinstance(stated, str) else stated)]
    if not types or not _LINK_TYPES.issuperset(types):
        raise DvcError(
            f"DVC's cache.type {', '.join(types)!r} is unknown: use {', '.join(sorted(_LINK_TYPES))}"
        )
    return types


def ignore_rules(top: Path | None, path: Path) -> Ignore | None:
    """What DVC leaves out of the folder `path` by rules in ``.dvcignore``; None for a file or without rules.

    Only then is DVC imported.
    """
    top = project_of(top, path.parent)
    if top is None or not path.is_relative_to(top) or not path.is_dir():
        return None
    folders = [path, *path.parents]
    above = folders[: folders.index(top) + 1]
    if not any(_has_rules(folder / ".dvcignore") for folder in above):
        return None
    from dvc.fs import localfs
    from dvc.ignore import DvcIgnoreFilter

    rules: Ignore = DvcIgnoreFilter(localfs, str(top))
    return rules


def ledger_config(top: Path | None) -> bytes:
    """``.dvc/config`` for the ledger branch: the remotes of `project_of` the work tree, without credentials.

    Folders become absolute, as the ledger is checked out elsewhere. Empty where there is none, or no work
    tree (None).
    """
    top = project_of(top)
    if top is None or not (top / ".dvc" / "config").is_file():
        return b""
    from configobj import ConfigObj

    source = top / ".dvc" / "config"
    stated = _read(source)
    written = ConfigObj(interpolation=False, encoding="utf-8", default_encoding="utf-8")
    default = stated.get("core", {}).get("remote")
    if isinstance(default, str):
        written["core"] = {"remote": default.lower()}
    for name in sorted(stated["remote"]):
        options = dict(_public(stated["remote"][name], source.parent))
        if "url" in options:
            written[f'remote "{name}"'] = options
    written.initial_comment = [
        "# For stock dvc on the gittrack ledger; credentials belong in .dvc/config.local"
    ]
    stream = io.BytesIO()
    written.write(stream)
    return stream.getvalue()


def _public(remote: dict[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    from gittrack.formats.scrub import strip_url

    over_ssh = str(remote.get("url")).startswith(("ssh://", "sftp://"))
    for key in sorted(remote):
        value = remote[key]
        if not isinstance(value, str) or not value.isprintable():
            continue
        if key in _URLS:
            stays = key != "url" or value.startswith("~")
            yield key, strip_url(value if stays else _resolve(folder, value))
        elif (_WORDS.match(key) or (over_ssh and key == "user")) and _WORD.match(value):
            yield key, value


def _has_rules(file: Path) -> bool:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise DvcError(f"{file} cannot be read ({error}): mend it or delete it") from error
    return any(line.strip() and not line.strip().startswith("#") for line in lines)


def _setting(top: Path | None, section: str, key: str, convert: Callable[[Path, Any], Any]) -> Any:
    """The value in force: the last of DVC's files that says it, system, global, repository, local."""
    value = None
    for file in _files(top):
        stated = _read(file).get(section, {})
        if key in stated:
            value = convert(file.parent, stated[key])
    return value


def _files(top: Path | None) -> Iterator[Path]:
    import platformdirs

    app = ("dvc", "iterative")
    yield Path(os.environ.get("DVC_SYSTEM_CONFIG_DIR") or platformdirs.site_config_dir(*app)) / "config"
    yield Path(os.environ.get("DVC_GLOBAL_CONFIG_DIR") or platformdirs.user_config_dir(*app)) / "config"
    if top is not None:
        yield top / ".dvc" / "config"
        yield top / ".dvc" / "config.local"


def _read(file: Path) -> dict[str, Any]:
    """The file's sections, keys in lower case, and its remotes by name under ``remote``."""
    from configobj import ConfigObj, ConfigObjError

    try:
        text = file.read_text(encoding="utf-8")
        sections = ConfigObj(io.StringIO(text)).dict()
    except (FileNotFoundError, NotADirectoryError):
        return {"remote": {}}
    except (OSError, ConfigObjError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise DvcError(f"{file} is not a readable DVC configuration ({reason}): mend it") from error
    result: dict[str, Any] = {"remote": {}}
    for name, section in _lower(sections).items():
        remote = _REMOTE.match(name)
        if not isinstance(section, dict):
            continue
        if remote:
            result["remote"][remote.group(1)] = section
        else:
            result[name] = section
    return result


def _lower(section: dict[str, Any]) -> dict[str, Any]:
    return {key.lower(): _lower(item) if isinstance(item, dict) else item for key, item in section.items()}


def _resolve(folder: Path, value: str) -> str:
    """As DVC reads a path in a configuration file of `folder`; a URL stays."""
    if re.match(r"\w+://", value):
        return value
    return os.path.abspath(folder / Path(value).expanduser())  # noqa: PTH100


def cache_of(repository: Repository, start: Path | None = None) -> tuple[Path, list[str]]:
    """The DVC cache for `start` (default: the current directory) and its link types.

    gittrack's own cache where DVC has no project there.
    """
    project = project_of(repository.worktree, start)
    return cache_dir(project, repository.state_dir / "dvc" / "cache"), cache_types(project)
