"""What a run ran on: the content of environment.yaml.

The same machine in the same state gives the same bytes: no times, no process numbers, and in
place of the host's name (often a person's) a digest that says "same host" and nothing else.
Of the environment variables only `VARIABLES` and GITTRACK_IMAGE are read.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.record import clean_text
from gittrack.formats.scrub import scrub_text, strip_url
from gittrack.recording.capture import determinism, hardware
from gittrack.recording.capture.slurm import allocation_of

SCHEMA = "gittrack/environment/1"

VARIABLES = tuple(
    sorted(
        (*determinism.VARIABLES, "CUDA_VISIBLE_DEVICES", "LC_ALL", "LOCAL_RANK", "RANK", "TZ", "WORLD_SIZE")
    )
)
"""The only environment variables that are recorded, where they are set."""

IMAGE_VARIABLE = "GITTRACK_IMAGE"
IMAGE = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}@)?sha256:[0-9a-f]{64}\Z")


def capture_environment(
    *, env: Mapping[str, str] | None = None, image: str | None = None, is_own: bool = True
) -> dict[str, Any]:
    """The sections of environment.yaml, in the order of the file; facts that are not known are absent.

    `env` stands in for ``os.environ``. `image` is the container image's digest,
    ``[name@]sha256:<64 hex>``, else that of GITTRACK_IMAGE, else what podman says of itself.
    Without `is_own` the program is another one, and what only this process has is left out: interpreter,
    packages, loaded libraries.
    Raises UsageError for an `image` of another form.
    """
    env = os.environ if env is None else env
    gpus, versions = hardware.accelerators(loaded=is_own)
    entries = distributions_on(sys.path if is_own else ())
    sections: dict[str, Any] = {
        "schema": SCHEMA,
        "python": _python() if is_own else None,
        "os": _operating_system(),
        "host": _host(),
        "container": _container(),
        "image": _image(image or env.get(IMAGE_VARIABLE)),
        "cpu": hardware.cpu(),
        "memory_mb": hardware.memory_mb(),
        "gpus": gpus,
        "cuda": versions or None,
        "allocation": allocation_of(env),
        "blas": _blas() if is_own else None,
        "variables": variables_of(env),
        "packages": versions_of(entries) if is_own else None,
        "origins": origins_of(entries) or None,
    }
    return {key: writable(value) for key, value in sections.items() if value is not None}


def variables_of(env: Mapping[str, str]) -> dict[str, str]:
    """Those of `VARIABLES` that are set in `env`, secrets masked."""
    return {name: scrub_text(env[name], env) for name in VARIABLES if name in env}


_LONGEST_TEXT = 4096
_LONGEST_KEY = 250
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def writable(value: Any) -> Any:
    """`value` with all its text as one line of bounded UTF-8, as the schema wants it."""
    if isinstance(value, str):
        return _CONTROL.sub(" ", clean_text(value))[:_LONGEST_TEXT]
    if isinstance(value, dict):
        return {writable(key)[:_LONGEST_KEY]: writable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [writable(entry) for entry in value]
    return value


# --- interpreter and system ----------------------------------------------------------------


def _python() -> dict[str, Any]:
    import platform

    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "compiler": platform.python_compiler(),
        "build": " ".join(platform.python_build()),
        "executable": Path(sys.executable).name,
        "prefix": prefix_kind(Path(sys.prefix), Path(sys.base_prefix)),
    }


def prefix_kind(prefix: Path, base: Path) -> str:
    """Kind of environment of an interpreter with these ``sys.prefix`` and ``sys.base_prefix``."""
    if (prefix / "conda-meta").is_dir():
        return "conda"
    return "system" if prefix == base else "venv"


def _operating_system(root: Path = Path("/")) -> dict[str, Any]:
    import platform

    if sys.platform.startswith("linux"):
        release = hardware.read(root / "etc/os-release", 65536)
        fields = dict(re.findall(r"^(NAME|VERSION_ID)=[\"']?([^\"'\n]*)", release, re.MULTILINE))
        name = " ".join(fields[key] for key in ("NAME", "VERSION_ID") if fields.get(key)) or "Linux"
    elif sys.platform == "darwin":
        name = f"macOS {platform.mac_ver()[0]}"
    else:
        name = f"{platform.system()} {platform.release()}"
    facts = {"name": name, "kernel": platform.release(), "machine": platform.machine(), "libc": _libc(root)}
    return {key: value for key, value in facts.items() if value}


def _libc(root: Path) -> str | None:
    if not sys.platform.startswith("linux"):
        return None
    if "CS_GNU_LIBC_VERSION" in os.confstr_names:
        try:
            return os.confstr("CS_GNU_LIBC_VERSION")
        except (OSError, ValueError):
            pass  # musl knows the name but has no answer.
    return "musl" if any((root / "lib").glob("ld-musl-*")) else None


def _host(root: Path = Path("/")) -> str | None:
    """16 hex digits that tell hosts apart; machine-id(5) asks for a keyed digest in place of the id."""
    machine_id = hardware.read(root / "etc/machine-id", 64).strip()
    if not re.fullmatch(r"[0-9a-f]{32}", machine_id):
        return None
    return hashlib.sha256(f"gittrack {machine_id}".encode()).hexdigest()[:16]


# --- container -----------------------------------------------------------------------------


def _container(root: Path = Path("/")) -> str:
    """Which kind of container this process is in, by the traces that each kind leaves."""
    groups = hardware.read(root / "proc/1/cgroup", 65536)
    manager = hardware.read(root / "run/systemd/container", 64).strip()
    if (root / "var/run/secrets/kubernetes.io").exists() or "kubepods" in groups:
        return "kubernetes"
    if (root / "run/.containerenv").exists() or manager == "podman" or "/libpod" in groups:
        return "podman"
    if (root / ".dockerenv").exists() or manager == "docker" or "/docker" in groups:
        return "docker"
    if manager.startswith("lxc") or "/lxc" in groups or (root / "dev/lxd").exists():
        return "lxc"
    return "apptainer" if (root / ".singularity.d").is_dir() else "none"


def _image(stated: str | None, root: Path = Path("/")) -> str | None:
    if stated:
        if not IMAGE.match(stated):
            raise UsageError(
                f"image {stated[:300]!r} is no digest; give [name@]sha256:<64 hex digits>, as "
                "`docker inspect --format '{{index .RepoDigests 0}}'` prints it"
            )
        return stated
    about = hardware.read(root / "run/.containerenv", 65536)
    match = re.search(r"^imageid=\"?([0-9a-f]{64})\"?$", about, re.MULTILINE)
    return f"sha256:{match[1]}" if match else None


# --- linear algebra ------------------------------------------------------------------------

_NUMERIC_LIBRARIES = ("numpy", "scipy", "torch", "tensorflow", "jax", "sklearn", "lightgbm", "xgboost")
_BLAS_FIELDS = ("user_api", "internal_api", "version", "num_threads", "architecture", "threading_layer")


def _blas() -> list[dict[str, Any]]:
    """The math and thread libraries in this process; empty until one of the usual modules is imported."""
    if not any(name in sys.modules for name in _NUMERIC_LIBRARIES):
        return []
    import warnings

    from threadpoolctl import threadpool_info

    with warnings.catch_warnings():
        # Advice about two OpenMP libraries in one process: not asked for here, and both are listed.
        warnings.simplefilter("ignore", RuntimeWarning)
        loaded = threadpool_info()
    pools = [{key: pool[key] for key in _BLAS_FIELDS if pool.get(key) is not None} for pool in loaded]
    return sorted(pools, key=lambda pool: [str(pool.get(key, "")) for key in _BLAS_FIELDS])


# --- installed distributions ---------------------------------------------------------------

# A folder name says all that is needed, and reading 150 METADATA files would cost 100 ms.
_METADATA_FOLDER = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._]*)-(?P<version>[0-9][A-Za-z0-9.+!]*?)(?:-py[0-9.]+)?\.(?:dist|egg)-info\Z"
)


def installed_distributions() -> dict[str, str]:
    """Normalised name -> version of every distribution on ``sys.path``, sorted; the first found wins."""
    return versions_of(distributions_on(sys.path))


def packages_of(prefix: Path) -> dict[str, str]:
    """The same for another environment: `prefix` is a virtual environment's folder or a site-packages folder.

    Raises NotFoundError where there is no site-packages folder.
    """
    folders = [prefix] if prefix.name in {"site-packages", "dist-packages"} and prefix.is_dir() else []
    for pattern in ("lib/python3*/site-packages", "lib64/python3*/site-packages", "Lib/site-packages"):
        folders += sorted(prefix.glob(pattern))
    if not folders:
        raise NotFoundError(f"no site-packages under {prefix}; give the folder of a virtual environment")
    return versions_of(distributions_on(map(str, folders)))


def packages_on(path: Iterable[str]) -> dict[str, str]:
    """The same for the folders of an interpreter's ``sys.path``."""
    return versions_of(distributions_on(path))


