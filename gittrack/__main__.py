"""`python -m gittrack`."""

from gittrack.cli import main

main()
