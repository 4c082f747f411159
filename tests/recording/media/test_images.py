"""Images: what is given, as the bytes that are kept."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gittrack.errors import UsageError
from gittrack.recording.media.images import image_of, images_of
from tests.recording.media.tensors import Tensor

PIL = pytest.importorskip("PIL.Image")


class Figure:
    def savefig(self, stream: Any, format: str) -> None:
        PIL.new("RGB", (3, 2)).save(stream, format.upper())


def pixels(image: Any) -> Any:
    """What a reader of PNG that is not ours sees."""
    content = image_of(image)
    assert content.suffix == "png"
    return np.asarray(PIL.open(io.BytesIO(content.data)))


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 2), (5, 7, 3), (5, 7, 4), (1, 1), (1, 9, 3)])
def test_another_reader_sees_the_very_pixels(shape: tuple[int, ...]) -> None:
    """Grey, grey with alpha, RGB, RGBA; also of a view that is not contiguous."""
    array = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    assert (pixels(array) == array).all()
    assert (pixels(array[::-1]) == array[::-1]).all()


def test_floats_truths_and_other_whole_numbers() -> None:
    """0 to 1, rounded; false and true; 0 to 255 of any type; one channel more is the same image."""
    assert pixels(np.array([[0.0, 0.5, 1.0005]])).tolist() == [[0, 128, 255]]
    assert pixels(np.eye(2, dtype=bool)).tolist() == [[255, 0], [0, 255]]
    assert pixels(np.array([[0, 255]], np.int64)).tolist() == [[0, 255]]
    assert pixels([[[7], [9]]]).tolist() == [[7, 9]]


def test_channels_first_where_that_can_be() -> None:
    """A tensor of torch is (C, H, W), an array only where it cannot be (H, W, C)."""
    array = np.random.default_rng(1).integers(0, 256, (3, 5, 4), np.uint8)
    assert pixels(Tensor(array)).shape == (5, 4, 3)
    assert pixels(array).shape == (3, 5, 4)
    wide = np.repeat(array, 2, axis=2)
    assert (pixels(wide) == wide.transpose(1, 2, 0)).all()
    assert [len(content.data) > 0 for content in images_of(Tensor(np.zeros((2, 1, 4, 4))))] == [True, True]


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((0, 4)), "no pixel"),
        (np.zeros((5, 4, 5)), "with 1 to 4 channels"),
        (np.zeros((2, 4, 4, 3)), "with 1 to 4 channels"),
        (np.full((2, 2), np.nan), "floats of an image are 0 to 1, not nan"),
        (np.full((2, 2), np.inf), "not inf to inf"),
        (np.array([[-1.0, 1.0]]), "not -1 to 1: scale them"),
        (np.array([[256]]), "not 256 to 256"),
        (np.broadcast_to(np.uint8(0), (10_000, 10_000)), "more than 16,777,216 pixels"),
        (np.array([["a"]]), "made of numbers"),
        (np.ma.masked_array([[1.0]], [[True]]), "masked"),
        ([[1], [1, 2]], "cannot be made of list"),
        (object(), "made of numbers"),
        (b"", "empty"),
        (b"hello", "it is no image by its first bytes"),
        ("nowhere.png", "cannot be read: No such file"),
        (Path("/"), "is no file"),
        (PIL.new("CMYK", (2, 2)), "cannot be saved as PNG"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_named(image: Any, says: str) -> None:
    """In one line, whatever was given; a huge one before it is encoded."""
    with pytest.raises(UsageError, match=says):
        image_of(image)


def test_files_stay_as_they_are_and_objects_save_themselves(tmp_path: Path) -> None:
    """A file is called by its first bytes, whatever its name says."""
    (tmp_path / "photo.png").write_bytes(b"\xff\xd8\xff jpeg")
    assert image_of(tmp_path / "photo.png")[:2] == (b"\xff\xd8\xff jpeg", "jpg")
    assert image_of(b"<svg xmlns='x'/>").suffix == "svg"
    assert image_of(b"RIFF....WEBPVP8").suffix == "webp"
    assert pixels(PIL.new("RGB", (3, 2))).shape == (2, 3, 3) == pixels(Figure()).shape


def test_several_need_a_list_and_as_many_captions() -> None:
    """Each with its own caption."""
    assert [c.caption for c in images_of(np.zeros((2, 4, 4)), ["a", "b"])] == ["a", "b"]
    for images, captions in (([], None), ("a.png", None), (np.zeros((2, 4, 4)), ["a"])):
        with pytest.raises(UsageError):
            images_of(images, captions)
