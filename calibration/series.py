"""Default rates over time: from a file of their own, or from the years of a history."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.history import History
from montecarlo.errors import InvalidPortfolio

ALL = ""
"""Stands for all segments, in a series that names none."""

MOST_ROWS = 100_000


@dataclass(frozen=True)
class Series:
    """The default rates of a segment's periods, in their order. loans: how many each is of, where that is known."""

    rates: list[float]
    loans: list[int] | None


def read(path: Path, segments: Sequence[str]) -> dict[str, Series]:
    """The series of each segment, or of ALL, in a CSV file with the columns Period, DefaultRate or Loans and Defaults,
    and if wanted Segment. Raises InvalidPortfolio that names the row.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            names = list(rows.fieldnames or [])
            counted = {"Loans", "Defaults"} <= set(names)
            if "Period" not in names or not (counted or "DefaultRate" in names):
                raise InvalidPortfolio(
                    f"{path} must have the columns Period and DefaultRate, or Period, Loans and Defaults, parted by "
                    "commas, and may have Segment."
                )
            known = {name.lower(): name for name in segments}
            found: dict[str, list[tuple[float, int | None]]] = {}
            seen: set[tuple[str, str]] = set()
            for number, row in enumerate(rows, start=1):
                where = f"{path} row {number}"
                if number > MOST_ROWS:
                    raise InvalidPortfolio(
                        f"{path} has more than {MOST_ROWS:,} rows: a series has one for each period."
                    )
                if None in row or None in row.values():
                    raise InvalidPortfolio(f"{where} has not as many cells as the header.")
                segment = ALL
                if "Segment" in names:
                    segment = known.get(row["Segment"].strip().lower(), "")
                    if not segment:
                        raise InvalidPortfolio(f"{where}: Segment is none of {', '.join(segments)}.")
                period = row["Period"].strip()
                if not period or (segment, period) in seen:
                    raise InvalidPortfolio(f"{where}: Period is {'there twice' if period else 'missing'}.")
                seen.add((segment, period))
                found.setdefault(segment, []).append(_counted(row, where) if counted else _rate(row, where))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidPortfolio(f"the series {path} cannot be read: {type(error).__name__}.") from None
    if not found:
        raise InvalidPortfolio(f"{path} has no rows.")
    return {
        segment: Series([rate for rate, _ in of], [int(n or 0) for _, n in of] if counted else None)
        for segment, of in found.items()
    }


def _counted(row: Mapping[str, str], where: str) -> tuple[float, int]:
    loans, defaults = (_number(row[name], f"{where}: {name}") for name in ("Loans", "Defaults"))
    if loans != int(loans) or defaults != int(defaults) or not 0 <= defaults <= loans or loans < 1:
        raise InvalidPortfolio(f"{where}: Loans and Defaults must be whole numbers, 0 to Loans of them defaults.")
    return defaults / loans, int(loans)


def _rate(row: Mapping[str, str], where: str) -> tuple[float, None]:
    rate = _number(row["DefaultRate"], f"{where}: DefaultRate")
    if not 0 <= rate <= 1:
        raise InvalidPortfolio(f"{where}: DefaultRate must lie between 0 and 1: a share, 0.02 for 2 %.")
    return rate, None


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidPortfolio(f"{where} is not a finite number.")
    return value


def of_history(history: History, segments: Sequence[str]) -> dict[str, Series]:
    """The default rates of the calendar years of each segment; none where the history has no dates."""
    if history.day is None:
        return {}
    years = history.day.astype("datetime64[Y]").astype(np.int64)
    found = {}
    for place in np.unique(history.loans.segment).tolist():
        of = history.loans.segment == place
        distinct, inverse = np.unique(years[of], return_inverse=True)
        loans = np.bincount(inverse, minlength=len(distinct))
        defaults = np.bincount(inverse, history.defaulted[of], minlength=len(distinct))
        found[segments[place]] = Series((defaults / loans).tolist(), loans.tolist())
    return found
