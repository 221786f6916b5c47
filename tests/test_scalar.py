"""Arithmetic on one number, where Python's own floats would raise."""

import math
from fractions import Fraction

import pytest

from micrograd import scalar


class Log:
    """A number kind that only writes down what is asked of it."""

    @staticmethod
    def where_le(*args):
        return ("where_le", args)

    def exp(self):
        return "exp asked"

    @staticmethod
    def maximum(*args):
        return NotImplemented


def test_number():
    kind = Log()
    assert scalar.number(kind) is kind
    assert scalar.number(Fraction(1, 4)) == 0.25


def test_another_kind_is_asked():
    kind = Log()
    assert scalar.exp(kind) == "exp asked"
    assert scalar.where_le(0.0, kind, 1.0, 2.0) == ("where_le", (0.0, kind, 1.0, 2.0))


def test_a_kind_may_leave_it_to_the_other():
    class Wider(Log):
        @staticmethod
        def maximum(*args):
            return "wider", args

    narrow, wide = Log(), Wider()
    assert scalar.maximum(narrow, wide) == ("wider", (narrow, wide))


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (scalar.divide(-1.0, 0.0), -math.inf),
        (scalar.divide(1.0, -0.0), -math.inf),
        (scalar.divide(0.0, 0.0), math.nan),
        (scalar.power(-2.0, 2001.0), -math.inf),
        (scalar.power(-2.0, 2000.0), math.inf),
        (scalar.power(-0.0, -3.0), -math.inf),
        (scalar.power(-0.0, -2.0), math.inf),
        (scalar.power(-8.0, 1 / 3), math.nan),
        (scalar.power(-math.inf, 0.5), math.inf),
        (scalar.constant_power(-math.inf, 0.5), math.nan),
        (scalar.constant_power(4.0, -0.5), 0.5),
        (scalar.exp(710.0), math.inf),
        (scalar.log(0.0), -math.inf),
        (scalar.log(-1.0), math.nan),
        (scalar.sqrt(-1.0), math.nan),
        (scalar.sin(math.inf), math.nan),
        (scalar.cos(-math.inf), math.nan),
        (scalar.sigmoid(-1e308), 0.0),
        (scalar.relu(math.nan), math.nan),
        (scalar.maximum(1.0, math.nan), math.nan),
        (scalar.minimum(math.nan, 1.0), math.nan),
        (scalar.sign(math.nan), 0.0),
        (scalar.sign(-3.0), -1.0),
        (scalar.where_le(math.nan, 0.0, 1.0, 2.0), 2.0),
        (scalar.where_zero(-0.0, 1.0, 2.0), 1.0),
        (scalar.where_zero(math.nan, 1.0, 2.0), 2.0),
    ],
)
def test_special_values(got, want):
    assert got == want or (math.isnan(got) and math.isnan(want))
