# Two moons

# A network learns to tell two moons apart. See what it says.
# Change its hidden layers, [8, 8, 1], or the learning rate, lr.
import math
import random

import micrograd
from micrograd.nn import MLP
from micrograd.optim import Adam
from playground import draw  # which only this page has

random.seed(1)
points, labels = [], []
for i in range(40):
    angle, side = random.uniform(0, math.pi), (-1, 1)[i % 2]
    x, y = side * math.cos(angle), side * math.sin(angle)
    points.append((x, y) if side == 1 else (x + 1, y + 0.5))
    labels.append(side)

model = MLP(2, [8, 8, 1])
score = micrograd.compile(lambda x, y: model([x, y]))  # is faster
optimizer = Adam(model.parameters(), lr=0.05)

for step in range(61):
    scores = [model(x) for x in points]
    losses = [(1 - y * s).relu() for y, s in zip(labels, scores)]
    loss = sum(losses) / len(losses)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 5 == 0:
        text = f"step {step}, loss {loss.data:.3f}"
        draw(points, labels, score, text)
