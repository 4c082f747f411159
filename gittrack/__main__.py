"""The console scripts ``gittrack`` and ``git-track``, and `python -m gittrack`."""

import gc


def main() -> None:
    """Loading modules makes objects by the ten thousand and hardly any garbage: look for it less often."""
    gc.set_threshold(50_000)
    from gittrack.cli import main

    main()


if __name__ == "__main__":
    main()
