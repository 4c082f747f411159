"""`run.config` and `run.summary`: parameters and final metrics under the names that W&B users know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Protocol

from gittrack.recording.params import ParamsBook


class Recorder(Protocol):
    """What a view needs of the run that it is a view of."""

    _book: ParamsBook

    def log_param(self, key: str, value: Any) -> Any: ...

    def log_params(self, params: Mapping[str, Any]) -> None: ...

    def _keep_param(self, key: str) -> None: ...

    def _set_summary(self, key: str, value: Any) -> None: ...


class ParamsView(MutableMapping[str, Any]):
    """The run's parameters; setting one logs it. Also as attributes: ``run.config.lr``."""

    def __init__(self, run: Recorder) -> None:
        object.__setattr__(self, "_run", run)

    def __getitem__(self, key: str) -> Any:
        return self._run._book.values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._run.log_param(key, value)

    def __delitem__(self, key: str) -> None:
        self._run._keep_param(key)

    def clear(self) -> None:
        """None is taken back."""
        for key in self:
            del self[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._run._book.values)

    def __len__(self) -> int:
        return len(self._run._book.values)

    def __getattr__(self, key: str) -> Any:
        try:
            return self._run._book.values[key]
        except KeyError:
            raise AttributeError(f"no param {key!r} is logged") from None

    def __setattr__(self, key: str, value: Any) -> None:
        self._run.log_param(key, value)

    def update(self, *others: Any, allow_val_change: bool | None = None, **more: Any) -> None:
        """Log several at once; takes what `Run.log_params` takes, or pairs.

        `allow_val_change` is W&B's, and no parameter: what is recorded stays as it is all the same.
        """
        for other in others:
            pairs = isinstance(other, (list, zip)) or type(other) is tuple
            self._run.log_params(dict(other) if pairs else other)
        if more:
            self._run.log_params(more)

    def __repr__(self) -> str:
        return repr(self._run._book.values)


class SummaryView:
    """Final metrics that stand instead of the last logged value: ``run.summary["best"] = 0.9``."""

    def __init__(self, run: Recorder) -> None:
        self._run = run

    def __setitem__(self, key: str, value: Any) -> None:
        self._run._set_summary(key, value)

    def update(self, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            self[key] = value
