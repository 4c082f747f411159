"""The environment that a peer runs in: nothing leaves the machine, nothing is written outside one folder."""

from pathlib import Path

HOME = ".home"
HOMES = (
    "HOME TMPDIR XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME HF_HOME WANDB_CONFIG_DIR "
    "WANDB_CACHE_DIR DVC_GLOBAL_CONFIG_DIR DVC_SITE_CACHE_DIR DVC_SYSTEM_CONFIG_DIR"
)
STORES = "TRACKIO_DIR WANDB_DATA_DIR"  # artifacts of an offline W&B run wait in the latter
MLFLOW = {"mlflow-file": "file:./mlruns", "mlflow-sqlite": "sqlite:///mlflow.db"}
QUIET = (  # DVC_TEST is the only switch of DVC's look for a newer version
    "DO_NOT_TRACK=1 DVC_NO_ANALYTICS=1 DVC_TEST=1 DVCLIVE_LOGLEVEL=ERROR GIT_TERMINAL_PROMPT=0 "
    "GRADIO_ANALYTICS_ENABLED=False HF_HUB_DISABLE_TELEMETRY=1 HF_HUB_OFFLINE=1 "
    "MLFLOW_DISABLE_TELEMETRY=true MLFLOW_ALLOW_FILE_STORE=true "
    "WANDB_ERROR_REPORTING=false WANDB_MODE=offline WANDB_SILENT=true GIT_AUTHOR_NAME=bench "
    "GIT_AUTHOR_EMAIL=bench@example.org GIT_COMMITTER_NAME=bench GIT_COMMITTER_EMAIL=bench@example.org"
)


def environment(scratch: Path, peer: str) -> dict[str, str]:
    """The variables for ``peer``, to be set before it is imported; homes and caches get their folders."""
    variables = dict(pair.split("=", 1) for pair in QUIET.split())
    variables |= {name: str(scratch / HOME / name.lower()) for name in HOMES.split()}
    for name in HOMES.split():
        Path(variables[name]).mkdir(parents=True, exist_ok=True)
    variables |= {name: str(scratch / name.lower()) for name in STORES.split()}
    return variables | ({"MLFLOW_TRACKING_URI": MLFLOW[peer]} if peer in MLFLOW else {})
