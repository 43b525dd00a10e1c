"""Generates a made-up book of commercial loans: borrowers with several loans, ratings, sectors, and a bank's branches.

Made as `synthetic` makes its own: a loan is a function of (seed, index, as_of) alone, whatever the cut, and the same on
every machine. A borrower's loans lie in one block of it and follow each other. Each brings its PD by its borrower's
rating. Term loans repay as annuities, in equal parts or at the end, and some are credit lines. Two in five have
collateral, which makes their LGD; the others bring one. The distributions are judgement.

Imports numpy, pyarrow and this room only.
"""

from datetime import date

import numpy as np
import pyarrow as pa

from montecarlo.portfolio.amortisation import FREQUENCIES, Schedule
from montecarlo.portfolio.dates import whole_months
from montecarlo.portfolio.synthetic import BLOCK_LOANS, Bits, blocks_of, draw_zip, exp, numbered, to_cents

RATINGS = {
    "AAA": (0.01, 0.0002), "AA": (0.04, 0.0004), "A": (0.14, 0.0009), "BBB": (0.31, 0.0025),
    "BB": (0.29, 0.010), "B": (0.16, 0.035), "CCC": (0.05, 0.14),
}  # fmt: skip
"""Each with its share of the borrowers and its PD."""

SECTORS = {
    "manufacturing": 0.24, "trade": 0.20, "real estate": 0.22, "construction": 0.10, "transport": 0.08,
    "services": 0.16,
}  # fmt: skip
BRANCHES = {
    "Head office": 0.30, "North": 0.16, "South": 0.15, "East": 0.12, "West": 0.12, "Harbour": 0.08, "Airport": 0.07,
}  # fmt: skip
LGDS = {0.20: 0.25, 0.35: 0.35, 0.45: 0.25, 0.65: 0.15}
"""With their shares of the loans."""

REPAYMENT = {"annuity": 0.45, "linear": 0.20, "bullet": 0.20, "line": 0.15}
FREQUENCY = {"monthly": 0.35, "quarterly": 0.45, "semi-annual": 0.10, "annual": 0.10}
"""Of loans that are neither annuities nor lines, which pay each month."""

SECURED = 0.4
"""Share of the loans with collateral."""

LATE = 0.04
"""Share of the loans whose last payment is due, by up to 89 days."""

PD_AT_ORIGINATION = {1.0: 0.80, 0.5: 0.12, 0.25: 0.08}
"""As a share of today's, with their shares of the loans."""

TERMS = {36: 0.15, 60: 0.38, 84: 0.25, 120: 0.22}
NEW_BORROWER = 0.42
"""Chance that a loan is the first of its borrower: 2.4 loans each."""

LARGE = 2_000_000
"""From this amount on a loan is in the segment commercial, below it in small_business."""

_SALT = 0x636F6D6D
"""Keeps the blocks' random bits apart from those of `synthetic`."""

_SCHEMA = pa.schema(
    {
        "AccountID": pa.string(),
        "ObligorID": pa.string(),
        "Segment": pa.string(),
        "Sector": pa.string(),
        "Rating": pa.string(),
        "Branch": pa.string(),
        "Vintage": pa.int64(),
        "ZipCode": pa.string(),
        "PD": pa.float64(),
        "LGD": pa.float64(),
        "LoanAmount": pa.float64(),
        "Balance": pa.float64(),
        "Rate": pa.float64(),
        "RateType": pa.string(),
        "LoanTerm": pa.int64(),
        "OriginationDate": pa.date32(),
        "Amortisation": pa.string(),
        "PaymentFrequency": pa.string(),
        "Limit": pa.float64(),
        "CollateralValue": pa.float64(),
        "DaysPastDue": pa.int64(),
        "OriginationPD": pa.float64(),
    }
)


def generate(first: int, count: int, seed: int, as_of: date) -> pa.Table:
    """Loans ``first .. first + count - 1`` of the book of `seed` (0 to 2**64 - 1), as held on `as_of`."""
    return blocks_of(_generate_block, _SCHEMA, first, count, seed, as_of)


