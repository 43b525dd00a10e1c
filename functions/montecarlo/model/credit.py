"""From a loan's columns to what the kernel simulates: threshold, exposure and loss in each case.

Reproducible on any CPU: only +, -, *, /, comparisons, rounding, roots and `frexp`, each its own NumPy operation, which
IEEE 754 fixes to the bit; no exp, log, power or dot product. Imports nothing that touches AWS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from montecarlo.errors import InvalidPortfolio
from montecarlo.model import normal, sums
from montecarlo.model.cases import Case
from montecarlo.model.parameters import Parameters, Scorecard
from montecarlo.model.tables import (
    BANDS_PER_LOGIT,
    BASEL_CELL_BITS,
    HIGHEST_BAND,
    LATTICE,
    LATTICE_STEP,
    LOWEST_BAND,
    ModelTables,
)
from montecarlo.portfolio.amortisation import annuity
from montecarlo.portfolio.loans import Loans

MAX_EXPOSURE = 1 << 62
"""Cents that a portfolio may owe (46 quadrillion currency units): no scenario loses more, and int64 adds that up."""

FRACTION_BITS = 16
"""Amounts that are expected of a single loan are kept in 2**-16 cents; those of one loan, at most 10**14 cents as
`portfolio.columns` has it, fit int64.
"""

ROUNDING_BITS = 29
"""What rounding changes of a loss, at most a cent, is kept in 2**-29 cents: times a PD, it fits int64 exactly."""

MAX_ROUNDING = 1e-4
"""What rounding losses to cents may change of the loans' expected losses, relative to the expected loss."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LoanRisks:
    """What the model says of N loans in C cases, as the kernel takes it.

    Probabilities are uint32 fractions of 2**32, probits Q24. key: uint64 (N,), the borrower's, names the random numbers
    that decide default; lgd_key: uint64 (N,), the loan's own, those of its LGD. sector, region: int16 (N,), the segment
    and the region. factor: int16 (N,), index of the sector's factor. loading: int16 (N,), index into `tables.loading`.
    alpha: int32 (C, N), Phi^-1(PD) * scale of the sector. pd: uint32 (C, N). certain, impossible: bool (N,), PD of
    exactly 1 or 0. exposure: int64 (N,), cents. lgd: int32, Q24, its mean. loss: int64, cents lost at default at that
    mean. rounding: int64, by how much `loss` differs from what it was before it was rounded, up or down, in
    2**-ROUNDING_BITS cents. These three are (N,), the same in all cases, or (C, N) where a case shifts collateral: see
    `in_case`.
    """

    key: npt.NDArray[np.uint64]
    lgd_key: npt.NDArray[np.uint64]
    sector: npt.NDArray[np.int16]
    region: npt.NDArray[np.int16]
    factor: npt.NDArray[np.int16]
    loading: npt.NDArray[np.int16]
    alpha: npt.NDArray[np.int32]
    pd: npt.NDArray[np.uint32]
    certain: npt.NDArray[np.bool_]
    impossible: npt.NDArray[np.bool_]
    exposure: npt.NDArray[np.int64]
    lgd: npt.NDArray[np.int32]
    loss: npt.NDArray[np.int64]
    rounding: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """N."""
        return self.key.size

    def select(self, rows: npt.NDArray[np.intp]) -> "LoanRisks":
        """Some of the loans, in the order of `rows`."""
        return LoanRisks(**{name: values.take(rows, axis=-1) for name, values in vars(self).items()})

    def expected_loss(self) -> npt.NDArray[np.int64]:
        """PD * loss in 2**-FRACTION_BITS cents, int64 (C, N), rounded down: expected where LGD is constant."""
        pd = self.pd.astype(np.int64)
        expected = self.loss * (pd >> 16) + ((self.loss * (pd & 0xFFFF)) >> 16)
        return np.where(self.certain, self.loss << FRACTION_BITS, expected)

    def expected_rounding(self) -> npt.NDArray[np.int64]:
        """PD * rounding in 2**-(32 + ROUNDING_BITS) cents, int64 (C, N), exact: at most 2**62."""
        return np.where(self.certain, np.int64(1 << 32), self.pd) * self.rounding


