# Two moons

import math
import random

import micrograd
from micrograd.nn import MLP
from micrograd.optim import Adam
from playground import draw  # of this page

random.seed(1)
points, labels = [], []
for i in range(40):
    angle, side = random.uniform(0, math.pi), 1 if i % 2 else -1
    points.append((side * math.cos(angle) + (side < 0), side * math.sin(angle) + 0.5 * (side < 0)))
    labels.append(side)

model = MLP(2, [8, 8, 1])
score = micrograd.compile(lambda x, y: model([x, y]))
optimizer = Adam(model.parameters(), lr=0.05)

for step in range(61):
    loss = sum((1 - y * model(x)).relu() for x, y in zip(points, labels)) / len(points)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 5 == 0:
        draw(points, labels, score, f"step {step}, loss {loss.data:.3f}")
