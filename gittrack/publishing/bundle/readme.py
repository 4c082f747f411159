"""The page that a bundle begins with: how to read it with git, tar and coreutils, and nothing of ours."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from gittrack.publishing.bundle.contents import Item
from gittrack.reading.index import Row
from gittrack.version import VERSION

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")

_TEXT = """\
# A bundle of experiment records

Made by gittrack {version}. Everything in it is in the formats of git, tar, YAML, CSV and JSON. This page
says how to read it with `git`, `tar`, `sh` and the coreutils; a test of gittrack runs the blocks below.

| file | what it is |
|---|---|
| `SHA256SUMS` | the checksums of all other files |
| `repository.bundle` | a git bundle: the ledger, one commit for each run; the code that ran; tags |
| `pointers.tsv` | data and models: digests, and where in here the bytes are (`-`: not here) |
| `data/` | these bytes, each file named by its MD5: a DVC cache, or a DVC remote |
| `schemas/` | JSON Schemas of the YAML files on the ledger |
| `ABSENT.txt` | if there is one: what was asked for and could be had nowhere |

Start a shell (`sh`) in the folder that holds this page, and type the blocks from top to bottom.

## 1. Is it whole?

```sh
set -eu
sha256sum --check --quiet --strict SHA256SUMS
```

It prints nothing if all is well. This finds damage. Against forgery compare the digest of `SHA256SUMS`, or
the last commit of the ledger, with one that was kept elsewhere.

## 2. The records

```sh
git clone --quiet --mirror repository.bundle ../repository.git
bundle=$PWD
export GIT_DIR="$bundle/../repository.git"
ledger={ledger}
git symbolic-ref HEAD "$ledger"
git fsck --full --strict --no-dangling --no-progress
git rev-parse "$ledger"
git log --oneline "$ledger" | head -n 20
```

A run, by its id. `run.yaml` is the record; beside it lie `metrics.csv` (its curves), `environment.yaml` and
pointers:

```sh
id={run}
record=$(git log -1 --format= --name-only "$ledger" -- "*/$id/run.yaml")
folder=$(dirname "$record")
git ls-tree -r --name-only "$ledger" "$folder/"
git show "$ledger:$record"
```

The commit that added it says which code ran; here it is unpacked into a folder of its own:

```sh
code=$(git log -1 --format='%(trailers:key=Gittrack-Code,valueonly)' "$ledger" -- "$record" | head -n 1)
if test -n "$code"; then
    mkdir ../code
    git archive "$code" | tar -x -C ../code -f -
fi
```

Decisions on runs, and what reruns showed, are files on the ledger too:

```sh
git ls-tree -r --name-only "$ledger" decisions/ reproductions/
```

## 3. Data and models

{bytes}

A pointer names a file by its MD5, which is also where it lies. The record has its SHA-256 as well, which
nobody can forge as of this writing:

```sh
pointer={pointer}
md5=$(git grep -h -o -E '^- md5: [0-9a-f]{{32}}(\\.dir)?' "$ledger" -- "$folder/$pointer" | cut -d ' ' -f 3)
file=data/files/md5/$(echo "$md5" | cut -c 1-2)/$(echo "$md5" | cut -c 3-)
sha256=$(git grep -h -E -A 3 "^    pointer: $pointer\\$" "$ledger" -- "$record" |
    while read -r key value; do case $key in sha256:) echo "$value" ;; esac; done | head -n 1 | tr -d '"')
echo "$md5 $sha256"
```

A file (what was made before DVC 3 lies in `data/ab/...` in place of `data/files/md5/ab/...`):

```sh
case $md5 in
*.dir) ;;
*)
    if test -e "$file"; then
        echo "$sha256  $file" | sha256sum --check --strict
        cp "$file" "../$(basename "$pointer" .dvc)"
    fi
    ;;
esac
```

If the MD5 ends in `.dir` it is a folder. Its file is a list, in JSON, of the MD5 and the path of each file
inside; the SHA-256 of a folder is that of what `sha256sum` prints for its files, sorted by the bytes of
their paths. (Names with quotation marks, braces or letters beyond ASCII need a real reader of JSON.)

```sh
case $md5 in
*.dir)
    if test -e "$file"; then
        target=../$(basename "$pointer" .dvc)
        mkdir "$target"
        tr '}}' '\\n' < "$file" | while IFS='"' read -r _ _ _ inside _ _ _ path _; do
            test -n "$path" || continue
            mkdir -p "$target/$(dirname "$path")"
            cp "data/files/md5/$(echo "$inside" | cut -c 1-2)/$(echo "$inside" | cut -c 3-)" "$target/$path"
            (cd "$target" && sha256sum "$path")
        done | LC_ALL=C sort -k 2 > ../listed
        echo "$sha256  ../listed" | sha256sum --check --strict
    fi
    ;;
esac
```

With DVC it is shorter: `data/` is a remote. In a clone of the branch,

    dvc remote add --local --default bundle PATH/TO/THIS/data
    dvc pull PATH/OF/THE/POINTER.dvc

## 4. With gittrack

    gittrack verify --bundle PATH/TO/THIS

says whether records, code, data and history agree, and whether the ledger goes on from a commit that was kept
elsewhere (`--anchor`).
"""

_HERE = "The bytes of {count} files and folders are in this bundle; `pointers.tsv` lists them."
_NOT_HERE = "No bytes are in this bundle: it was made without. The digests are all the same."


def readme(branch: str, rows: Sequence[Row], members: Mapping[Item, str]) -> str:
    """The page for a bundle of `rows` with the bytes of `whole`, its examples being of one of them."""
    run, pointer = _example(rows, members)
    sentence = _HERE.format(count=len(members)) if members else _NOT_HERE
    return _TEXT.format(
        version=VERSION, ledger=shlex.quote(f"refs/heads/{branch}"), run=run, pointer=pointer, bytes=sentence
    )


def _example(rows: Sequence[Row], members: Mapping[Item, str]) -> tuple[str, str]:
    """A run and one of its pointers, a model of the newest run if there is one.

    Whoever recorded a run chose its names: only those that mean nothing to a shell become part of a command.
    """
    examples = [
        (item.role == "model", not str(item.md5).endswith(".dir"), item.run, item.pointer)
        for item, where in members.items()
        if item.pointer and _PLAIN.fullmatch(item.pointer) and where.startswith("data/files/")
    ]
    if examples:
        *_, run, pointer = max(examples)
        return run, pointer
    sound = [row.id for row in rows if row.fault is None]
    return max(sound, default="20261122-142233-7f3a2c"), "outputs/model.pkl.dvc"
