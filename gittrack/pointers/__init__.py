"""The only door to DVC: pointers read as plain YAML, and the cache and remotes that hold what they name.

DVC itself is imported by nothing here but `store`, `checkout`, `transfer` and, where a
``.dvcignore`` has rules, `ignore_rules`.
"""

from __future__ import annotations

from gittrack.pointers.cache import checkout, object_path, read_dir_object, store, store_listing
from gittrack.pointers.files import Pointer, parse_lock, parse_pointer, write_pointer
from gittrack.pointers.settings import cache_dir, cache_types, ignore_rules, ledger_config
from gittrack.pointers.tracking import Tracking, dependencies, find_tracking, find_tracking_in
from gittrack.pointers.transfer import missing_on_remote, transfer

__all__ = [
    "Pointer",
    "Tracking",
    "cache_dir",
    "cache_types",
    "checkout",
    "dependencies",
    "find_tracking",
    "find_tracking_in",
    "ignore_rules",
    "ledger_config",
    "missing_on_remote",
    "object_path",
    "parse_lock",
    "parse_pointer",
    "read_dir_object",
    "store",
    "store_listing",
    "transfer",
    "write_pointer",
]
