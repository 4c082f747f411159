"""Images as bytes: files as they are, arrays as PNG by zlib alone, figures and PIL's images as they save."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gittrack.errors import UsageError
from gittrack.recording.media.contents import given_bytes, to_array
from gittrack.recording.media.shelf import Content

MOST_PIXELS = 1 << 24
"""Of an array: 4,096 by 4,096."""
_LEVEL = 1
"""Of zlib: half the time of its usual one, and hardly larger for what is no drawing."""
_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
"""By channels, PNG's type of colour: grey, grey with alpha, RGB, RGBA."""
_NEAR = 1e-3
"""How far floats may be beyond 0 and 1, as resampling leaves them."""

_FORMATS = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpg",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"II*\0": "tif",
    b"MM\0*": "tif",
}


def image_of(image: Any, caption: str | None = None) -> Content:
    """The bytes of an image: a path, bytes, an array or tensor, a figure, an image of PIL.

    An array is (H, W) or (H, W, C) of 1 to 4 channels (grey, grey with alpha, RGB, RGBA): whole numbers of
    0 to 255, booleans, or floats of 0 to 1. A tensor with `detach` (torch) is (C, H, W) where it can be, an
    array is where it cannot be (H, W, C). UsageError for others.
    """
    if isinstance(image, (str, Path, bytes, bytearray, memoryview)):
        data = given_bytes(image)
        return Content(data, _format_of(data), caption)
    if hasattr(image, "savefig") or (hasattr(image, "save") and hasattr(image, "mode")):
        return Content(_saved(image), "png", caption)
    return Content(png(_pixels(image)), "png", caption)


def images_of(images: Any, captions: Sequence[str] | None = None) -> list[Content]:
    """Those of a sequence, or of an array with one axis more."""
    if isinstance(images, (str, Path, bytes, bytearray)) or not hasattr(images, "__len__"):
        raise UsageError(
            f"log_images takes a list of images, not {type(images).__name__}: log_image takes one"
        )
    if not len(images):
        raise UsageError("there is no image in the list")
    if captions is not None and (isinstance(captions, str) or len(captions) != len(images)):
        raise UsageError(f"captions are a list, one for each of {len(images)} images")
    return [image_of(image, captions[at] if captions else None) for at, image in enumerate(images)]


def png(pixels: Any) -> bytes:
    """PNG of a contiguous array (H, W, C) of uint8. Rows are differences to the one above."""
    import numpy as np

    height, width, channels = pixels.shape
    rows = np.empty((height, 1 + width * channels), np.uint8)
    flat = pixels.reshape(height, width * channels)
    rows[0, 0], rows[1:, 0] = 0, 2
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.data, _LEVEL)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _pixels(image: Any) -> Any:
    """(H, W, C) of uint8."""
    import numpy as np

    array = to_array(image, "an image")
    shape = array.shape
    if array.ndim == 2:
        array = array[:, :, None]
    elif array.ndim == 3:
        first, last = shape[0] in _COLOURS, shape[2] in _COLOURS
        if first and (not last or hasattr(image, "detach")):
            array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] not in _COLOURS:
        raise UsageError(
            f"an image is (H, W) or (H, W, C) with 1 to 4 channels, not {shape}: see log_images()"
        )
    if not array.size:
        raise UsageError(f"an image of shape {shape} has no pixel")
    if array.shape[0] * array.shape[1] > MOST_PIXELS:
        raise UsageError(f"an image of shape {shape} has more than {MOST_PIXELS:,} pixels: make it smaller")
    return np.ascontiguousarray(_bytes_of(array))


def _bytes_of(array: Any) -> Any:
    import numpy as np

    kind = array.dtype.kind
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint8:
        return array
    if kind not in "iuf":
        raise UsageError(f"an image has numbers, not {array.dtype}")
    low, high = array.min(), array.max()
    if kind == "f":
        if not -_NEAR <= low <= high <= 1 + _NEAR:  # NaN is not, either
            raise UsageError(f"floats of an image are 0 to 1, not {low:.6g} to {high:.6g}: scale them")
        return (np.clip(array.astype(np.float32), 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    if not 0 <= low <= high <= 255:
        raise UsageError(f"whole numbers of an image are 0 to 255, not {low} to {high}: scale them")
    return array.astype(np.uint8)


def _saved(image: Any) -> bytes:
    """As the object itself writes PNG."""
    stream = io.BytesIO()
    try:
        image.savefig(stream, format="png") if hasattr(image, "savefig") else image.save(stream, format="PNG")
    except Exception as error:  # whatever a library raises that is not ours
        raise UsageError(f"{type(image).__name__} cannot be saved as PNG: {error}") from error
    return stream.getvalue()


def _format_of(data: bytes) -> str:
    """The end of its name, by the first bytes; a name may say anything."""
    for start, known in _FORMATS.items():
        if data.startswith(start):
            return known
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    head = data[:1024].lstrip()
    if head.startswith(b"<") and b"<svg" in head:
        return "svg"
    raise UsageError(
        "it is no image by its first bytes (PNG, JPEG, GIF, WebP, BMP, TIFF, SVG): see log_artifact()"
    )
