"""Dates and the months between them."""

import numpy as np
import pytest

from montecarlo.portfolio.dates import whole_months


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        ("2025-01-31", "2025-02-28", 0), ("2025-01-15", "2025-02-14", 0), ("2025-01-15", "2025-02-15", 1),
        ("2024-12-31", "2025-12-31", 12), ("2000-01-01", "2000-01-01", 0),
    ],
)  # fmt: skip
def test_whole_months(start: str, end: str, months: int) -> None:
    days = np.array([start], "datetime64[D]")
    assert whole_months(days, np.datetime64(end, "D")).tolist() == [months]
