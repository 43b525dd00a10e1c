"""Cells of any type become the portfolio's own, exactly."""

import re
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.portfolio.cells import numbers
from montecarlo.portfolio.dialect import DECIMALS, THOUSANDS, Dialect

DIALECTS = [Dialect(decimal=d, thousands=t) for d in DECIMALS for t in ("", *THOUSANDS) if d != t]


@given(st.lists(st.text(st.sampled_from("0123456789+-.eEnaifxX _,٣"), max_size=6), min_size=1, max_size=8))
def test_whether_a_number_is_valid_does_not_depend_on_its_neighbours(cells: list[str]) -> None:
    together = numbers(pa.array(cells))
    apart = np.array([numbers(pa.array([cell]))[0] for cell in cells])
    assert np.array_equal(together[np.isfinite(together)], apart[np.isfinite(apart)])
    assert np.array_equal(np.isfinite(together), np.isfinite(apart))


@given(st.floats(min_value=0, max_value=1e12))
def test_numbers_are_correctly_rounded(value: float) -> None:
    assert numbers(pa.array([repr(value), "bad"]))[0] == value
    assert numbers(pa.array([f"{value:.2f}"]))[0] == float(f"{value:.2f}")


@given(
    st.decimals(min_value=0, max_value=10**12, places=2) | st.integers(0, 10**15).map(Decimal),
    st.sampled_from(DIALECTS),
    st.sampled_from([("", ""), ("", "%"), ("", " months"), ("EUR ", ""), ("$", ""), ("", "\u00a0% P.A.")]),
)
def test_numbers_as_people_write_them_are_those_that_decimal_reads(
    value: Decimal, dialect: Dialect, around: tuple[str, str]
) -> None:
    to_dialect = str.maketrans({",": dialect.thousands, ".": dialect.decimal})
    before, after = around
    units = ("%", "months", "eur", "$", "% p.a.")
    for text in (f"{value:,}", f"{value}"):
        assert numbers(pa.array([before + text.translate(to_dialect) + after, "?"]), dialect, units)[0] == float(value)


def by_definition(text: str, dialect: Dialect) -> float:
    """What a number is, character by character and by Python's own Decimal: NaN where a text is none."""
    mantissa, e, exponent = text.partition("e" if "e" in text else "E")
    sign, mantissa = (mantissa[:1], mantissa[1:]) if mantissa[:1] in ("+", "-") else ("", mantissa)
    whole, _, fraction = mantissa.partition(dialect.decimal)
    groups = whole.split(dialect.thousands) if dialect.thousands else [whole]
    if len(groups) > 1 and (
        groups[0].startswith("0") or not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:])
    ):
        return float("nan")
    digits = "".join(groups)
    parts = [
        digits,
        fraction,
        exponent.removeprefix("-").removeprefix("+") if exponent[:2] not in ("+-", "-+") else "x",
    ]
    if (
        any(part and not re.fullmatch("[0-9]+", part) for part in parts)
        or not digits + fraction
        or (e and not parts[2])
    ):
        return float("nan")
    return float(Decimal(f"{sign}{digits or 0}.{fraction or 0}e{exponent or 0}"))


@given(st.lists(st.text(st.sampled_from("0123456789+-.,eE' _x"), max_size=9), min_size=1), st.sampled_from(DIALECTS))
def test_a_text_is_a_number_in_its_dialect_or_none(cells: list[str], dialect: Dialect) -> None:
    found = numbers(pa.array(cells), dialect, units=("%",))
    expected = np.array([by_definition(cell, dialect) for cell in cells])
    assert np.array_equal(found[np.isfinite(found)], expected[np.isfinite(expected)])
    assert np.array_equal(np.isfinite(found), np.isfinite(expected))


@pytest.mark.parametrize(
    ("text", "value"),
    [("12.50-", -12.5), ("1,234.5 -", -1234.5), ("-3", -3), ("4", 4), ("3.-", -3), ("7 EUR", 7), ("1,234- EUR", -1234)],
)
def test_a_minus_may_stand_behind(text: str, value: float) -> None:
    assert numbers(pa.array([text]), Dialect(thousands=",", minus="behind"), ("EUR",))[0] == value
    assert ("-" in text[1:]) == bool(np.isnan(numbers(pa.array([text]), Dialect(thousands=","), ("EUR",))[0]))


@pytest.mark.parametrize("text", ["-", "--", "-3-", "+3-", "3--", "2020-01-", "a-", "1-2"])
def test_not_everything_with_a_minus_is_a_number(text: str) -> None:
    assert np.isnan(numbers(pa.array([text]), Dialect(minus="behind"))[0])


@pytest.mark.parametrize("text", ["1.5", "1.50", "12.34", "1.2345", "1,234.5", "1..234", ".234", "0.123"])
def test_a_point_that_parts_no_thousands_is_not_passed_over(text: str) -> None:
    assert np.isnan(numbers(pa.array([text]), Dialect(decimal=",", thousands="."))[0])
