#!/bin/sh
# A real repository from nothing to a model fetched back, in the commands a person would type.
# Run it with `make demo`; it needs gittrack, dvc and scikit-learn on PATH's Python, and no network.
set -eu
exec 2>&1

here=$(cd "$(dirname "$0")" && pwd)
demo=$(mktemp -d "${TMPDIR:-/tmp}/gittrack-demo.XXXXXX")
demo=$(cd "$demo" && pwd -P)

# Nothing of the demo depends on, or is left in, the settings of whoever runs it.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 DVC_NO_ANALYTICS=1
export DVC_GLOBAL_CONFIG_DIR="$demo/settings" DVC_SITE_CACHE_DIR="$demo/settings/cache"
unset PYTHONPATH GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GITTRACK_RUN GITTRACK_EXPERIMENT GITTRACK_SEED RANK || true
mkdir -p "$demo/settings/cache"
printf '[core]\n    check_update = false\n    autostage = true\n' > "$demo/settings/config"

say() { printf '\n\033[1m# %s\033[0m\n' "$1"; }
if [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ]; then say() { printf '\n# %s\n' "$1"; }; fi
run() { printf '$ %s\n' "$1"; eval "$1"; }
ended() {
    status=$?
    [ "$status" -eq 0 ] || printf '\nThe demo failed with %s. What it made is in %s\n' "$status" "$demo" >&2
    exit "$status"
}
trap ended EXIT

say "A project: training code in git, data under DVC, a git remote and a DVC remote (two folders here)"
run "cd $demo"
run "git init -q --bare -b main origin.git"
run "git init -q -b main project && cd project"
run "git config user.name 'Ada Lovelace' && git config user.email ada@example.com"
run "git remote add origin $demo/origin.git"
run "cp $here/project/*.py $here/project/*.yaml . && cp $here/project/gitignore .gitignore"
run "dvc init -q && dvc remote add -q --default storage $demo/storage"
run "python make_data.py && dvc add -q data/digits.csv && dvc push -q"
run "git add . && git commit -q -m 'Digits: data and training code' && git push -q -u origin main"
run "git log --oneline --stat"

say "Set gittrack up: a branch beside the code, nothing in the work tree"
run "gittrack init"

say "Two runs of a script without gittrack, which finds seed and parameters in its environment"
run "gittrack run -m 'a small network will do' --seed 1 --pass env --metrics metrics.csv --output model.pkl:model -- python train.py"
run "gittrack run -m 'a wider layer helps' -S hidden=64 --seed 1 --pass env --metrics metrics.csv --output model.pkl:model -- python train.py"

say "A third one, another classifier, through the Python API"
run "python train_api.py"

say "What is there now"
run "gittrack log"
run "gittrack diff latest~2 latest~1"
run "gittrack diff latest~1 latest"
run "gittrack show latest~1"

say "The work tree, the index and the branch are as they were; the records are on a branch of their own"
run "git status --short --branch"
run "git log --oneline gittrack/runs"

say "Send records and models to the remotes"
run "gittrack push --artifacts"

say "Somebody else, years later: a fresh clone, stock git, stock dvc, no gittrack"
# The packages of this environment less gittrack: an editable install hangs on a .pth file, and Python
# reads none in a folder that a .pth file itself names.
packages=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
run "cd $demo && python -m venv --without-pip stock"
run "echo $packages > \$(stock/bin/python -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))')/stock.pth"
run "stock/bin/python -c 'import gittrack' 2>&1 | tail -1"
if stock/bin/python -c 'import gittrack' 2> "$demo/settings/import.log"; then
    echo "gittrack can be imported there, so this would prove nothing" >&2
    exit 1
fi
run "git clone -q origin.git clone && cd clone"
run "git worktree add -q --detach ../records origin/gittrack/runs && cd ../records"
run "run=\$(grep -l 'hidden: 64' runs/digits/*/*/run.yaml | xargs dirname) && ls -R \$run"
run "../stock/bin/python -m dvc pull \$run/outputs/model.pkl.dvc"
run "grep -A 6 '^outputs:' \$run/run.yaml"
run "sha256=\$(python -c 'import hashlib, sys; print(hashlib.file_digest(sys.stdin.buffer, \"sha256\").hexdigest())' < \$run/outputs/model.pkl) && echo \$sha256"
run "grep -q \"^    sha256: \$sha256\\$\" \$run/run.yaml && echo 'The same sha256: byte for byte the model that the record names.'"

