"""What the supervisor and the accounts ask of each loan, beside its simulated losses.

Imports nothing that touches AWS.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from montecarlo import capital, normal
from montecarlo.credit import Obligors
from montecarlo.portfolio import Loans
from montecarlo.provisions import expected_loss
from montecarlo.scenarios import ScenarioTable

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Valuation:
    """Of N loans in C cases, int64 (C, N), in cents.

    capital: Basel IRB capital. twelve_month, lifetime: expected credit losses (IFRS 9; lifetime is CECL's).
    """

    capital: Ints
    twelve_month: Ints
    lifetime: Ints


def value(loans: Loans, valued: Obligors, table: ScenarioTable) -> Valuation:
    """Capital and provisions of each loan in each case, with the case's PD and the loan's mean LGD."""
    sector = valued.sector.astype(np.int64)
    maturity = capital.effective_maturity(loans.term, loans.age)
    months = np.maximum(loans.term - loans.age, 0)
    capitals, twelve_month, lifetime = [], [], []
    for pd in valued.pd:
        share = pd / 2.0**32
        probit = normal.inverse(table.phi, np.clip(share, 2.0**-32, 1 - 2.0**-32))
        needed = capital.capital(table.capital, sector, probit, valued.loss, maturity)
        capitals.append(np.where(valued.certain, 0, needed))  # a defaulted loan's loss is expected, not unexpected
        expected = expected_loss(np.where(valued.certain, 1.0, share), valued.loss, loans.rate, months)
        twelve_month.append(np.rint(expected.twelve_month).astype(np.int64))
        lifetime.append(np.rint(expected.lifetime).astype(np.int64))
    return Valuation(np.array(capitals), np.array(twelve_month), np.array(lifetime))
