"""Stage evaluate: accuracy on the part that training has not seen."""

import json
import pickle

import numpy as np

data = np.load("digits.npz")
with open("model.pkl", "rb") as file:
    model = pickle.load(file)
with open("metrics.json", "w") as file:
    json.dump({"accuracy": model.score(data["test_x"], data["test_y"])}, file)
