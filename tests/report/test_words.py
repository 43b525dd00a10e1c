"""How amounts are written."""

import pytest

from montecarlo.report.words import Currency


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0.00"),
        (0.05, "$0.05"),
        (999.5, "$999.50"),
        (999.999, "$1.00K"),
        (12_345_678, "$12.3M"),
        (999_600_000, "$1.00B"),
        (1.5e15, "$1,500T"),
        (-2_500, "−$2.50K"),
    ],
)
def test_money(amount: float, text: str) -> None:
    assert Currency("USD").money(amount) == text
