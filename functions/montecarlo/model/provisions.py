"""Expected credit losses for the accounts: over twelve months (IFRS 9 stage 1) and over the lifetime (stage 2; CECL).

Year by year, a loan that is alive defaults with its one-year PD, at the middle of the year, on the balance B that its
level payments leave by then; what is lost is discounted to today at the loan's own rate:

    ECL = sum over years y of  EL * (1 - PD)**y * B(m) / (1 + r)**m,    m = 12 * y + 6 months, r = Rate / 1200
    B(m) = ((1 + r)**n - (1 + r)**m) / ((1 + r)**n - 1),   n months remaining, or 1 - m / n at r = 0

EL is the year's expected loss on today's exposure, PD * E[LGD given default] * exposure, which the simulated losses are
held against: ECL differs from it by timing and discounting only. A last year of k < 12 months counts with EL * k / 12,
at its own middle. A loan without payments to come is provided for over one year, on all that is owed: its term is over,
or none is known, and then `valuation` tells no lifetime. A loan in default (PD 1) is provided for in full (stage 3).

A loan that repays otherwise has B(m) by its schedule, after the payments that are due by then.

PD and LGD are the same in every year. There are no prepayments, and Rate stands for the effective interest rate, unless
a segment or a loan says otherwise: then `scheduled_credit_losses` provides for it, or `monthly_credit_losses` in steps
of a month.

Only +, -, *, /, square roots and comparisons, each its own NumPy operation: the same bits on every CPU. The caller
rounds to cents. Imports nothing that touches AWS.

Sources: IFRS 9, 5.5.3 to 5.5.5, B5.5.28, B5.5.43 and B5.5.44; FASB ASC 326-20-30.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from montecarlo.portfolio.amortisation import NO_INTEREST, Schedule, growth, root

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


_NEWTON_STEPS = 8
"""More than any share needs that is a float64 above 0 and 1 less something."""


class TermStructure(NamedTuple):
    """PDs by year of N loans, of which there are K kinds: those of `table`, float64 (Y, K), of a loan that is alive at
    the year's beginning; the last one stays. kind: int64 (N,). first: float64 (N,), by what PD of the table's a loan's
    own PD over one year is divided to have the loan's of other years.
    """

    table: Floats
    kind: Ints
    first: Floats

    @property
    def is_flat(self) -> npt.NDArray[np.bool_]:
        """Whose PD is the same every year, bool (N,)."""
        return np.asarray((self.table == self.table[0]).all(axis=0)[self.kind])

    def select(self, rows: npt.NDArray[np.intp]) -> "TermStructure":
        """Of some of the loans."""
        return self._replace(kind=self.kind[rows], first=self.first[rows])

    def multiple(self, year: int) -> Floats:
        """The PD of a year by the first's, (N,); 1 exactly where the table has the same for both."""
        pd = self.table[min(year, len(self.table) - 1)]
        return np.where((pd == self.table[0])[self.kind], 1.0, pd[self.kind] / self.first)


class ExpectedCreditLosses(NamedTuple):
    """float64 (C, N) each, in the unit of the expected loss. `lifetime` is never below `twelve_month`."""

    twelve_month: Floats
    lifetime: Floats


