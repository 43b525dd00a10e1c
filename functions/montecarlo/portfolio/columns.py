"""The columns of a portfolio: what each means, when a loan cannot do without it, and which values make sense.

Imports numpy only.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

MOST_MONEY = 1e12
"""Of one amount, in the portfolio's currency: 10**14 cents, which the shares of a random LGD need to be below 2**50."""


@dataclass(frozen=True)
class Column:
    """One column of a portfolio: what it means, when a loan cannot do without it, and which values make sense."""

    name: str
    kind: Literal["text", "number", "date"]
    unit: str
    needed: Literal["always", "unless PD", "unless PD and EAD", "never"]
    description: str
    low: float = 0.0
    high: float = MOST_MONEY
    positive: bool = False
    whole: bool = False

    @property
    def range(self) -> str:
        """The numbers allowed, in words; empty for texts and dates."""
        if self.kind != "number":
            return ""
        low = f"above {self.low:g}, up" if self.positive else f"{self.low:g}"
        high = "10^12" if self.high == MOST_MONEY else f"{self.high:,g}"
        return f"{low} to {high}{', whole' if self.whole else ''}"

    def is_needed(self, has_pd: Any, has_ead: Any) -> Any:
        """Whether a loan needs this column, given what it brings; works on one flag and on arrays of flags."""
        if self.needed == "unless PD":
            return ~np.asarray(has_pd)
        if self.needed == "unless PD and EAD":
            return ~(np.asarray(has_pd) & np.asarray(has_ead))
        return np.full(np.shape(has_pd), self.needed == "always")


# A loan needs what its model needs. The scorecard wants income, payment and the loan's terms, unless the loan brings
# its own PD. Amortisation wants amount, rate, term and origination, unless the loan brings its own EAD. A homogeneous
# pool therefore gets by with AccountID, PD and EAD (and LGD, if the segment's default will not do). "Needed" counts
# twice: a file without the column is refused as a whole, and a row without the value is rejected.
COLUMNS: tuple[Column, ...] = (
    Column("AccountID", "text", "", "always", "identifies the loan, unique in the portfolio; names its random numbers"),
    Column("ZipCode", "text", "", "unless PD and EAD",
           "ZIP code (5, 9 or its first 3 digits) or two-letter state; anything else counts as an unknown region"),
    Column("Rate", "number", "% a year", "unless PD and EAD", "nominal interest rate", high=100),
    Column("Payment", "number", "currency a month", "unless PD", "the instalment agreed; of a PaymentFrequency's period"
           " where there is one"),
    Column("LoanAmount", "number", "currency", "unless PD and EAD", "the original principal", positive=True),
    Column("LoanTerm", "number", "months", "unless PD and EAD", "the original term",
           high=1200, positive=True, whole=True),
    Column("OriginationDate", "date", "YYYY-MM-DD or MM/DD/YYYY", "unless PD and EAD",
           "when the loan was paid out; not after the reporting date"),
    Column("GrossIncome", "number", "currency a year", "unless PD",
           "the borrower's income before tax (a business: gross revenue); not zero unless the loan brings its PD"),
    Column("Balance", "number", "currency", "never", "principal outstanding; by amortisation when not given"),
    Column("RateType", "text", "fixed | floating", "never", "whether the rate moves; fixed when not given"),
    Column("Segment", "text", "a segment of the parameters", "never", "the loan's segment; personal when not given"),
    Column("PD", "number", "probability", "never",
           "of default in a year; by Grade or else by scorecard when not given", high=1),
    Column("LGD", "number", "share of EAD", "never", "loss given default; the segment's when not given", high=1),
    Column("EAD", "number", "currency", "never", "exposure at default; from the balance when not given"),
    Column("ObligorID", "text", "", "never",
           "identifies the borrower, whose loans default together; each loan is a borrower of its own when not given"),
    Column("AssetCorrelation", "number", "", "never", "with the sector's factor; the segment's when not given",
           high=0.95),
    Column("Sector", "text", "a sector of the parameters", "never",
           "whose factor the loan has; the segment's when not given, and not read where the parameters name none"),
    Column("Amortisation", "text", "annuity | linear | bullet", "never",
           "level payments, equal repayments, or all at the end; annuity when not given, bullet with a Limit"),
    Column("PaymentFrequency", "text", "monthly | quarterly | semi-annual | annual", "never",
           "how often payments are due; monthly when not given"),
    Column("InterestOnlyUntil", "date", "YYYY-MM-DD or MM/DD/YYYY", "never",
           "until when payments repay nothing; they repay from the first when not given"),
    Column("Balloon", "number", "currency", "never",
           "what is due with the last payment beside it; at most the LoanAmount, which it needs"),
    Column("Limit", "number", "currency", "never",
           "what a credit line may draw in all, the Balance included, which it needs unless the loan brings its EAD"),
    Column("CollateralValue", "number", "currency", "never",
           "what the loan's collateral is worth today; makes its LGD unless the loan brings one"),
    Column("Stage", "text", "1 | 2 | 3", "never",
           "of IFRS 9; by DaysPastDue, OriginationPD and PD when not given"),
    Column("DaysPastDue", "number", "days", "never", "since the oldest payment that was missed",
           high=36500, whole=True),
    Column("EffectiveRate", "number", "% a year", "never",
           "the effective interest rate, by which expected credit losses are discounted; that of Rate when not given",
           high=200),
    Column("OriginationPD", "number", "probability", "never",
           "of default in a year, as it was when the loan was made; needs a PD", high=1, positive=True),
    Column("Grade", "text", "a grade of the parameters", "never",
           "whose PDs by year the loan has; not read where the parameters name none"),
)  # fmt: skip
COLUMN = {column.name: column for column in COLUMNS}
REQUIRED = tuple(column.name for column in COLUMNS if column.needed != "never")
OPTIONAL = tuple(column.name for column in COLUMNS if column.needed == "never")
DEFAULT_SEGMENT = "personal"
DEFAULT_RATE_TYPE = "fixed"
DEFAULT_FREQUENCY = "monthly"
STAGES = ("1", "2", "3")
"""Of IFRS 9: as when it was made; of a credit risk that has risen significantly; in default."""
