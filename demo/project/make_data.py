"""Write scikit-learn's bundled digits (1,797 scans of handwritten digits, 8 x 8 pixels) as one CSV file."""

import csv
from pathlib import Path

from sklearn.datasets import load_digits

digits = load_digits()
Path("data").mkdir(exist_ok=True)
with open("data/digits.csv", "w", newline="") as file:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow([*digits.feature_names, "digit"])
    for pixels, digit in zip(digits.data, digits.target, strict=True):
        rows.writerow([*(int(p) for p in pixels), digit])
