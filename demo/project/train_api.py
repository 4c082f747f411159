"""Train a linear classifier, recorded through the Python API."""

import pickle

import gittrack
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss

import digits

params = {"alpha": 0.0001, "epochs": 15}
train_x, test_x, train_y, test_y = digits.load()

with gittrack.start_run(params=params, seed=1, hypothesis="a linear model is enough") as run:
    model = SGDClassifier(loss="log_loss", alpha=params["alpha"], random_state=1)
    for epoch in range(params["epochs"]):
        model.partial_fit(train_x, train_y, classes=range(10))
        loss = log_loss(test_y, model.predict_proba(test_x))
        run.log_metrics({"loss": loss, "accuracy": model.score(test_x, test_y)}, step=epoch)
    with open("model.pkl", "wb") as file:
        pickle.dump(model, file)
    run.log_artifact("model.pkl", role="model")

print(f"accuracy {run.record.metrics['accuracy'].value:.4f}, recorded as {run.record.id}")