def in_case(values: npt.NDArray[Any], case: int) -> npt.NDArray[Any]:
    """A loan's LGD, loss or rounding in one of the cases, (N,)."""
    return values if values.ndim == 1 else np.asarray(values[case])


def loan_risks(loans: Loans, parameters: Parameters, cases: Sequence[Case], tables: ModelTables) -> LoanRisks:
    """What the kernel needs of each loan. Raises InvalidPortfolio if they owe MAX_EXPOSURE or more."""
    segments = list(parameters.segments.values())
    sector = loans.segment.astype(np.int64)
    exposure = _exposure(loans, parameters)
    lgd = _mean_lgd(loans, parameters, exposure, cases)
    exposure_cents = np.rint(exposure * 100)
    loss_cents = np.rint(exposure_cents * lgd)
    check_exposure(float(exposure_cents.sum()))

    own = own_pd(loans, parameters)
    brought = np.flatnonzero(~np.isnan(own))
    brought_probit = normal.inverse(tables.phi, np.clip(own[brought], 2.0**-32, 1 - 2.0**-32))
    intercept = np.array([segment.intercept for segment in segments])[sector]
    pass_through = np.where(loans.floating, np.array([segment.pass_through for segment in segments])[sector], 0.0)
    alpha = np.empty((len(cases), len(loans)), dtype=np.int32)
    pd = np.empty((len(cases), len(loans)), dtype=np.uint32)
    loading = sector
    for c, case in enumerate(cases):
        payment = shocked_payment(loans, pass_through * (case.fed_rate - parameters.base_fed_rate))
        probit = tables.band_probit[band(score(loans, payment, parameters.scorecard) + intercept)].astype(np.int64)
        probit[brought] = brought_probit
        probit += tables.shift[c, sector]
        probit = np.clip(probit, -normal.LIMIT * normal.ONE, normal.LIMIT * normal.ONE)  # so that alpha fits int32
        if c == 0:  # all cases have one, so that a case with the higher PD loses no less
            loading = _loadings(loans, probit, tables)
        alpha[c] = (probit * tables.scale[loading]) >> normal.FRACTION_BITS
        pd[c] = normal.threshold(tables.phi, probit.astype(np.int32))
    return LoanRisks(
        key=loans.obligor_key,
        lgd_key=loans.key,
        sector=loans.segment.astype(np.int16),
        region=loans.region.astype(np.int16),
        factor=np.where(loans.sector < 0, tables.factor[sector], loans.sector).astype(np.int16),
        loading=loading.astype(np.int16),
        alpha=alpha,
        pd=np.where(own == 0, np.uint32(0), pd),
        certain=own == 1,
        impossible=own == 0,
        exposure=exposure_cents.astype(np.int64),
        lgd=normal.to_fixed(lgd).astype(np.int32),
        loss=loss_cents.astype(np.int64),
        rounding=np.rint(np.abs(loss_cents - exposure * lgd * 100) * (1 << ROUNDING_BITS)).astype(np.int64),
    )


def own_pd(loans: Loans, parameters: Parameters) -> Floats:
    """The PD over a year that each loan brings, or else its grade's, (N,); NaN where it is the scorecard's."""
    of_grade = np.array([*parameters.first_pds.values(), np.nan])[loans.grade]  # -1: the last
    return np.where(np.isnan(loans.pd), of_grade, loans.pd)


