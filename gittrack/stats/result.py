"""A run as the ledger has it, for the judging of reruns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gittrack.formats.record import Record


@dataclass(frozen=True, slots=True)
class Result:
    """A run as the ledger has it: record, the plain values of environment.yaml, the bytes of metrics.csv."""

    record: Record
    environment: Mapping[str, Any] = field(default_factory=dict)
    series: bytes | None = None

    @property
    def host(self) -> str | None:
        host = self.environment.get("host")
        return host if isinstance(host, str) else None


def read_result(record: Record, read: Callable[[str], bytes | None]) -> Result:
    """The run of `record`, by the bytes of the files beside it. RecordError for a damaged environment."""
    from gittrack.formats.codec import read_yaml

    environment = read_yaml(read("environment.yaml") or b"{}", f"{record.path}/environment.yaml")
    series = read("metrics.csv") if record.series else None
    return Result(record, environment if isinstance(environment, dict) else {}, series)
