# An expression

# g is computed from a and b. backward() tells how fast it changes
# with each: dg/da and dg/db. Change a number, and they change.
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

print(f"g = {g.data:.4f}")
print(f"dg/da = {a.grad:.4f}, dg/db = {b.grad:.4f}")

draw_dot(g)
