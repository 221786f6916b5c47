# An expression

from micrograd import Value
from micrograd.viz import draw_dot

a, b = Value(-4.0, label="a"), Value(2.0, label="b")
c = a + b
d = a * b + b**3
c += c + 1
c += 1 + c + (-a)
d += d * 2 + (b + a).relu()
d += 3 * d + (b - a).relu()
e = c - d
f = e**2
g = f / 2.0
g += 10.0 / f
g.backward()

print(f"{g.data:.4f}")
print(f"{a.grad:.4f}, {b.grad:.4f}")

draw_dot(g)