say "Is it still what it was?"
run "cd $demo/project && gittrack verify --read-data"

say "Can the network of the second run be had again? The plan first, then the run"
run "gittrack reproduce latest~1 --dry-run"
run "gittrack reproduce latest~1 --check --yes"

if python -c 'import torch' 2> "$demo/settings/import.log"; then
    say "PyTorch: one network, five seeds, and the pass rule that gittrack.yaml fixed beforehand"
    run "gittrack sweep -e torch --seeds 1,2,3,4,5 --pass env --params torch.yaml --jobs 2 -- python train_torch.py"
    run "gittrack stats torch"
    run "gittrack gate torch"
else
    say "PyTorch is not installed here: the part with five seeds and the gate is left out"
fi

say "Threads that race: not bitwise the same, statistically so, and what makes the runs differ"
run "gittrack run -e hogwild --seed 1 --pass env --metrics metrics.json --output weights.npy:model -- python hogwild.py"
# One sound run in a hundred falls outside: that is what a confidence of 99 % means.
run "gittrack reproduce --jobs 2 --yes || echo 'exit status' \$?"

say "Which one goes on, and why: a decision beside the records, with every candidate and its figures"
selected=$(gittrack log -e digits -F 'params.hidden = 64' --sort-by started --sort-order asc -n 1 --csv | sed -n '2s/,.*//p')
run "gittrack decide $selected --outcome selected --because 'reads most digits right, and can be had again bitwise'"
run "gittrack log -e digits"

say "Registered as a version, by tags that stock gto reads; the bytes by its stage"
run "gittrack register $selected --model digits && gittrack promote digits@v0.0.1 --stage prod"
run "gto show"
run "gittrack fetch digits@prod -o $demo/fetched.pkl"

say "The evidence on one page, and everything in one archive that stock tools read"
run "gittrack report digits -o $demo/report.html"
run "gittrack bundle digits --outputs -o $demo/digits.tar && gittrack verify --bundle $demo/digits.tar"

say "All of that is on the ledger, and verify works every verdict and every figure out again"
run "gittrack verify"

say "A DVC pipeline, and a server that guards the ledger"
run "cd $demo && git init -q --bare -b main server.git && gittrack -C server.git hooks install --server"
run "git init -q -b main pipeline && cd pipeline"
run "git config user.name 'Ada Lovelace' && git config user.email ada@example.com"
run "git remote add origin $demo/server.git"
run "cp $here/pipeline/*.py $here/pipeline/*.yaml . && dvc init -q"
run "gittrack init --no-config && gittrack hooks install"
run "git add . && git commit -q -m 'A pipeline: prepare, train, evaluate'"

say "dvc repro and git commit, nothing else, and the run is on the ledger"
run "dvc repro -q && git add . && git commit -q -m 'C = 0.1'"
run "sed -i.old 's/C: 0.1/C: 1/' params.yaml && rm params.yaml.old"
run "dvc repro -q && git commit -qa -m 'C = 1'"
run "gittrack log"
run "gittrack verify"
run "git push -q origin main && gittrack push"

say "A reviewer's view of the second run"
run "gittrack review gittrack/runs~1..gittrack/runs --md | head -40"

say "Somebody makes a result look better, and pushes"
run "cd $demo && git clone -q server.git mallory && cd mallory"
run "git config user.name Mallory && git config user.email mallory@example.com"
run "git switch -q gittrack/runs && file=\$(grep -l 'accuracy' runs/*/*/*/run.yaml | head -1)"
run "sed -i.old 's/value: 0\\.[0-9]*/value: 0.9999/' \$file && rm \$file.old && git commit -qam 'better' && git diff -U0 HEAD~1 | tail -2"
printf '$ %s\n' "git push origin gittrack/runs"
if git push origin gittrack/runs; then
    echo "the server took an altered record" >&2
    exit 1
fi
run "gittrack verify || echo 'exit status' \$?"

printf '\nAll of it is in %s\n' "$demo"
printf 'Look around:  cd %s/project && %s log\n' "$demo" "$(command -v gittrack)"
