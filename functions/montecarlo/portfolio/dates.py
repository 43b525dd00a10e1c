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
    """The date that a text says in `format` or, without one, in ISO or MM/DD/YYYY; None where it says none."""
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


def whole_months(start: NDArray[np.datetime64], end: NDArray[np.datetime64] | np.datetime64) -> Ints:
    """Whole months from start to end: a month is over when its day of the month comes round again."""
    start_month, end_month = start.astype("datetime64[M]"), end.astype("datetime64[M]")
    unfinished = (end - end_month) < (start - start_month)
    return np.asarray((end_month - start_month).astype(np.int64) - unfinished, np.int64)
