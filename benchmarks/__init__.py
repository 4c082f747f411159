"""Measurements, taken side by side in one run; ratios count, not figures. `python -m benchmarks`."""