def expected_credit_losses(pd: Floats, expected: Floats | Ints, rate: Floats, months: Ints) -> ExpectedCreditLosses:
    """Both expected credit losses of N loans in C cases.

    pd: (C, N), over one year. expected: (C, N), PD * E[loss given default] on today's exposure; of a loan in default
    all of its loss. rate: (N,), % a year, not negative; NaN counts as 0. months: int64 (N,), until the last payment; 0
    where no payments are to come.
    """
    # Loans of most years come first, so that those with year j from the end to go are the first so many.
    full_years = np.maximum(months - 1, 0) // 12
    order = np.argsort(-full_years, kind="stable")
    going = np.cumsum(np.bincount(full_years)[::-1])[::-1]

    left, years = months[order], full_years[order]
    alive = 1 - pd[:, order]
    last_months = left - 12 * years
    month = 1 + np.nan_to_num(rate[order]) / 1200
    half_year = month * month * month * month * month * month
    year = half_year * half_year
    last = growth(month - 1, last_months)
    interest = growth(month - 1, left) - 1
    bearing = interest > NO_INTEREST

    # B(m) / (1 + r)**m is owed / interest with owed = (1 + r)**(n - m) - 1, or (n - m) / n without interest. Both grow
    # from a year to the one before it by the same kind of step, and the sum over years is taken from the last one on.
    owed = np.where(bearing, np.sqrt(last) - 1, last_months / 2)
    first = owed * (last_months / 12)
    total = np.tile(first, (len(pd), 1))
    factor, step = np.where(bearing, year, 1.0), np.where(bearing, year - 1, 12.0)
    owed = np.where(bearing, last * half_year - 1, last_months + 6.0)
    for count in going[1:]:
        first[:count] = owed[:count]
        total[:, :count] = owed[:count] + alive[:, :count] * total[:, :count]
        owed[:count] = owed[:count] * factor[:count] + step[:count]

    scale = 1 / np.where(bearing, interest, np.maximum(left, 1))
    back = np.empty_like(order)
    back[order] = np.arange(len(order))

    def of_expected(sums: Floats) -> Floats:
        share = np.where(left > 0, sums * scale, 1 / half_year)
        return np.asarray(expected * np.where(pd < 1, share[..., back], 1.0))

    return ExpectedCreditLosses(of_expected(first), of_expected(total))


