"""What a portfolio holds, read as a run reads it and before anything is simulated.

A run takes whatever numbers it is given: rates as fractions where percent are expected give a portfolio of cheap loans,
and half of its risk. So ranges and quantiles are shown, and what is implausible is said.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from montecarlo.model.cases import Case
from montecarlo.model.credit import loan_risks
from montecarlo.model.parameters import Parameters
from montecarlo.model.tables import model_tables
from montecarlo.portfolio.amortisation import annuity
from montecarlo.portfolio.loans import Loans, validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.regions import UNKNOWN_REGION
from montecarlo.portfolio.rejects import Reject
from montecarlo.source.cutting import slices
from montecarlo.source.objects import InputObject
from montecarlo.source.reading import read_slice
from montecarlo.storage.store import Store

CHUNK = 50_000
SAMPLE = 1_000_000
"""Loans that quantiles are taken of; of a larger portfolio every second, fourth, ... loan, by its key."""
EXAMPLES = 5
TOP = 10

QUANTILES = (0.0, 0.01, 0.5, 0.99, 1.0)

COLUMNS = ("Rate", "Payment", "LoanAmount", "LoanTerm", "Age", "Balance", "GrossIncome", "PD", "LGD", "EAD")
"""As the report of a portfolio names them; Age is of the loan, in months at the reporting date."""

Floats = NDArray[np.float64]


@dataclass
class SegmentTotals:
    """Sums over a segment's loans; means are weighted by exposure."""

    loans: int = 0
    exposure: float = 0.0
    pd_times_exposure: float = 0.0
    lgd_times_exposure: float = 0.0

    @property
    def pd(self) -> float:
        """The mean probability of default in the base case."""
        return self.pd_times_exposure / self.exposure if self.exposure else 0.0

    @property
    def lgd(self) -> float:
        """The mean loss given default."""
        return self.lgd_times_exposure / self.exposure if self.exposure else 0.0


@dataclass
class InputProfile:
    """What a portfolio holds. Amounts are in the portfolio's currency, rates in % a year, ages and terms in months."""

    as_of: date
    loans: int = 0
    files: int = 0
    sampled_one_in: int = 1
    values: dict[str, Floats] = field(default_factory=dict)
    """By column, those of the sampled loans that have one."""
    missing: Counter[str] = field(default_factory=Counter)
    segments: dict[str, SegmentTotals] = field(default_factory=dict)
    unknown_regions: int = 0
    floating: int = 0
    past_term: int = 0
    own_pd: int = 0
    payment_to_annuity: Floats = field(default_factory=lambda: np.empty(0))
    payment_to_income: Floats = field(default_factory=lambda: np.empty(0))
    top: list[tuple[float, str]] = field(default_factory=list)
    """Exposure and AccountID of the largest loans, largest first."""
    rejected: dict[str, Counter[str]] = field(default_factory=dict)
    """By reason, how often each offending value came."""
    places: dict[str, list[str]] = field(default_factory=dict)
    """By reason, the first places: file and row."""

    @property
    def rejects(self) -> int:
        """Rows that cannot be simulated."""
        return sum(counter.total() for counter in self.rejected.values())

    @property
    def exposure(self) -> float:
        """Of all loans."""
        return sum(segment.exposure for segment in self.segments.values())

    def median(self, column: str) -> float:
        """Of the loans that have a value; NaN where none has."""
        return median(self.values.get(column, np.empty(0)))


def median(values: Floats) -> float:
    """NaN where there are none."""
    return float(np.median(values)) if values.size else float("nan")


def of_portfolio(
    store: Store,
    objects: Iterable[InputObject],
    mapping: ColumnMapping,
    parameters: Parameters,
    as_of: date,
    most_chunks: int | None = None,
) -> InputProfile:
    """Read the portfolio, or its first chunks only, and profile it. Raises InvalidPortfolio where it cannot be read."""
    profile = InputProfile(as_of)
    sample = _Sample()
    base = Case("base", parameters.base_fed_rate, {})
    tables = model_tables(parameters, [base])
    names = list(parameters.segments)

    def counted() -> Iterator[InputObject]:
        for item in objects:
            profile.files += 1
            yield item

    for piece in islice(slices(counted(), store, CHUNK, mapping.dialect), most_chunks):
        rows = read_slice(piece, store, mapping)
        loans, rejects = validate(rows, mapping, tuple(names), as_of, parameters.named_sectors)
        _count_rejects(profile, rejects)
        if not len(loans):
            continue
        risks = loan_risks(loans, parameters, [base], tables)
        exposure, pd, lgd = risks.exposure / 100, risks.pd[0] / 2.0**32, risks.lgd / 2.0**24
        sample.add(loans, _columns(loans))
        _count_loans(profile, loans, exposure, pd, lgd, names)
    profile.sampled_one_in = sample.one_in
    for name, values in sample.values().items():
        setattr(profile, name, values) if name in _RATIOS else profile.values.__setitem__(name, values)
    return profile


