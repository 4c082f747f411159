"""What a run shows at steps: images, sounds, tables, pages, histograms, confusion matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.media import Kind
from gittrack.formats.values import check_name, without_secrets
from gittrack.recording.journal import Journal
from gittrack.recording.media.shelf import Content, Shelf
from gittrack.recording.verbs import Losses, verb

_LONGEST_CAPTION = 500


class Media:
    """The verbs of a run that keep a file for each step, under a name.

    `step` and `timestamp` are as for `Run.log_metrics`; `artifact_file` and `key` are MLflow's for `name`.
    Of a name with more than there is room for, the first, the last and every so many calls are kept.
    """

    _journal: Journal | None
    _ended: bool
    _losses: Losses
    _shelf: Shelf
    _open: Callable[[str], Journal | None]
    _at: Callable[[float | None], int | float | None]
    _elapsed: Callable[[float | None], float]

    @verb("image", subject="name")
    def log_image(
        self,
        image: Any,
        name: str | None = None,
        step: float | None = None,
        timestamp: float | None = None,
        *,
        caption: str | None = None,
        key: str | None = None,
        artifact_file: str | None = None,
    ) -> None:
        """Keep an image: a path, bytes, an array or tensor, a matplotlib figure, an image of PIL.

        Arrays are (H, W) or (H, W, C) with 1 to 4 channels, tensors of torch (C, H, W): whole numbers of 0 to
        255, booleans, or floats of 0 to 1.
        """
        if self._open("log_image") is not None:
            from gittrack.recording.media.images import image_of

            self._keep(
                name or key or artifact_file, "image", [image_of(image, _text(caption))], step, timestamp
            )

    @verb("images", subject="name")
    def log_images(
        self,
        images: Any,
        name: str | None = None,
        step: float | None = None,
        timestamp: float | None = None,
        *,
        captions: Sequence[str] | None = None,
        key: str | None = None,
    ) -> None:
        """Keep images at one step: a list of what `log_image` takes, or an array with an axis more."""
        if self._open("log_images") is not None:
            from gittrack.recording.media.images import images_of

            listed = images_of(images, captions)
            contents = [content._replace(caption=_text(content.caption)) for content in listed]
            self._keep(name or key, "image", contents, step, timestamp)

    @verb("audio", subject="name")
    def log_audio(
        self,
        audio: Any,
        name: str | None = None,
        step: float | None = None,
        timestamp: float | None = None,
        *,
        sample_rate: int | None = None,
        caption: str | None = None,
    ) -> None:
        """Keep a sound: a path, bytes, or samples at `sample_rate` in hertz, as WAV of 16 bits.

        Samples are (N,) or (N, C): floats of -1 to 1, int16, or uint8 around 128.
        """
        if self._open("log_audio") is not None:
            from gittrack.recording.media.sounds import sound_of

            self._keep(name, "audio", [sound_of(audio, sample_rate, _text(caption))], step, timestamp)

    @verb("table", subject="name")
    def log_table(
        self,
        data: Any,
        name: str | None = None,
        step: float | None = None,
        timestamp: float | None = None,
        *,
        columns: Sequence[str] | None = None,
        artifact_file: str | None = None,
    ) -> None:
        """Keep a table as JSON: a DataFrame, a list of dicts, a dict of columns, or rows with `columns`."""
        if self._open("log_table") is not None:
            from gittrack.recording.media.tables import table_of

            self._keep(name or artifact_file, "table", [table_of(data, columns)], step, timestamp)

    @verb("html", subject="name")
    def log_html(
        self,
        html: Any,
        name: str | None = None,
        step: float | None = None,
        timestamp: float | None = None,
        *,
        caption: str | None = None,
    ) -> None:
        """Keep a page: text with a tag in it, the path of a file, or what has `to_html` (plotly)."""
        if self._open("log_html") is not None:
            self._keep(name, "html", [_page(html)._replace(caption=_text(caption))], step, timestamp)

    @verb("histogram", subject="name")
    def log_histogram(
        self,
        values: Any,
        name: str | None = None,
        step: float | None = None,
        timestamp: float | None = None,
        *,
        bins: int = 64,
    ) -> None:
        """Keep how numbers of any shape are distributed, or a histogram (counts, edges) as NumPy makes it."""
        if self._open("log_histogram") is not None:
            from gittrack.recording.media.tables import histogram_of

            self._keep(name, "histogram", [histogram_of(values, bins)], step, timestamp)

    @verb("confusion matrix", subject="name")
    def log_confusion_matrix(
        self,
        y_true: Any = None,
        y_pred: Any = None,
        name: str = "confusion matrix",
        step: float | None = None,
        timestamp: float | None = None,
        *,
        matrix: Any = None,
        labels: Sequence[Any] | None = None,
    ) -> None:
        """Keep how often which label was taken for which: of true and predicted ones, or the `matrix` itself.

        A row is a true label, a column a predicted one, as in scikit-learn; `labels` names them in order.
        """
        if self._open("log_confusion_matrix") is not None:
            from gittrack.recording.media.tables import confusion_of

            content = confusion_of(y_true, y_pred, matrix=matrix, labels=labels)
            self._keep(name, "confusion matrix", [content], step, timestamp)

    def _keep(
        self,
        name: object,
        kind: Kind,
        contents: Sequence[Content],
        step: float | None,
        timestamp: float | None,
    ) -> None:
        if name is None:
            raise UsageError(
                f"it needs a name, such as log_{kind.replace(' ', '_')}(..., 'validation/sample')"
            )
        self._shelf.put(check_name(name, kind), kind, contents, self._at(step), self._elapsed(timestamp))


def _text(caption: object) -> str | None:
    if caption is None:
        return None
    text = str(without_secrets(str(caption).encode("utf-8", "backslashreplace").decode()))
    if len(text) > _LONGEST_CAPTION:
        raise UsageError(f"a caption has at most {_LONGEST_CAPTION:,} characters, not {len(text):,}")
    return text


def _page(html: Any) -> Content:
    from gittrack.recording.media.contents import given_bytes

    if callable(getattr(html, "to_html", None)):
        html = html.to_html()
    if isinstance(html, str) and "<" in html:
        html = html.encode("utf-8", "backslashreplace")
    if not isinstance(html, (str, Path, bytes, bytearray)):
        raise UsageError(f"a page is text, a path or what has to_html, not {type(html).__name__}")
    return Content(given_bytes(html), "html")
