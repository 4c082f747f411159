"""Stage prepare: scikit-learn's bundled digits, split."""

import numpy as np
import yaml
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

with open("params.yaml") as file:
    params = yaml.safe_load(file)["prepare"]
pixels, digits = load_digits(return_X_y=True)
parts = train_test_split(pixels / 16, digits, test_size=params["test_size"], random_state=params["seed"])
np.savez("digits.npz", **dict(zip(["train_x", "test_x", "train_y", "test_y"], parts, strict=True)))
