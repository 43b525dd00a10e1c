"""What a portfolio's loans are like, before anything is simulated: ranges and quantiles by column, risk by segment.

A run takes whatever numbers it is given: rates as fractions where percent are expected give a portfolio of cheap loans,
and half of its risk. So this is shown, and what is hardly meant is said (`plausibility`).

Profiles are added in any order with the same result, in memory that the number of loans does not matter to: sums are
integers, and quantiles come from counts of rounded numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from montecarlo.model import sums
from montecarlo.model.credit import LoanRisks, in_case
from montecarlo.portfolio.amortisation import AMORTISATIONS, annuity
from montecarlo.portfolio.loans import Loans
from montecarlo.portfolio.regions import UNKNOWN_REGION

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOP = 10
RATIOS = ("PaymentToAnnuity", "PaymentToIncome")
COLUMNS = ("Rate", "Payment", "LoanAmount", "LoanTerm", "Age", "Balance", "GrossIncome", "PD", "LGD", "EAD", *RATIOS)
"""Age is the loan's, in months at the reporting date. The ratios are of the Payment, to what LoanAmount, Rate and
LoanTerm would give, or what a loan that repays otherwise is to pay next, and to a month's GrossIncome."""

OPTIONAL = ("Balloon", "Limit", "Utilisation", "CollateralValue", "LTV")
"""Columns of which a profile says nothing where no loan has them. Utilisation is the Balance by the Limit, LTV
what is owed by the CollateralValue."""

QUANTILES = {"q01": 1, "median": 50, "q99": 99}
"""In percent, by their names in result.json."""

_DROPPED = np.uint64(52 - 8)
"""Bits of a number that a rounded one lacks: it keeps nine binary digits, and lies at most 0.4 % below."""

_SPLIT = np.int64((1 << 31) - 1)


PD_BANDS = (0.0, 0.0015, 0.0025, 0.005, 0.0075, 0.025, 0.1, 1.0)
"""Where bands of PD begin, the last one loans in default: those of Basel's disclosure template CR6 (DIS40)."""

_BANDS = np.array([round(each * 2**32) for each in PD_BANDS], np.int64)

_SUMS = ("segment_loans", "exposure", "pd", "lgd")
_BAND_SUMS = ("band_loans", "band_exposure", "band_pd")


@dataclass
class Numbers:
    """Numbers of one column: how often each occurs, rounded down. rounded: uint64 (n,), ascending, each once."""

    rounded: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    count: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    least: float = np.inf
    most: float = -np.inf

    @classmethod
    def of(cls, values: Floats) -> Self:
        """Of numbers that are not negative; NaN is none."""
        values = values[~np.isnan(values)] + 0.0
        if not values.size:
            return cls()
        rounded = (values.view(np.uint64) >> _DROPPED).view(np.int64)  # below 2**19, so that counting needs no sorting
        first = rounded.min()
        count = np.bincount(rounded - first).astype(np.int64)
        there = np.flatnonzero(count)
        return cls((there + first).astype(np.uint64), count[there], float(values.min()), float(values.max()))

    def add(self, other: Self) -> None:
        """Take in the numbers of another."""
        rounded, place = np.unique(np.concatenate([self.rounded, other.rounded]), return_inverse=True)
        count = np.zeros(rounded.size, np.int64)
        np.add.at(count, place, np.concatenate([self.count, other.count]))
        self.rounded, self.count = rounded, count
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)

    @property
    def given(self) -> int:
        """How many numbers there are."""
        return int(self.count.sum())

    def quantile(self, percent: int) -> float:
        """The smallest number that so many percent do not exceed, rounded; NaN of none."""
        if not self.given:
            return float("nan")
        place = np.searchsorted(np.cumsum(self.count) * 100, max(self.given * percent, 1))
        return max(float((self.rounded[place : place + 1] << _DROPPED).view(np.float64)[0]), self.least)


