# An operation of your own

from micrograd import Value, gradcheck, scalar


def softplus(x):
    """A relu without the corner: log(1 + exp(x))."""
    a = x.data

    def backward(out):
        (x,) = out._prev
        x.grad += out.grad * scalar.sigmoid(a)

    return Value(scalar.relu(a) + scalar.log(1 + scalar.exp(-abs(a))), (x,), "softplus", backward)


x = Value(0.5)
softplus(x).backward()
print(f"{x.grad:.4f}")
gradcheck(softplus, [0.5])
