# An operation of your own

# An operation computes a number, and a way back for gradients.
# gradcheck moves the input a little, to test it: try a wrong one.
from micrograd import Value, gradcheck, scalar


def softplus(x):
    """A relu without the corner: log(1 + exp(x))."""
    a = x.data

    def backward(out):
        (x,) = out._prev
        x.grad += out.grad * scalar.sigmoid(a)

    y = scalar.relu(a) + scalar.log(1 + scalar.exp(-abs(a)))
    return Value(y, (x,), "softplus", backward)


x = Value(0.5)
softplus(x).backward()
print(f"the gradient is {x.grad:.4f}")
print("it is right:", gradcheck(softplus, [0.5]))