@dataclass
class InputProfile:
    """What loans are like. Of S segments: loans (S,), exposure (S, 2) in cents, PD and LGD weighted with it (S, 4)."""

    segment_loans: Ints
    exposure: Ints
    pd: Ints
    lgd: Ints
    numbers: dict[str, Numbers]
    counts: dict[str, int]
    """Loans with a floating rate, that bring their PD, that are older than their term, of an unknown region; and those
    of COUNTED_IF_ANY."""
    largest: list[tuple[int, str]]
    """Exposure in cents and AccountID of the largest loans, largest first."""
    sectors: frozenset[int] = frozenset()
    """The sectors that loans name themselves, by their indices."""
    band_loans: Ints = field(default_factory=lambda: np.zeros(len(PD_BANDS), np.int64))
    band_exposure: Ints = field(default_factory=lambda: np.zeros((len(PD_BANDS), 2), np.int64))
    band_pd: Ints = field(default_factory=lambda: np.zeros((len(PD_BANDS), 4), np.int64))
    """Of the bands of PD: loans (B,), exposure (B, 2) in cents, PD weighted with it (B, 4)."""

    @classmethod
    def empty(cls, segments: int) -> Self:
        """Of no loan."""
        numbers = {name: Numbers() for name in (*COLUMNS, *OPTIONAL)}
        exposure, pd, lgd = (np.zeros((segments, width), np.int64) for width in (2, 4, 4))
        none = np.zeros(segments, np.int64)
        return cls(none, exposure, pd, lgd, numbers=numbers, counts=dict.fromkeys(_COUNTED, 0), largest=[])

    @classmethod
    def of(cls, loans: Loans, risks: LoanRisks, segments: int) -> Self:
        """Of loans and their risks, of which the first case counts."""
        part = loans.segment
        pd = np.where(risks.certain, np.int64(1 << 32), risks.pd[0].astype(np.int64))
        band, bands = np.searchsorted(_BANDS, pd, side="right") - 1, len(PD_BANDS)
        counted = (loans.floating, ~np.isnan(loans.pd), (loans.term > 0) & (loans.age > loans.term),
                   loans.region == UNKNOWN_REGION)  # fmt: skip
        return cls(
            segment_loans=np.bincount(part, minlength=segments).astype(np.int64),
            exposure=sums.total(risks.exposure, part, segments),
            pd=_weighted(pd, risks.exposure, part, segments),
            lgd=_weighted(in_case(risks.lgd, 0).astype(np.int64), risks.exposure, part, segments),
            numbers={name: Numbers.of(values) for name, values in _columns(loans)},
            counts={name: int(chosen.sum()) for name, chosen in zip(_COUNTED, counted, strict=True)}
            | _if_any(loans, risks),
            largest=_largest(loans, risks.exposure),
            sectors=frozenset(np.unique(loans.sector[loans.sector >= 0]).tolist()),
            band_loans=np.bincount(band, minlength=bands).astype(np.int64),
            band_exposure=sums.total(risks.exposure, band, bands),
            band_pd=_weighted(pd, risks.exposure, band, bands),
        )

    def add(self, other: Self) -> None:
        """Take in the profile of other loans."""
        for name in (*_SUMS, *_BAND_SUMS):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, numbers in self.numbers.items():
            numbers.add(other.numbers[name])
        names = [name for name in (*_COUNTED, *COUNTED_IF_ANY) if name in self.counts or name in other.counts]
        self.counts = {name: self.counts.get(name, 0) + other.counts.get(name, 0) for name in names}
        self.largest = sorted([*self.largest, *other.largest], key=_by_size)[:TOP]
        self.sectors |= other.sectors

    @property
    def loans(self) -> int:
        """How many there are."""
        return int(self.segment_loans.sum())

    def to_json(self, segments: Sequence[str]) -> dict[str, Any]:
        """As result.json has it: amounts in currency units, rates in % a year, ages and terms in months."""
        exposure = sums.exact(self.exposure)
        whole = int(exposure.sum())
        pd, lgd = (_mean(getattr(self, name), exposure, bits) for name, bits in (("pd", 32), ("lgd", 24)))
        return {
            "loans": self.loans,
            **self.counts,
            "columns": {
                name: {
                    "given": numbers.given,
                    "missing": self.loans - numbers.given,
                    "least": numbers.least,
                    **{key: numbers.quantile(percent) for key, percent in QUANTILES.items()},
                    "most": numbers.most,
                }
                for name, numbers in self.numbers.items()
                if numbers.given
            },
            "segments": {
                name: {
                    "loans": int(self.segment_loans[i]),
                    "exposure": int(exposure[i]) / 100,
                    "pd": pd[i],
                    "lgd": lgd[i],
                }
                for i, name in enumerate(segments)
                if self.segment_loans[i]
            },
            "pd_bands": self._bands(),
            "largest": [
                {"loan": name, "exposure": cents / 100, "share": cents / whole if whole else 0.0}
                for cents, name in self.largest
            ],
        }

    def _bands(self) -> list[dict[str, Any]]:
        """The bands of PD that hold a loan."""
        exposure = sums.exact(self.band_exposure)
        return [
            {"from": PD_BANDS[i], "loans": int(loans), "exposure": int(exposure[i]) / 100, "pd": pd}
            for i, (loans, pd) in enumerate(zip(self.band_loans, _mean(self.band_pd, exposure, 32), strict=True))
            if loans
        ]

    def meta(self) -> dict[str, Any]:
        """What a partial's JSON has of the profile; `arrays` has the rest."""
        ends = {name: [numbers.least, numbers.most] for name, numbers in self.numbers.items() if numbers.given}
        sectors = {"sectors": sorted(self.sectors)} if self.sectors else {}
        return {"counts": self.counts, "largest": self.largest, "ends": ends, **sectors}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a partial's arrays have of the profile."""
        sums_ = {f"profile.{name}": getattr(self, name) for name in (*_SUMS, *_BAND_SUMS)}
        for name, numbers in self.numbers.items():
            if name in OPTIONAL and not numbers.given:
                continue
            sums_[f"rounded.{name}"], sums_[f"count.{name}"] = numbers.rounded, numbers.count
        return sums_

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Reverse of `meta` and `arrays`."""
        numbers = {
            name: Numbers(arrays[f"rounded.{name}"], arrays[f"count.{name}"], *meta["ends"].get(name, ()))
            if f"rounded.{name}" in arrays
            else Numbers()
            for name in (*COLUMNS, *OPTIONAL)
        }
        return cls(
            **{name: arrays[f"profile.{name}"] for name in _SUMS},
            # Partials of earlier versions, which a run may take over, have no bands.
            **{name: arrays[f"profile.{name}"] for name in _BAND_SUMS if f"profile.{name}" in arrays},
            numbers=numbers,
            counts=dict(meta["counts"]),
            largest=[(cents, name) for cents, name in meta["largest"]],
            sectors=frozenset(meta.get("sectors", ())),
        )


def _largest(loans: Loans, exposure: Ints) -> list[tuple[int, str]]:
    """The loans that owe most, and of equal ones the first by name."""
    if len(loans) > TOP:
        candidates = np.flatnonzero(exposure >= np.partition(exposure, -TOP)[-TOP])
    else:
        candidates = np.arange(len(loans))
    named = zip(exposure[candidates].tolist(), loans.account_id.take(candidates).to_pylist(), strict=True)
    return sorted(named, key=_by_size)[:TOP]


def _by_size(loan: tuple[int, str]) -> tuple[int, str]:
    return -loan[0], loan[1]


_COUNTED = ("floating_rate", "own_pd", "past_term", "unknown_region")


COUNTED_IF_ANY = {
    "linear": "repay in equal parts",
    "bullet": "repay all at the end",
    "not_monthly": "pay other than each month",
    "interest_only": "pay interest alone for a time",
    "balloon": "have a balloon",
    "lines": "have a Limit",
    "above_limit": "owe more than it",
    "secured": "have collateral",
    "own_lgd": "bring an LGD, which counts in place of it",
    "stage_2": "are in stage 2",
    "stage_3": "are in stage 3 with a PD below 1",
    "graded": "have a Grade",
    "pd_by_grade": "have its PD, as they bring none",
}
"""What is counted of loans only where there are some, in words."""


def _if_any(loans: Loans, risks: LoanRisks) -> dict[str, int]:
    """How many loans are of each of COUNTED_IF_ANY; of each kind only where there are some."""
    secured = ~np.isnan(loans.collateral)
    chosen = (
        loans.amortisation == AMORTISATIONS.index("linear"),
        loans.amortisation == AMORTISATIONS.index("bullet"),
        loans.period != 1,
        loans.interest_only > 0,
        loans.balloon > 0,
        ~np.isnan(loans.limit),
        loans.balance > loans.limit,
        secured,
        secured & ~np.isnan(loans.lgd),
        loans.stage == 2,
        (loans.stage == 3) & ~risks.certain,
        loans.grade >= 0,
        (loans.grade >= 0) & np.isnan(loans.pd),
    )
    return {name: int(rows.sum()) for name, rows in zip(COUNTED_IF_ANY, chosen, strict=True) if rows.any()}


def _weighted(values: Ints, exposure: Ints, part: NDArray[np.integer], parts: int) -> Ints:
    """The sum of values times exposures by part, (parts, 4): of the exposures' lower 31 bits, then of the upper ones.

    values: at most 2**32. exposure: in cents, below 2**62, so that no product reaches 2**63.
    """
    low, high = exposure & _SPLIT, exposure >> np.int64(31)
    return np.concatenate([sums.total(values * each, part, parts) for each in (low, high)], axis=1)


def _mean(words: Ints, exposure: NDArray[np.object_], bits: int) -> list[float]:
    """Means by part of values that are fractions of 2**bits, weighted with the exposure (parts,); 0 without any."""
    whole = sums.exact(words[:, :2]) + sums.exact(words[:, 2:]) * (1 << 31)
    return [
        int(value) / (int(weight) << bits) if weight else 0.0 for value, weight in zip(whole, exposure, strict=True)
    ]


def _columns(loans: Loans) -> Iterator[tuple[str, Floats]]:
    """The numbers of each loan by column; NaN where it has none."""
    known = loans.term > 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        agreed = loans.loan_amount * annuity(np.nan_to_num(loans.rate / 1_200), np.maximum(loans.term, 1))
        rows = loans.scheduled
        if rows.size:
            agreed[rows] = loans.next_payment(rows)
        to_annuity = np.where(known & (agreed > 0), loans.payment / agreed, np.nan)
        utilisation = np.where(loans.limit > 0, loans.balance / loans.limit, np.nan)
        to_income = np.where(loans.income > 0, 12 * loans.payment / loans.income, np.nan)
    yield from {
        "Rate": loans.rate,
        "Payment": loans.payment,
        "LoanAmount": loans.loan_amount,
        "LoanTerm": np.where(known, loans.term, np.nan).astype(np.float64),
        "Age": np.where(known, loans.age, np.nan).astype(np.float64),
        "Balance": loans.balance,
        "GrossIncome": loans.income,
        "PD": loans.pd,
        "LGD": loans.lgd,
        "EAD": loans.ead,
        "Balloon": loans.balloon,
        "Limit": loans.limit,
        "Utilisation": utilisation,
        "CollateralValue": loans.collateral,
        "LTV": np.where(loans.collateral > 0, loans.loan_to_value, np.nan),
        "PaymentToAnnuity": to_annuity,
        "PaymentToIncome": to_income,
    }.items()
