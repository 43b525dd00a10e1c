"""What the supervisor and the accounts ask of each loan, beside its simulated losses.

Imports nothing that touches AWS.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from montecarlo.model import capital, normal
from montecarlo.model.credit import FRACTION_BITS, LoanRisks, in_case
from montecarlo.model.parameters import TIMINGS, Parameters
from montecarlo.model.provisions import (
    TermStructure,
    expected_credit_losses,
    monthly_credit_losses,
    scheduled_credit_losses,
)
from montecarlo.model.severity import expected_share
from montecarlo.model.tables import ModelTables
from montecarlo.portfolio.loans import Loans

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Valuation:
    """Of N loans in C cases, int64 (C, N), in 2**-FRACTION_BITS cents (see `credit`).

    expected_loss: PD * E[LGD given default] * exposure over the horizon; not discounted. capital: Basel IRB capital.
    twelve_month, lifetime: expected credit losses (IFRS 9; lifetime is CECL's). has_lifetime: bool (N,), false where
    `lifetime` says nothing, as the loan's term is not known.
    """

    expected_loss: Ints
    capital: Ints
    twelve_month: Ints
    lifetime: Ints
    has_lifetime: npt.NDArray[np.bool_]


def value(loans: Loans, risks: LoanRisks, tables: ModelTables, parameters: Parameters | None = None) -> Valuation:
    """Expected loss, capital and provisions of each loan in each case.

    Expected loss and provisions take the LGD that is expected given default. Capital takes the loan's LGD as it is
    given, for Basel's formula asks for one of a downturn and not for this model's. parameters: those by which to
    provide; where there are none, as by default.
    """
    sector = risks.sector.astype(np.int64)
    maturity = capital.effective_maturity(loans.term, loans.age)
    rows = loans.scheduled
    if rows.size:
        schedule, age = loans.schedule(rows), loans.age[rows]
        maturity[rows] = capital.scheduled_maturity(schedule, age)
    pd = np.where(risks.certain, 1.0, risks.pd / 2.0**32)
    capitals = []
    for case, (share, alpha) in enumerate(zip(pd, risks.alpha, strict=True)):
        near = (alpha.astype(np.int64) << normal.FRACTION_BITS) // tables.scale[risks.loading]
        probit = normal.inverse(tables.phi, np.clip(share, 2.0**-32, 1 - 2.0**-32), near)
        needed = capital.capital(tables.capital, sector, probit, in_case(risks.loss, case), maturity)
        capitals.append(np.where(risks.certain, 0, needed))  # a defaulted loan's loss is expected, not unexpected
    expected = expected_losses(risks, tables)
    months = np.maximum(loans.term - loans.age, 0)
    provisions = expected_credit_losses(pd, expected, loans.rate, months)
    defaulted = np.flatnonzero((loans.stage == 3) & ~risks.certain)
    prepayment, timing, structure = np.zeros(len(loans)), TIMINGS[0], None
    own_way = ~np.isnan(loans.effective_rate)
    if parameters:
        structure = term_structure(loans, pd[0], parameters)
        prepayment = np.array([each.prepayment for each in parameters.segments.values()])[loans.segment]
        timing = parameters.default_timing
        own_way |= (prepayment > 0) | (timing != TIMINGS[0]) | ~structure.is_flat
    own_way[rows] = True
    rows = np.flatnonzero(own_way)
    if rows.size:
        by_year = structure.select(rows) if structure else None
        of_year, over_year = pd[:, rows], expected[:, rows]
        if by_year and (by_year.first == SMALLEST).any():
            later = by_year.first == SMALLEST
            of_year = np.where(later, SMALLEST, of_year)
            over_year = np.where(later, SMALLEST * _losses(risks, rows), over_year)
        given = of_year, over_year, loans.schedule(rows), loans.age[rows]
        assumed = loans.effective_rate[rows], prepayment[rows], by_year
        own = (
            monthly_credit_losses(*given, *assumed)
            if timing == "monthly"
            else scheduled_credit_losses(*given, *assumed, year_end=timing == "year-end")
        )
        provisions.twelve_month[:, rows], provisions.lifetime[:, rows] = own
    if defaulted.size:  # provided for in full, whatever their PD says
        loss = _losses(risks, defaulted)
        provisions.twelve_month[:, defaulted] = provisions.lifetime[:, defaulted] = loss
    return Valuation(
        expected_loss=expected,
        capital=np.array(capitals),
        twelve_month=np.rint(provisions.twelve_month).astype(np.int64),
        lifetime=np.rint(provisions.lifetime).astype(np.int64),
        has_lifetime=(loans.term > 0) | risks.certain | (loans.stage == 3),
    )


SMALLEST = 2.0**-200
"""In place of a first year's PD of 0 where later ones are above it, as 0 has no multiples. It is a power of two, so
that multiples of it are exact, and what is expected in the first year is still nothing.
"""


def term_structure(loans: Loans, pd: npt.NDArray[np.float64], parameters: Parameters) -> TermStructure:
    """The PDs by year of N loans: their grade's, or else their segment's. pd: (N,), over one year in the base case.

    A loan whose PD is its grade's has the grade's PDs in the base case, and one with a PD of its own multiples of it.
    Where the grade's first PD is 0, there are none: then it has the grade's later PDs, too.
    """
    of_segments = [(1.0, *segment.pd_by_year) for segment in parameters.segments.values()]
    of_grades = list(parameters.pds_by_grade.values())
    years = max(map(len, (*of_segments, *of_grades)))
    table = np.array([[*each, *[each[-1]] * (years - len(each))] for each in (*of_segments, *of_grades)]).T
    graded = loans.grade >= 0
    kind = np.where(graded, len(of_segments) + loans.grade.astype(np.int64), loans.segment.astype(np.int64))
    first = table[0, kind]
    by_grade = graded & (np.isnan(loans.pd) | (first < 2.0**-32))  # below which a PD is 0: no multiple overflows
    return TermStructure(table, kind, np.where(by_grade, np.where(pd > 0, pd, SMALLEST), first))


def _losses(risks: LoanRisks, rows: npt.NDArray[np.intp]) -> Ints:
    """What some loans lose at default in each case, (C, n), in 2**-FRACTION_BITS cents."""
    return np.stack([in_case(risks.loss, case)[rows] << FRACTION_BITS for case in range(len(risks.pd))])


def expected_losses(risks: LoanRisks, tables: ModelTables) -> Ints:
    """Analytic expected losses in 2**-FRACTION_BITS cents, int64 (C, N); by quadrature where LGDs follow the factor."""
    expected = risks.expected_loss()
    linked = tables.severity.drawn & (tables.severity.loading > 0)
    for sector in np.flatnonzero(linked).tolist():
        members = np.flatnonzero((risks.sector == sector) & ~(risks.certain | risks.impossible))
        for loading in np.unique(risks.loading[members]).tolist():
            loans = members[risks.loading[members] == loading]
            for case, alpha in enumerate(risks.alpha):
                lgd = in_case(risks.lgd, case)[loans]
                share = expected_share(
                    tables.severity, sector, tables.phi, alpha[loans], int(tables.loading[loading]), lgd
                )
                exposure = risks.exposure[loans]
                expected[case, loans] = exposure * (share >> 16) + ((exposure * (share & 0xFFFF)) >> 16)
    return expected
