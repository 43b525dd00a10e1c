"""What one more loan would do to a portfolio that was simulated: its losses, its capital, and the rate that pays.

    pricer = Pricer.open(store, "june")
    quotes = pricer.price({"AccountID": "new-1", "Rate": 7.9, "LoanAmount": 25_000, ...}, hurdle=0.1)

`Pricer.open` reads the sums that the run has left and sorts them, once; a loan is then simulated in the run's own
scenarios, as the run would have done it, and its losses are added to the portfolio's. Each figure is the portfolio's
with the loan minus without it: to the bit what a run over the portfolio and that loan would give, for the loan alone
and for each case. Nothing of the portfolio's loans is read.

    EL                 the loan's expected loss within the year
    marginal VaR, ES   with the loan minus without it, at `level`
    economic capital   marginal VaR - EL, the project's definition
    capital            what the loan has to earn on: marginal ES - EL, or economic capital (`basis`). VaR is one
                       scenario's loss, which a single loan mostly leaves where it is, or moves by a whole step; ES is
                       a mean over the tail and moves with every loan.
    cost of capital    hurdle * capital
    break-even rate    funding + costs + (EL + cost of capital) / exposure
    RAROC              (rate - funding - costs) * exposure - EL, over capital: above the hurdle, where rate is above
                       break-even

Rates are a year's and of the exposure. Everything is in the run's currency, before tax.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

import numpy as np

from additive import candidates
from additive.margin import Tail
from additive.replay import Replay
from montecarlo.errors import InvalidInput
from montecarlo.model.credit import FRACTION_BITS, LoanRisks, loan_risks
from montecarlo.model.valuation import expected_losses
from montecarlo.portfolio.loans import Loans
from montecarlo.simulation import kernel
from montecarlo.simulation.trials import Ints, Rows
from montecarlo.storage.store import Store

LEVEL = 99.9
HURDLE = 0.1
BLOCK = 100
"""Loans that are simulated together: 8 MB for each case and 10,000 scenarios."""

_NAMES = {"var": "marginal_var", "es": "marginal_es"}

Basis = Literal["es", "var"]
BASES: tuple[Basis, ...] = get_args(Basis)


@dataclass(frozen=True)
class Terms:
    """What a lender asks of a loan. Shares of one a year; level in percent."""

    hurdle: float = HURDLE
    funding: float = 0.0
    costs: float = 0.0
    basis: Basis = "es"

    def __post_init__(self) -> None:
        for name, value in (("hurdle", self.hurdle), ("funding", self.funding), ("costs", self.costs)):
            if not 0 <= value <= 1:
                raise InvalidInput(f"{name} is {value:g}, but must lie from 0 to 1: a share, 0.1 for 10 %.")
        if self.basis not in BASES:
            raise InvalidInput(f"basis is {self.basis!r}, but must be one of {', '.join(BASES)}.")


@dataclass(frozen=True)
class Marginal:
    """What a loan changes in one case, in cents: with the loan minus without it.

    es_share: Euler's share of the ES with the loan, which is never below `es`: the whole gains from the loan's company.
    """

    el: float
    var: float
    es: float
    economic_capital: float
    es_share: float
    scenarios: int
    """In how many of them the loan loses anything."""


@dataclass(frozen=True)
class Quote:
    """One loan in one case, amounts in cents. Rates and RAROC are None where there is nothing to divide by."""

    account_id: str
    case: str
    exposure: int
    rate: float | None
    pd: float
    marginal: Marginal
    capital: float
    cost_of_capital: float
    break_even_rate: float | None
    raroc: float | None

    def to_json(self) -> dict[str, Any]:
        """Amounts in currency units rounded to cents, rates in % a year."""
        amounts = {_NAMES.get(name, name): value for name, value in asdict(self.marginal).items()}
        scenarios = amounts.pop("scenarios")
        money = {"exposure": self.exposure, **amounts, "capital": self.capital, "cost_of_capital": self.cost_of_capital}
        return {
            "account_id": self.account_id,
            "case": self.case,
            "rate": None if self.rate is None else round(100 * self.rate, 6),
            "pd": self.pd,
            **{name: round(value / 100, 2) for name, value in money.items()},
            "break_even_rate": None if self.break_even_rate is None else round(100 * self.break_even_rate, 6),
            "raroc": None if self.raroc is None else round(self.raroc, 8),
            "scenarios_with_loss": scenarios,
        }


class Pricer:
    """A run's losses, held ready for loans to be added. Open it once and price as often as wanted; it may be shared by
    threads.
    """

    def __init__(self, replay: Replay, level: float = LEVEL) -> None:
        """The pricer of a run. level: in percent, of VaR and ES.

        Raises InvalidInput where the run simulated a sample of its loans or has left no sums, IncompleteRun where they
        are damaged.
        """
        if not 50 <= level < 100:
            raise InvalidInput(f"level is {level:.12g}, but must lie from 50 to below 100, in percent.")
        self.plan, self.level, self._replay = replay.plan, level, replay
        if self.plan.sample > 1:
            raise InvalidInput(
                f"run {replay.run} simulated one loan in {self.plan.sample:,}: a single loan is priced against a run "
                "of all."
            )
        sums = replay.sums().total.segments.totals()
        self._expected = [int(case.sum()) for case in sums.expected_loss]
        self._tails = [Tail(case, replay.weights, level / 100) for case in sums.losses.sum(axis=1)]

    @classmethod
    def open(cls, store: Store, run: str, level: float = LEVEL) -> Self:
        """The pricer of a run that is done. Raises as `Replay.open` does, and as the pricer's own making."""
        return cls(Replay.open(store, run), level)

    def price(self, loan: candidates.Row | Sequence[candidates.Row] | Loans, terms: Terms | None = None) -> list[Quote]:
        """The quotes of a loan, one for each case; of several loans, each priced alone, one loan after the other.

        loan: by the column names of the run's files, or loans that `candidates` has read. Raises InvalidPortfolio that
        names column and reason where one cannot be used.
        """
        if not isinstance(loan, Loans):
            loan = candidates.from_rows(self.plan, [loan] if isinstance(loan, Mapping) else loan)
        terms = terms or Terms()
        quotes: list[Quote] = []
        for start in range(0, len(loan), BLOCK):
            chosen = np.zeros(len(loan), dtype=np.bool_)
            chosen[start : start + BLOCK] = True
            quotes += self._price(loan.select(chosen) if len(loan) > BLOCK else loan, terms)
        return quotes

    def _price(self, loans: Loans, terms: Terms) -> Iterator[Quote]:
        tables = self._replay.drawn[0].tables
        risks = loan_risks(loans, self.plan.parameters, self.plan.cases, tables)
        expected = expected_losses(risks, tables)
        losses = self._losses(risks)
        for number, account in enumerate(loans.account_id.to_pylist()):
            rate = float(loans.rate[number])
            for c, case in enumerate(self.plan.cases):
                pd = 1.0 if risks.certain[number] else int(risks.pd[c, number]) / 2**32
                marginal = self._marginal(c, losses[c, number], int(expected[c, number]))
                exposure = int(risks.exposure[number])
                yield _quote(account, case.name, exposure, None if np.isnan(rate) else rate / 100, pd, marginal, terms)

    def _losses(self, risks: LoanRisks) -> Ints:
        """What each loan loses, int64 (C, N, S)."""
        rows = Rows(np.arange(len(risks), dtype=np.int32)[None], len(risks))
        of = self._replay
        waves = [
            kernel.simulate(risks, drawn.tables, drawn.scenarios, plan.seed, of.kernel, of.cache, rows).by_row
            for plan, drawn in zip(of.plans, of.drawn, strict=True)
        ]
        return np.concatenate(waves, axis=2)

    def _marginal(self, case: int, losses: Ints, expected: int) -> Marginal:
        tail, before = self._tails[case], self._expected[case]
        scenario = np.flatnonzero(losses)
        now, share = tail.with_loan(scenario, losses[scenario])
        then = tail.figures
        el, el_now = before / (1 << FRACTION_BITS), (before + expected) / (1 << FRACTION_BITS)
        return Marginal(
            el=expected / (1 << FRACTION_BITS),
            var=now.var - then.var,
            es=now.es - then.es,
            economic_capital=(now.var - el_now) - (then.var - el),
            es_share=share,
            scenarios=scenario.size,
        )


def _quote(
    account_id: str, case: str, exposure: int, rate: float | None, pd: float, marginal: Marginal, terms: Terms
) -> Quote:
    capital = marginal.economic_capital if terms.basis == "var" else marginal.es - marginal.el
    cost = terms.hurdle * capital
    spread = terms.funding + terms.costs
    income = None if rate is None else (rate - spread) * exposure - marginal.el
    return Quote(
        account_id=account_id,
        case=case,
        exposure=exposure,
        rate=rate,
        pd=pd,
        marginal=marginal,
        capital=capital,
        cost_of_capital=cost,
        break_even_rate=spread + (marginal.el + cost) / exposure if exposure else None,
        raroc=income / capital if income is not None and capital > 0 else None,
    )
