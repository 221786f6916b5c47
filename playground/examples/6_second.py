# A second derivative

from micrograd import Value

x = Value(Value(3.0))  # a Value whose number is a Value
y = x**3
y.backward()
print("x**3     =", y.data.data)
print("3 * x**2 =", x.grad.data)

x.grad.backward()  # the derivative is an expression, too
print("6 * x    =", x.data.grad)
