"""Stage train: a support vector machine."""

import pickle

import numpy as np
import yaml
from sklearn.svm import SVC

with open("params.yaml") as file:
    params = yaml.safe_load(file)["train"]
data = np.load("digits.npz")
with open("model.pkl", "wb") as file:
    pickle.dump(SVC(C=params["C"]).fit(data["train_x"], data["train_y"]), file)
