# A neuron, step by step

# A neuron adds up what comes in, each times a weight, and bends
# the sum. Go through its steps; change a weight, or tanh to relu.
from micrograd import Value
from micrograd.viz import replay

x1, x2 = Value(2.0, label="x1"), Value(-1.0, label="x2")  # inputs
w1, w2 = Value(0.5, label="w1"), Value(1.5, label="w2")  # weights
b = Value(1.0, label="b")  # the bias, which is always added

out = (w1 * x1 + w2 * x2 + b).tanh()
out.label = "out"

replay(out)
