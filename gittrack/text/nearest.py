"""What a person may have meant by a name that there is not. On an error's path alone."""

from __future__ import annotations

from collections.abc import Iterable

_LISTED = 10


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean a or b?``; without any that is like `name`, which there are, ten of them at most."""
    names = list(dict.fromkeys(known))
    alike = _alike(name, names)
    if alike:
        return f"did you mean {' or '.join(alike)}?"
    if not names:
        return "there is none"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"there are {', '.join(sorted(names)[:_LISTED])}{more}"


def _alike(name: str, names: list[str]) -> list[str]:
    from difflib import get_close_matches

    keys: dict[str, list[str]] = {}
    for known in names:
        keys.setdefault(_key(known), []).append(known)
    close = get_close_matches(_key(name), keys, n=3)
    return [known for key in close for known in keys[key]][:3]


def _key(name: str) -> str:
    """``acc`` of ``metrics.acc``."""
    family, dot, key = name.partition(".")
    return (key if dot and family in ("metrics", "params", "tags") else name).lower()
