"""Train a small neural network. Nothing in here knows gittrack: `gittrack run` records it from outside."""

import csv
import json
import os
import pickle

import yaml
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

import digits

with open("params.yaml") as file:
    params = yaml.safe_load(file) | json.loads(os.environ.get("GITTRACK_PARAMS", "{}"))
seed = int(os.environ.get("GITTRACK_SEED", "0"))
train_x, test_x, train_y, test_y = digits.load()
model = MLPClassifier([params["hidden"]], learning_rate_init=params["lr"], random_state=seed)

with open("metrics.csv", "w") as file:
    rows = csv.writer(file)
    rows.writerow(["epoch", "loss", "accuracy"])
    for epoch in range(params["epochs"]):
        model.partial_fit(train_x, train_y, classes=range(10))
        loss = log_loss(test_y, model.predict_proba(test_x))
        rows.writerow([epoch, loss, model.score(test_x, test_y)])

with open("model.pkl", "wb") as file:
    pickle.dump(model, file)
print(f"accuracy {model.score(test_x, test_y):.4f} with {params}")
