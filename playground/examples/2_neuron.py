# A neuron, step by step

from micrograd import Value
from micrograd.viz import replay

x1, x2 = Value(2.0, label="x1"), Value(-1.0, label="x2")  # what comes in
w1, w2 = Value(0.5, label="w1"), Value(1.5, label="w2")  # the weights
b = Value(1.0, label="b")

out = (w1 * x1 + w2 * x2 + b).tanh()
out.label = "out"

replay(out)
