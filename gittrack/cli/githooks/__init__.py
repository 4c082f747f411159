"""What gittrack does on git events, and the putting in place of the shims in ``hooks/`` that call it.

A shim decides with a shell test whether there is anything to do, and only then starts
``gittrack hooks run <event>``. Hooks are a convenience: ``--no-verify`` skips them, and
whoever owns a clone can take them away. What can be relied on is ``pre-receive`` on the
server, and ``gittrack verify`` anywhere.

    install.py      shims put in, taken away, looked at; other people's hooks kept
    watch.py        which paths make a commit a training commit, as the shims' shell test has it
    events.py       what happens on each event of a person's clone
    agreement.py    pre-commit: whether dvc.lock and the files that it speaks of agree
    receive.py      pre-receive and pre-push: whether an update of the ledger may be taken
    additions.py    whether files that are added to the ledger are what they have to be
"""

from __future__ import annotations