_RATIOS = ("payment_to_annuity", "payment_to_income")


def _columns(loans: Loans) -> dict[str, Floats]:
    """The numbers of each loan; NaN where it has none."""
    monthly = loans.rate / 1_200
    with np.errstate(divide="ignore", invalid="ignore"):
        agreed = loans.loan_amount * annuity(np.nan_to_num(monthly), np.maximum(loans.term, 1))
        to_annuity = np.where((loans.term > 0) & (agreed > 0), loans.payment / agreed, np.nan)
        to_income = np.where(loans.income > 0, 12 * loans.payment / loans.income, np.nan)
    return {
        "Rate": loans.rate,
        "Payment": loans.payment,
        "LoanAmount": loans.loan_amount,
        "LoanTerm": np.where(loans.term > 0, loans.term, np.nan).astype(np.float64),
        "Age": np.where(loans.term > 0, loans.age, np.nan).astype(np.float64),
        "Balance": loans.balance,
        "GrossIncome": loans.income,
        "PD": loans.pd,
        "LGD": loans.lgd,
        "EAD": loans.ead,
        "payment_to_annuity": to_annuity,
        "payment_to_income": to_income,
    }


class _Sample:
    """The values of at most so many loans, chosen by their keys and so by no order of files."""

    def __init__(self) -> None:
        self.one_in = 1
        self._keys: list[NDArray[np.uint64]] = []
        self._values: list[dict[str, Floats]] = []

    def add(self, loans: Loans, values: Mapping[str, Floats]) -> None:
        self._keys.append(loans.key)
        self._values.append(dict(values))
        self._thin(only_last=True)
        while sum(keys.size for keys in self._keys) > SAMPLE:
            self.one_in *= 2
            self._thin()

    def _thin(self, only_last: bool = False) -> None:
        for i in range(len(self._keys) - 1 if only_last else 0, len(self._keys)):
            kept = self._keys[i] % np.uint64(self.one_in) == 0
            if not kept.all():
                self._keys[i] = self._keys[i][kept]
                self._values[i] = {name: values[kept] for name, values in self._values[i].items()}

    def values(self) -> dict[str, Floats]:
        """By column, without what is missing."""
        if not self._values:
            return {}
        whole = {name: np.concatenate([part[name] for part in self._values]) for name in self._values[0]}
        return {name: values[~np.isnan(values)] for name, values in whole.items()}


def _count_loans(
    profile: InputProfile, loans: Loans, exposure: Floats, pd: Floats, lgd: Floats, names: Sequence[str]
) -> None:
    profile.loans += len(loans)
    profile.unknown_regions += int((loans.region == UNKNOWN_REGION).sum())
    profile.floating += int(loans.floating.sum())
    profile.own_pd += int((~np.isnan(loans.pd)).sum())
    profile.past_term += int(((loans.term > 0) & (loans.age > loans.term)).sum())
    for name, values in _columns(loans).items():
        if name in COLUMNS:
            profile.missing[name] += int(np.isnan(values).sum())
    for index in np.unique(loans.segment).tolist():
        chosen = loans.segment == index
        of = profile.segments.setdefault(names[index], SegmentTotals())
        of.loans += int(chosen.sum())
        of.exposure += float(exposure[chosen].sum())
        of.pd_times_exposure += float((pd * exposure)[chosen].sum())
        of.lgd_times_exposure += float((lgd * exposure)[chosen].sum())
    largest = np.argsort(exposure)[-TOP:]
    ids = loans.account_id.take(largest).to_pylist()
    profile.top = sorted([*profile.top, *zip(exposure[largest].tolist(), ids, strict=True)], reverse=True)[:TOP]


def _count_rejects(profile: InputProfile, rejects: Iterable[Reject]) -> None:
    for reject in rejects:
        profile.rejected.setdefault(reject.reason, Counter())[reject.value] += 1
        places = profile.places.setdefault(reject.reason, [])
        if len(places) < EXAMPLES:
            places.append(f"{reject.file}, row {reject.row:,}")