def scheduled_credit_losses(
    pd: Floats,
    expected: Floats | Ints,
    schedule: Schedule,
    age: Ints,
    effective_rate: Floats,
    prepayment: Floats,
    structure: TermStructure | None = None,
    year_end: bool = False,
) -> ExpectedCreditLosses:
    """As `expected_credit_losses`, of N loans by their schedules and with assumptions of their own.

    age: int64 (N,), months since origination. effective_rate: (N,), % a year, by which losses are discounted; NaN: the
    rate, compounded with each payment. prepayment: (N,), the share of what is owed that is repaid early in a year.
    structure: the PDs of other years than the first; the same where it is None.
    year_end: a loan defaults at the end of a year, on what was owed at its beginning, as textbooks have it; otherwise
    at its middle, on what is owed then.
    """
    left = np.maximum(schedule.term - age, 0)
    month, kept = _by_month(schedule, effective_rate, prepayment)
    owed_now = schedule.owed(age)
    owed_now = np.where(owed_now > 0, owed_now, 1.0)
    alive, total = np.ones_like(pd), np.zeros_like(pd)
    halves = 24 if year_end else 12  # when default is where no payments are to come
    first = np.where(left > 0, 0.0, 1 / _half_months(month, np.full_like(left, halves)))
    for year in range(-(-int(left.max(initial=0)) // 12)):
        going = np.flatnonzero(left > 12 * year)  # most terms end long before the longest
        length = np.minimum(left[going] - 12 * year, 12)
        at = 24 * year + (2 * length if year_end else length)  # in half months; in half a month no payment is due
        balance = 24 * year + (np.zeros_like(length) if year_end else length)
        owed = schedule.select(going).owed(age[going] + balance // 2) / owed_now[going]
        lost = owed * _half_months(kept[going], balance) / _half_months(month[going], at) * (length / 12)
        if not year:
            first[going] = lost
        multiple = np.ones_like(lost) if structure is None else structure.select(going).multiple(year)
        first_pd = pd[:, going]
        of_year = np.minimum(first_pd * multiple, 1.0)
        share = np.where(of_year < 1, multiple, 1 / np.where(first_pd > 0, first_pd, 1.0))
        total[:, going] = total[:, going] + alive[:, going] * lost * share
        alive[:, going] = alive[:, going] * (1 - of_year)
    total = np.where(left > 0, total, first)

    def of_expected(share: Floats) -> Floats:
        return np.asarray(expected * np.where(pd < 1, share, 1.0))

    return ExpectedCreditLosses(of_expected(first), of_expected(total))


def monthly_credit_losses(
    pd: Floats,
    expected: Floats | Ints,
    schedule: Schedule,
    age: Ints,
    effective_rate: Floats,
    prepayment: Floats,
    structure: TermStructure | None = None,
) -> ExpectedCreditLosses:
    """As `scheduled_credit_losses`, month by month: a loan defaults at the end of a month, on what was owed at its
    beginning, and what is lost is discounted from its end,

        ECL = EL / PD * sum over months m from 0 of  S * h * B(m) * (1 - c)**(m / 12) / (1 + r)**(m + 1)

    with the hazard h = 1 - (1 - PD of the year)**(1 / 12), so that a whole year's defaults are its PD, and S the share
    that is alive then. Over twelve months it has the first twelve terms; a loan without payments to come has no more.
    """
    left = np.maximum(schedule.term - age, 0)
    month, kept = _by_month(schedule, effective_rate, prepayment)
    kept = np.where(left > 0, kept, 1.0)

    # Loans of most months come first, so that those that are still going are the first so many.
    months = np.where(left > 0, left, 12)
    order = np.argsort(-months, kind="stable")
    going = np.cumsum(np.bincount(months)[::-1])[::-1][1:].tolist()  # in month m, from 0
    pd_now, factor, step = pd[:, order], (1 / month)[order], (kept / month)[order]
    alive, total = np.ones_like(pd_now), np.zeros_like(pd_now)
    first = total
    for number, owed in enumerate(schedule.select(order).path(age[order], going)):
        count = owed.size
        if number == 12:
            first = total.copy()
        year = number // 12
        if not number or (number % 12 == 0 and structure and year < len(structure.table)):
            multiple = structure.select(order[:count]).multiple(year) if structure else 1.0
            hazard = 1 - _month_alive(1 - np.minimum(pd_now[:, :count] * multiple, 1.0))
        defaults = alive[:, :count] * hazard[:, :count]
        total[:, :count] += defaults * (owed * factor[:count])
        alive = alive[:, :count] - defaults
        factor = factor[:count] * step[:count]
    if len(going) <= 12:
        first = total
    back = np.empty_like(order)
    back[order] = np.arange(len(order))

    def of_expected(sums: Floats) -> Floats:
        share = sums[:, back] / np.where(pd > 0, pd, 1.0)
        return np.asarray(expected * np.where(pd < 1, share, 1.0))

    return ExpectedCreditLosses(of_expected(first), of_expected(total))


def _by_month(schedule: Schedule, effective_rate: Floats, prepayment: Floats) -> tuple[Floats, Floats]:
    """What a month's interest makes of 1, and the share of what is owed that is not repaid early in it, (N,) each."""
    by_payment = root(1 + schedule.monthly * schedule.period, schedule.period)
    year = np.full_like(schedule.term, 12)
    effective = root(1 + np.nan_to_num(effective_rate) / 100, year)
    return np.where(np.isnan(effective_rate), by_payment, effective), root(1 - prepayment, year)


def _month_alive(year: Floats) -> Floats:
    """year**(1 / 12) of shares that are alive after a year, of any shape: a cube root by Newton's method, which has the
    same bits everywhere, of a fourth root, and begun at that one's fourth root, which is near.
    """
    fourth = np.sqrt(np.sqrt(np.where(year > 0, year, 1.0)))
    found = np.sqrt(np.sqrt(fourth))
    for _ in range(_NEWTON_STEPS):
        found = found - (found - fourth / (found * found)) / 3
    return np.where(year > 0, found, 0.0)


def _half_months(month: Floats, halves: Ints) -> Floats:
    """month**(halves / 2), (N,)."""
    return growth(month - 1, halves // 2) * np.where(halves & 1, np.sqrt(month), 1.0)
