"""JSON Schemas of gittrack, shipped as the package gittrack.schemas."""
