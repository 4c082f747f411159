"""Which Pythons ran below `gittrack run`, and what each of them could import.

startup/       what each Python runs at its start, to report itself
reports.py     those reports, as values
processes.py   Pythons that report nothing, seen while they run
watch.py       both, for one job
choice.py      which of several the record is about
settle.py      what the record says of them
"""
