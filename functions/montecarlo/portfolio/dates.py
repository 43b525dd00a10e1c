"""Dates as portfolios write them, and the months between them.

Imports numpy only.
"""

import re
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?", re.ASCII)
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)


def parse_date(text: str, format: str | None) -> date | None:
    """The date that a text stands for: in strptime's format, or else YYYY-MM-DD or MM/DD/YYYY. None if it is none."""
    try:
        if format:
            return datetime.strptime(text, format).date()
        if match := _ISO_DATE.fullmatch(text):
            year, month, day = match.groups()
        elif match := _US_DATE.fullmatch(text):
            month, day, year = match.groups()
        else:
            return None
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def is_format(format: str) -> bool:
    """Whether dates in this format can be read, and tell their year and month."""
    try:
        read = [
            (date_, datetime.strptime(date_.strftime(format), format))
            for date_ in (date(2014, 11, 23), date(2003, 4, 5))
        ]
    except (ValueError, re.error):  # unknown directives, and those that come twice
        return False
    return all((there.year, there.month) == (back.year, back.month) for there, back in read)


def whole_months(start: NDArray[np.datetime64], end: NDArray[np.datetime64] | np.datetime64) -> Ints:
    """Whole months from start to end: a month is over when its day of the month comes round again."""
    start_month, end_month = start.astype("datetime64[M]"), end.astype("datetime64[M]")
    unfinished = (end - end_month) < (start - start_month)
    return np.asarray((end_month - start_month).astype(np.int64) - unfinished, np.int64)
