# A second derivative

# The number in a Value may be a Value. Then its gradient is one,
# too, and has a gradient. Change x**3 to another function.
from micrograd import Value

x = Value(Value(3.0))
y = x**3
y.backward()
print("x**3     =", y.data.data)
print("3 * x**2 =", x.grad.data)

x.grad.backward()  # the derivative is an expression, too
print("6 * x    =", x.data.grad)
