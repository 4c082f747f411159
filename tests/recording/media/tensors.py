"""A tensor that is none of torch's."""

from __future__ import annotations

from typing import Any


class Tensor:
    """As torch's, as far as it is asked."""

    def __init__(self, array: Any) -> None:
        self.array, self.dtype = array, f"torch.{array.dtype}"

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, at: int) -> Tensor:
        return Tensor(self.array[at])

    def detach(self) -> Tensor:
        return self

    cpu = detach

    def numpy(self) -> Any:
        return self.array
