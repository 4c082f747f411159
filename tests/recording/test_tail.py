"""The tail of the output: what a terminal would show of it, bounded, without secrets."""

from __future__ import annotations

import io
import random

from tqdm import tqdm

from gittrack.recording.tail import TAIL_BYTES, Tail
from tests.tables import rows


def tail_of(*chunks: bytes) -> tuple[bytes, bool]:
    tail = Tail()
    for chunk in chunks:
        tail.add(chunk)
    return tail.text({})


@rows(
    ("chunks", "kept"),
    [
        ([b"one\ntwo\n"], b"one\ntwo\n"),
        ([b"one\r\ntwo\r\n"], b"one\ntwo\n"),
        ([b"one\r", b"\ntwo"], b"one\ntwo"),
        ([b"\r10%\r20%\r100%\n", b"done\n"], b"100%\ndone\n"),
        ([b"\r10%", b"\r2", b"0%", b"\r100%\r"], b"100%"),
        ([b"no newline"], b"no newline"),
        ([b"\xff\xfe\n"], "��\n".encode()),
        (["ü".encode()[:1], "ü".encode()[1:]], "ü".encode()),
        ([], b""),
        ([b"12345\rab\n"], b"ab345\n"),
        ([b"\rloss 0.5", b"\x1b[2K\rdone\n"], b"done\n"),
        ([b"\rloss 0.5", b"\x1b", b"[", b"K\n"], b"loss 0.5\n"),
        ([b"ab\b\bxy\n"], b"xy\n"),
        ([b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n"], b"red link\n"),
        ([b"one\ntwo\n\x1b[2A\x1b[2Kuno\n\x1b[2Kdos\n"], b"uno\ndos\n"),
        ([b"one\ntwo\nthree\x1b[A\r\x1b[J"], b"one\n\n"),
        ([b"one\n\x1b[99A\x1b[99999999999Cx"], b"one" + b" " * 997 + b"x\n"),
        ([b"a\n" * 100 + b"\x1b[1Fb\n\x1b[Hc"], b"a\n" * 99 + b"b\nc"),
    ],
)
def test_what_a_person_saw(chunks: list[bytes], kept: bytes) -> None:
    """Progress bars are what they were at last, however the bytes came."""
    assert tail_of(*chunks) == (kept, False)


def test_long_progress_bar_pushes_nothing_out() -> None:
    """Megabytes of one rewritten line leave the lines before it."""
    tail = Tail()
    tail.add(b"epoch 1: loss 0.5\n")
    for percent in range(20_000):
        tail.add(b"\r%5d " % percent + b"#" * 200, 2)
        if percent == 10_000:
            tail.add(b"epoch 2: loss 0.4\n")
    text, cut = tail.text({})
    assert text.startswith(b"epoch 1: loss 0.5\nepoch 2: loss 0.4\n19999 ###")
    assert not cut


@rows("piece", [b"0123456789abcde\n", b"0123456789abcdef", b"x" * 65536])
def test_tail_is_bounded(piece: bytes) -> None:
    """64 KiB of the end, in bounded memory, with lines or without."""
    tail = Tail()
    for _ in range((8 << 20) // len(piece)):
        tail.add(piece)
    text, cut = tail.text({})
    assert cut
    assert TAIL_BYTES - 64 < len(text) <= TAIL_BYTES
    held = [*tail._rows, *tail._screens[1]._rows]
    assert sum(row.size for row in held) < 16 * TAIL_BYTES


def test_tail_is_scrubbed() -> None:
    """No secret of the environment stays, even if it came in two pieces."""
    tail = Tail()
    tail.add(b"key is abcdef")
    tail.add(b"123456 here\n")
    assert tail.text({"MY_TOKEN": "abcdef123456"})[0] == b"key is *** here\n"


def test_nested_bars_are_what_they_were_at_last() -> None:
    """tqdm, three deep, beside lines of the program: each bar once, complete, and every line."""
    stream = io.StringIO()
    tail = Tail()

    def drain() -> None:
        tail.add(stream.getvalue().encode(), 2)
        stream.seek(0)
        stream.truncate()

    options = {"file": stream, "ncols": 60, "mininterval": 0, "ascii": True, "bar_format": "{desc}{bar}{n}"}
    for epoch in tqdm(range(3), desc="epochs", position=0, **options):
        for _ in tqdm(range(50), desc=f"train {epoch}", position=1, leave=False, **options):
            for _ in tqdm(range(20), desc="batch", position=2, leave=False, **options):
                drain()
        tail.add(b"epoch %d: loss 0.5\n" % epoch)
        drain()
    drain()
    text, cut = tail.text({})
    assert not cut
    lines = [line for line in text.decode().splitlines() if line]
    assert [line for line in lines if "loss" in line] == [f"epoch {n}: loss 0.5" for n in range(3)]
    (epochs,) = [line for line in lines if line.startswith("epochs")]
    assert epochs.endswith("#3")
    assert len(lines) == 4


def test_bars_that_are_still_open_are_seen() -> None:
    """A training that is killed amid its nested bars leaves both as they stood."""
    tail = Tail()
    for step in range(5_000):
        tail.add(b"\repochs %d\n\rsteps %d\x1b[A" % (step // 100, step), 2)
    assert tail.text({}) == (b"epochs 49\nsteps 4999", False)


def test_any_bytes_in_any_pieces_are_the_same_text() -> None:
    """Where the system cuts a stream decides nothing, nor does what is no text raise."""
    stream = random.Random(1).randbytes(20_000) + b"".join(
        b"\x1b[%d%cx%d\n\r\b" % (n % 7, b"ABCDEFGJKm"[n % 10], n) for n in range(2_000)
    )
    whole = tail_of(stream)
    for size in (1, 2, 3, 7, 1000):
        assert tail_of(*(stream[at : at + size] for at in range(0, len(stream), size))) == whole
