# An operation of your own

# An operation computes a number, and a way back for gradients.
# gradcheck moves the input a little, to test it: try a wrong one.
from micrograd import Value, gradcheck, scalar


def softplus(x):
    """A relu without the corner: log(1 + exp(x))."""
    rest = scalar.log(1 + scalar.exp(-abs(x.data)))
    y = scalar.relu(x.data) + rest
    return Value(y, (x,), "softplus", softplus_backward)


def softplus_backward(out):
    """Its slope is the sigmoid; out is the result."""
    x = out._prev[0]
    x.grad += out.grad * scalar.sigmoid(x.data)


x = Value(0.5)
softplus(x).backward()
print(f"the gradient is {x.grad:.4f}")
print("it is right:", gradcheck(softplus, [0.5]))