def normalise(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Distribution(NamedTuple):
    name: str
    """Normalised."""
    version: str
    origin: str | None
    """Where it came from, if not from an index."""
    place: str = ""
    """Its metadata, a folder or a file."""


def distributions_on(folders: Iterable[str]) -> dict[str, Distribution]:
    """What is installed in the folders, by name; the first of a name counts, as for an import."""
    distributions: dict[str, Distribution] = {}
    for folder in dict.fromkeys(folders):
        try:
            changed = os.stat(folder or ".").st_mtime_ns  # noqa: PTH116
            in_folder = _installed_in(os.path.abspath(folder), changed)  # noqa: PTH100
        except OSError:
            continue  # sys.path may name what is not there, and zip files.
        for distribution in in_folder:
            distributions.setdefault(distribution.name, distribution)
    return distributions


@functools.lru_cache(maxsize=64)
def _installed_in(folder: str, changed: int) -> tuple[Distribution, ...]:
    """Read again when the folder has changed: whoever installs makes a new folder for the metadata."""
    entries = os.listdir(folder)  # noqa: PTH208  (iterdir makes a Path of each)
    # "~name" is what pip leaves of an uninstallation that failed.
    metadata = (e for e in sorted(entries) if e.endswith((".dist-info", ".egg-info")) and e[0] != "~")
    named = ((*_name_and_version(folder, entry), entry) for entry in metadata)
    return tuple(
        Distribution(
            normalise(name), version, _origin(Path(folder, entry, "direct_url.json")), f"{folder}/{entry}"
        )
        for name, version, entry in named
        if name
    )


def _name_and_version(folder: str, entry: str) -> tuple[str, str]:
    parts = _METADATA_FOLDER.match(entry)
    if parts:
        return parts["name"], parts["version"]
    for file in ("METADATA", "PKG-INFO", ""):
        text = hardware.read(Path(folder, entry, file), 65536).replace("\r\n", "\n").partition("\n\n")[0]
        fields = dict(re.findall(r"^(Name|Version):[ \t]*([^\n]*?)[ \t]*$", text, re.MULTILINE))
        if fields.get("Name") and fields.get("Version"):
            return fields["Name"], fields["Version"]
    return "", ""


def versions_of(installed: Mapping[str, Distribution]) -> dict[str, str]:
    return {name: one.version for name, one in sorted(installed.items())}


def origins_of(installed: Mapping[str, Distribution]) -> dict[str, str]:
    return {name: one.origin for name, one in sorted(installed.items()) if one.origin}


def _origin(file: Path) -> str | None:
    """Where a distribution came from, if not from an index (PEP 610)."""
    text = hardware.read(file, 65536)
    return _stated_origin(text) if text else None


def _stated_origin(text: str) -> str:
    """``editable``, ``local``, or the URL without credentials, with the commit or digest of it."""
    import json

    try:
        stated = json.loads(text)
        url, vcs, archive = str(stated["url"]), stated.get("vcs_info"), stated.get("archive_info")
        if stated.get("dir_info", {}).get("editable"):
            return "editable"
        place = strip_url(url) if "://" in url and not url.startswith("file:") else "local"
        if vcs:
            return f"{vcs['vcs']}+{place}@{vcs['commit_id']}"
        digest = (archive or {}).get("hashes", {}).get("sha256")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "unreadable"
    return f"{place}#sha256={digest}" if digest else place
