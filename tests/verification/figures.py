"""A figure of the engine beside what it must be. Checks return figures; tests assert them, `benchmarks/verify.py`
prints them, `docs/verification.md` quotes them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

STANDARD_ERRORS = 4
"""Bounds on simulated figures, in standard errors: a correct engine leaves them at 1 in 16,000 figures."""

LEAST_P_VALUE = 1e-4
"""Of a goodness-of-fit test: a correct engine falls below it at 1 in 10,000 tests."""


@dataclass(frozen=True)
class Figure:
    """`value` must lie from `low` to `high`; `expected` is the exact value, where one number is expected."""

    name: str
    value: float
    low: float
    high: float
    expected: float | None = None

    @property
    def holds(self) -> bool:
        return self.low <= self.value <= self.high

    def cells(self) -> tuple[str, str, str, str]:
        """Name, value, expected value and bound, as a table shows them."""
        if self.expected is None:
            bounds = [f"{sign} {_number(x)}" for sign, x in (("≥", self.low), ("≤", self.high)) if math.isfinite(x)]
            return self.name, _number(self.value), "", ", ".join(bounds)
        return self.name, _number(self.value), _number(self.expected), f"± {self.high - self.expected:.2g}"


Check = Callable[[], Sequence[Figure]]
"""Its docstring says what is checked, and against what."""


def near(name: str, value: float, expected: float, bound: float) -> Figure:
    """`value` may differ from `expected` by `bound`."""
    return Figure(name, float(value), float(expected - bound), float(expected + bound), float(expected))


def simulated(name: str, value: float, expected: float, standard_error: float, bias: float = 0.0) -> Figure:
    """An estimate may differ by four standard errors, and by `bias` where the expected value is a limit."""
    return near(name, value, expected, STANDARD_ERRORS * standard_error + bias)


def p_value(name: str, p: float) -> Figure:
    """The p-value of a test that a correct engine passes."""
    return Figure(f"{name}: p-value", float(p), LEAST_P_VALUE, math.inf)


def at_most(name: str, value: float, bound: float) -> Figure:
    """`value` must not exceed `bound`."""
    return Figure(name, float(value), -math.inf, float(bound))


def within(name: str, value: float, low: float, high: float) -> Figure:
    """`value` must lie from `low` to `high`."""
    return Figure(name, float(value), float(low), float(high))


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 10_000 else f"{value:.5g}"
