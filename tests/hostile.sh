#!/bin/sh
# The test suite where everything about the machine is against it; the arguments go to pytest.
#   sh tests/hostile.sh .venv/bin/python -n auto
# What tests/machine.py shuts out must decide nothing: variables of launchers, threads, languages and colours,
# git's, DVC's and our own, signals ignored by who started it, a umask, a clock, a path.
set -u
python=$1
shift

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/mit Leerzeichen und ä"
TMPDIR="$scratch/mit Leerzeichen und ä"
export TMPDIR

export OMP_NUM_THREADS=3 MKL_NUM_THREADS=3 OPENBLAS_NUM_THREADS=3 OPENBLAS_CORETYPE=Prescott
export RANK=1 LOCAL_RANK=1 WORLD_SIZE=2 PMI_RANK=1 PMIX_RANK=1 OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2
export SLURM_PROCID=1 SLURM_NTASKS=2 SLURM_JOB_ID=7
export LC_ALL=C TZ=Pacific/Kiritimati FORCE_COLOR=1 TERM=dumb COLUMNS=20 LINES=5 PAGER=false CI=true
export GIT_DIR=/nosuch/git GIT_INDEX_FILE=/nosuch/index GIT_AUTHOR_NAME=Mallory GIT_AUTHOR_DATE=2001-01-01T00:00:00Z
export GIT_COMMITTER_DATE=2001-01-01T00:00:00Z DVC_GLOBAL_CONFIG_DIR=/nosuch/dvc DVC_ROOT=/nosuch
export GITTRACK_EXPERIMENT=other GITTRACK_SEED=99 GITTRACK_RUN=/nosuch/run GITTRACK_DEBUG=1
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 XDG_CONFIG_HOME=/nosuch HOME=/nosuch
umask 077
trap '' INT HUP QUIT TERM

"$python" -m pytest "$@"
