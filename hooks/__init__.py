"""Git hook shims of gittrack, shipped as the package gittrack.hooks."""
