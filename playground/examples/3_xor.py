# Exclusive or

# A network learns when exactly one of two inputs is 1. Change the
# size of its hidden layer, 8, or the learning rate, 0.05.
import random

from micrograd.nn import MLP

random.seed(1337)
model = MLP(2, [8, 1], nonlin="tanh")
data = [([0, 0], -1), ([0, 1], 1), ([1, 0], 1), ([1, 1], -1)]

for step in range(200):
    loss = sum((model(x) - y) ** 2 for x, y in data)
    model.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.data -= 0.05 * p.grad
    if step % 40 == 0:
        print(f"step {step}: loss {loss.data:.4g}")

for x, y in data:
    print(x, "should be", y, f"and is {model(x).data:.2f}")
