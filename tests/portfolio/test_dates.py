"""Dates and the months between them."""

from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.portfolio.dates import LANGUAGES, is_format, parse_date, whole_months


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


DAYS = st.dates(date(1950, 1, 1), date(2099, 12, 31))


@given(DAYS, st.sampled_from(["%d-%b-%Y", "%d %B %Y", "%b-%Y", "%B %d, %Y", "%d%b%Y", "%d. %b %y", "%Y/%b"]))
def test_english_months_are_read_as_datetime_reads_them(day: date, format: str) -> None:
    text = day.strftime(format)
    assert is_format(format, "en")
    assert parse_date(text, format, "en") == parse_date(text, format) == datetime.strptime(text, format).date()
    assert parse_date(text.upper(), format, "en") == parse_date(text, format)


@given(DAYS, st.sampled_from(sorted(LANGUAGES)), st.integers(3, 12), st.booleans())
def test_months_are_read_in_every_language_in_full_or_shortened(
    day: date, language: str, letters: int, dot: bool
) -> None:
    for name in LANGUAGES[language][day.month - 1]:
        short = name[:letters]
        fitting = {m for m, names in enumerate(LANGUAGES[language]) for each in names if each.startswith(short)}
        text = f"{day.day}-{short.title()}{'.' if dot else ''}-{day.year}"
        assert parse_date(text, "%d-%b-%Y", language) == (day if len(fitting) == 1 or short == name else None)


@pytest.mark.parametrize(
    ("text", "language", "month"),
    [
        ("31-Dez-2025", "de", 12), ("31-M\u00e4r-2025", "de", 3), ("31-Mrz.-2025", "de", 3),
        ("1-J\u00e4nner-2025", "de", 1),
        ("1-ao\u00fbt-2025", "fr", 8), ("1-F\u00c9VR.-2025", "fr", 2), ("1-ene-2025", "es", 1), ("1-mrt-2025", "nl", 3),
        ("1-pa\u017adziernika-2025", "pl", 10), ("1-gen-2025", "it", 1), ("1-out-2025", "pt", 10),
        ("1-Dec-2025", "de", None), ("1-jui-2025", "fr", None), ("1-12-2025", "de", 12), ("31-Feb-2025", "de", None),
    ],
)  # fmt: skip
def test_months_as_lenders_write_them(text: str, language: str, month: int | None) -> None:
    read = parse_date(text, "%d-%b-%Y", language)
    assert (read and read.month) == month


def test_every_language_has_twelve_months_that_three_letters_or_the_name_tell_apart() -> None:
    for language, months in LANGUAGES.items():
        assert len(months) == 12, language
        names = [name for month in months for name in month]
        assert len(set(names)) == len(names), language
