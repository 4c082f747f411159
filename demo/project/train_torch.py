"""Train a small convolutional network with PyTorch, recorded through the Python API."""

import json
import os

import gittrack
import torch
import yaml
from torch import nn

import digits

with open("torch.yaml") as file:
    params = yaml.safe_load(file) | json.loads(os.environ.get("GITTRACK_PARAMS", "{}"))
seed = int(os.environ.get("GITTRACK_SEED", "0"))
torch.manual_seed(seed)
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)

train_x, test_x, train_y, test_y = digits.load()
images = torch.tensor(train_x, dtype=torch.float32).reshape(-1, 1, 8, 8)
labels = torch.tensor(train_y)
test_images = torch.tensor(test_x, dtype=torch.float32).reshape(-1, 1, 8, 8)
test_labels = torch.tensor(test_y)

model = nn.Sequential(
    nn.Conv2d(1, params["channels"], 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(params["channels"] * 16, 10),
)  # fmt: skip
optimiser = torch.optim.Adam(model.parameters(), lr=params["lr"])

with gittrack.start_run("torch", params=params, seed=seed, hypothesis="a small CNN reads digits") as run:
    for epoch in range(params["epochs"]):
        for batch in torch.randperm(len(images)).split(params["batch"]):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            scores = model(test_images)
        correct = (scores.argmax(dim=1) == test_labels).double().mean()
        loss = nn.functional.cross_entropy(scores, test_labels)
        run.log_metrics({"loss": loss, "accuracy": correct}, epoch)
    torch.save(model.state_dict(), "model.pt")
    run.log_artifact("model.pt", role="model")
print(f"accuracy {correct:.4f} with seed {seed}")