def _generate_block(block: int, seed: int, as_of: np.datetime64) -> pa.Table:
    bits = Bits(seed ^ _SALT, block)
    begins = bits.uniform() < NEW_BORROWER
    begins[0] = True
    borrower = np.maximum.accumulate(np.where(begins, np.arange(BLOCK_LOANS), 0))  # the place of its first loan

    def of_borrower(shares: dict[str, float]) -> pa.Array:
        return pa.array(list(shares)).take(pa.array(bits.choice(list(shares.values()))[borrower]))

    rating = bits.choice([share for share, _ in RATINGS.values()])[borrower]
    sector, branch = of_borrower(SECTORS), of_borrower(BRANCHES)
    size = bits.normal()[borrower]  # a large borrower's loans are all large
    zip_code = draw_zip(bits)[borrower]

    amount = np.clip(1_200_000 * exp(1.15 * size + 0.6 * bits.normal()), 50_000, 80_000_000)
    amount = np.rint(amount / 10_000) * 10_000
    lgd = np.array(list(LGDS))[bits.choice(list(LGDS.values()))]
    term = np.array(list(TERMS), np.int64)[bits.choice(list(TERMS.values()))]
    rate = to_cents(np.clip(4.2 + 0.55 * rating + 0.5 * bits.normal(), 2.5, 15))
    recent = bits.uniform()
    days = np.floor(recent * recent * (np.minimum(term, 96) - 1) * 30).astype(np.int64)
    origination = as_of - days.astype("timedelta64[D]")
    floating = bits.uniform() < 0.6

    # What came later draws later, so that what was there before keeps its values.
    repayment = np.array(list(REPAYMENT))[bits.choice(list(REPAYMENT.values()))]
    frequency = np.array(list(FREQUENCY))[bits.choice(list(FREQUENCY.values()))]
    frequency = np.where((repayment == "annuity") | (repayment == "line"), "monthly", frequency)
    drawn_share, secured, worth = 0.2 + 0.7 * bits.uniform(), bits.uniform() < SECURED, 0.5 + 1.3 * bits.uniform()
    line = repayment == "line"
    schedule = Schedule(
        rate / 1200,
        term,
        bullet=(repayment == "bullet") | line,
        linear=repayment == "linear",
        balloon=np.zeros(BLOCK_LOANS),
        interest_only=np.zeros(BLOCK_LOANS, np.int64),
        period=np.array([FREQUENCIES[name] for name in frequency.tolist()]),
    )
    owed = amount * schedule.owed(whole_months(origination, as_of))
    balance = to_cents(np.where(line, amount * drawn_share, owed))
    late, days = bits.uniform() < LATE, np.floor(1 + 89 * bits.uniform())
    improved = np.array(list(PD_AT_ORIGINATION))[bits.choice(list(PD_AT_ORIGINATION.values()))]
    pd = np.array([pd for _, pd in RATINGS.values()])[rating]
    index = block * BLOCK_LOANS + np.arange(BLOCK_LOANS)
    columns = [
        numbered("CL-", index, 10),
        numbered("C-", block * BLOCK_LOANS + borrower, 10),
        np.where(amount >= LARGE, "commercial", "small_business"),
        sector,
        np.array(list(RATINGS))[rating],
        branch,
        origination.astype("datetime64[Y]").astype(np.int64) + 1970,
        numbered("", zip_code, 5),
        pd,
        pa.array(lgd, mask=secured),
        amount,
        balance,
        rate,
        np.where(floating, "floating", "fixed"),
        term,
        origination,
        np.where(line, "bullet", repayment),
        frequency,
        pa.array(amount, mask=~line),
        pa.array(to_cents(np.rint(amount * worth / 10_000) * 10_000), mask=~secured),
        np.where(late, days, 0).astype(np.int64),
        np.rint(pd * improved * 1e6) / 1e6,
    ]
    return pa.table([pa.array(c, kind) for c, kind in zip(columns, _SCHEMA.types, strict=True)], schema=_SCHEMA)
