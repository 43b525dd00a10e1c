"""What the supervisor and the accounts ask of each loan, beside its simulated losses.

Imports nothing that touches AWS.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from montecarlo.model import capital, normal
from montecarlo.model.credit import LoanRisks
from montecarlo.model.provisions import expected_loss
from montecarlo.model.severity import expected_share
from montecarlo.model.tables import ModelTables
from montecarlo.portfolio.loans import Loans

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Valuation:
    """Of N loans in C cases, int64 (C, N), in cents.

    expected_loss: PD * E[LGD given default] * exposure over the horizon, in 2**-16 cents; not discounted. capital:
    Basel IRB capital. twelve_month, lifetime: expected credit losses (IFRS 9; lifetime is CECL's).
    """

    expected_loss: Ints
    capital: Ints
    twelve_month: Ints
    lifetime: Ints


def value(loans: Loans, risks: LoanRisks, tables: ModelTables) -> Valuation:
    """Expected loss, capital and provisions of each loan in each case. The latter two take the loan's mean LGD."""
    sector = risks.sector.astype(np.int64)
    maturity = capital.effective_maturity(loans.term, loans.age)
    months = np.maximum(loans.term - loans.age, 0)
    capitals, twelve_month, lifetime = [], [], []
    for pd in risks.pd:
        share = pd / 2.0**32
        probit = normal.inverse(tables.phi, np.clip(share, 2.0**-32, 1 - 2.0**-32))
        needed = capital.capital(tables.capital, sector, probit, risks.loss, maturity)
        capitals.append(np.where(risks.certain, 0, needed))  # a defaulted loan's loss is expected, not unexpected
        expected = expected_loss(np.where(risks.certain, 1.0, share), risks.loss, loans.rate, months)
        twelve_month.append(np.rint(expected.twelve_month).astype(np.int64))
        lifetime.append(np.rint(expected.lifetime).astype(np.int64))
    return Valuation(expected_losses(risks, tables), np.array(capitals), np.array(twelve_month), np.array(lifetime))


def expected_losses(risks: LoanRisks, tables: ModelTables) -> Ints:
    """Analytic expected losses, int64 (C, N), 2**-16 cents; where LGDs follow the factor, by quadrature over it."""
    expected = risks.expected_loss()
    linked = tables.severity.drawn & (tables.severity.loading > 0)
    for sector in np.flatnonzero(linked).tolist():
        loans = np.flatnonzero((risks.sector == sector) & ~(risks.certain | risks.impossible))
        for case, alpha in enumerate(risks.alpha):
            share = expected_share(
                tables.severity, sector, tables.phi, alpha[loans], int(tables.loading[sector]), risks.lgd[loans]
            )
            exposure = risks.exposure[loans]
            expected[case, loans] = exposure * (share >> 16) + ((exposure * (share & 0xFFFF)) >> 16)
    return expected