def _loadings(loans: Loans, probit: npt.NDArray[np.int64], tables: ModelTables) -> npt.NDArray[np.int64]:
    """The index of each loan's loading, (N,): its segment's, or for an asset correlation of its own a neighbouring
    point of the lattice. It goes to either by a hash of the borrower's key, the nearer the more likely, so that the
    mean of the roots, on which loans' joint defaults depend, is kept. probit: Q24 (N,), Phi^-1(PD) in the first case.
    """
    segment = loans.segment.astype(np.int64)
    root = np.sqrt(loans.asset_correlation)
    if tables.basel_root.size:
        by_basel = np.flatnonzero(np.isnan(root))
        own = segment[by_basel]
        offset = np.maximum(probit[by_basel], tables.capital.floor[own]) + normal.LIMIT * normal.ONE
        cell = np.minimum(offset >> BASEL_CELL_BITS, tables.basel_root.shape[1] - 2)
        within = (offset - (cell << BASEL_CELL_BITS)) * 2.0**-BASEL_CELL_BITS
        low = tables.basel_root[own, cell]
        root[by_basel] = low + within * (tables.basel_root[own, cell + 1] - low)
    of_its_own = np.flatnonzero(~np.isnan(root))
    if not of_its_own.size:
        return segment
    place = root[of_its_own] / LATTICE_STEP
    below = np.minimum(np.floor(place), LATTICE - 2)
    key = loans.obligor_key[of_its_own]
    scattered = (((key ^ (key >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(11)) * 2.0**-53
    segment[of_its_own] = tables.sectors + below.astype(np.int64) + (scattered < place - below)
    return segment


def check_exposure(cents: float) -> None:
    """Raise InvalidPortfolio where loans owe more than can be added up exactly."""
    if cents >= MAX_EXPOSURE:
        raise InvalidPortfolio(
            f"The loans owe {cents / 100:,.0f} in all, but losses can be added up to {MAX_EXPOSURE / 100:,.0f} only. "
            f"State the amounts in a larger unit. {_SCALE.format(scale=0.001)}"
        )


def check_unit(risks: LoanRisks) -> None:
    """Raise InvalidPortfolio where whole cents are too coarse for these loans, the first of a portfolio."""
    one = np.zeros(len(risks), dtype=np.intp)
    expected, rounding = (
        [int(sums.exact(sums.total(case, one, 1))[0]) for case in amounts]
        for amounts in (risks.expected_loss(), risks.expected_rounding())
    )
    check_rounding(expected, rounding, f"the first {len(risks):,}")


def check_rounding(expected: Sequence[int], rounding: Sequence[int], loans: str) -> None:
    """Raise InvalidPortfolio where whole cents are too coarse for the losses of some loans in any of C cases.

    expected: (C,), in 2**-FRACTION_BITS cents. rounding: (C,), the sum of `LoanRisks.expected_rounding`: it adds up
    what rounding changes of each loan whether up or down, so that no loans make up for others whose loss is rounded
    away. loans: which ones, for the message.
    """
    for loss, changed in zip(expected, rounding, strict=True):
        whole = loss << (32 + ROUNDING_BITS - FRACTION_BITS)
        if changed > MAX_ROUNDING * whole:
            raise InvalidPortfolio(
                f"Losses are counted in cents, and this rounding changes the expected loss of {loans} loans by "
                f"{changed / (whole or changed):.2%}, ups and downs added. State the amounts in a smaller unit. "
                f"{_SCALE.format(scale=1000)}"
            )


_SCALE = (
    "Give each column of amounts a scale in the mapping, such as "
    '{{"columns": {{"EAD": {{"from": "EAD", "scale": {scale}}}}}}}; results are then in that unit.'
)


def _exposure(loans: Loans, parameters: Parameters) -> Floats:
    """Exposure in currency units of each loan, (N,)."""
    owed = loans.owed()
    lines = np.flatnonzero(~np.isnan(loans.limit))
    if lines.size:
        factor = np.array([segment.ccf for segment in parameters.segments.values()])[loans.segment[lines]]
        owed[lines] += factor * np.maximum(loans.limit[lines] - owed[lines], 0.0)
    return np.where(np.isnan(loans.ead), owed, loans.ead)


def _mean_lgd(loans: Loans, parameters: Parameters, exposure: Floats, cases: Sequence[Case]) -> Floats:
    """The mean LGD of each loan: its own, or what its collateral leaves, or its segment's. (N,), and (C, N) where a
    case shifts the worth of collateral.
    """
    segments = parameters.segments
    segment_lgd = np.array([segment.lgd for segment in segments.values()])
    lgd = np.where(np.isnan(loans.lgd), segment_lgd[loans.segment], loans.lgd)
    shifted = any(case.collateral_shift for case in cases)
    if shifted:
        lgd = np.tile(lgd, (len(cases), 1))
    rows = np.flatnonzero(np.isnan(loans.lgd) & ~np.isnan(loans.collateral))
    if rows.size:
        segment, owed = loans.segment[rows], exposure[rows]
        kept = np.array([(1 - each.haircut) * (1 - each.recovery_cost) for each in segments.values()])[segment]
        unsecured = np.array([each.unsecured_lgd for each in segments.values()])[segment]
        for case, of_case in zip(cases, lgd if shifted else [lgd], strict=False):
            shift = np.array([case.collateral_shift.get(name, 0.0) for name in segments])[segment]
            recovered = loans.collateral[rows] * kept * (1 + shift)
            short = np.maximum(owed - recovered, 0.0)
            of_case[rows] = unsecured * (short / np.where(owed > 0, owed, 1.0))
    return lgd


def shocked_payment(loans: Loans, rise: Floats) -> Floats:
    """The monthly payment, shape (N,), after the loan's rate rose by `rise` percentage points (0 for a fixed rate).

    The annuity on the remaining balance over the remaining months, as a ratio to the same at today's rate, so that
    fees in the payment stay in it; of a loan that repays otherwise, by how much the next payment on what is owed rises.
    The rate does not fall below zero.
    """
    after = np.maximum(loans.rate + rise, 0.0)
    moved = np.flatnonzero(after != loans.rate)  # most rates are fixed
    before, after = loans.rate[moved], after[moved]
    months = np.maximum(loans.term[moved] - loans.age[moved], 1)
    ratio = annuity(after / 1200, months) / annuity(before / 1200, months)
    # Exact arithmetic would give a ratio on the rise's side of 1; rounding must not cross it, or stress could fall
    # below base.
    ratio = np.where(after >= before, np.maximum(ratio, 1.0), np.minimum(ratio, 1.0))
    payment = loans.payment.copy()
    payment[moved] *= ratio
    rows = loans.scheduled
    rows = rows[np.maximum(loans.rate[rows] + rise[rows], 0.0) != loans.rate[rows]]
    if rows.size:
        schedule, age = loans.schedule(rows), loans.age[rows]
        more = schedule.instalment(age, rise[rows] / 1200) - schedule.instalment(age)
        more = np.where(rise[rows] >= 0, np.maximum(more, 0.0), np.minimum(more, 0.0))
        payment[rows] = np.maximum(loans.payment[rows] + loans.owed()[rows] * more, 0.0)
    return payment


def score(loans: Loans, payment: Floats, card: Scorecard) -> Floats:
    """The scorecard's logits without the segment's intercept, shape (N,); NaN where the loan lacks a column for it."""
    income = np.where(loans.income > 0, loans.income, np.nan)
    debt_to_income = np.minimum(12 * payment / income, card.debt_to_income_cap)
    total = card.debt_to_income * debt_to_income
    total = total + card.rate * (loans.rate - card.reference_rate)
    total = total + card.term * ((loans.term - card.reference_term) / 12)
    total = total + card.age * (np.minimum(loans.age, card.age_cap) / 12)
    return np.asarray(total + card.size * doublings(loans.loan_amount / card.reference_amount))


def doublings(ratio: Floats) -> Floats:
    """log2 made linear between powers of two (at most 0.09 below it): monotone, and exact on every CPU."""
    mantissa, exponent = np.frexp(ratio)
    return np.asarray(exponent + 2 * (mantissa - 1))


def band(logits: Floats) -> npt.NDArray[np.int64]:
    """Index of the score band of each logit, into `ModelTables.band_probit`. NaN goes to the lowest band."""
    bands = np.floor(np.nan_to_num(logits, nan=LOWEST_BAND / BANDS_PER_LOGIT) * BANDS_PER_LOGIT)
    return np.clip(bands, LOWEST_BAND, HIGHEST_BAND).astype(np.int64) - LOWEST_BAND
