"""What every loan and every borrower of a run contributes to its ES and its economic capital.

A second pass over the loans, in those scenarios only that count (see `tail`): each loan's losses are weighed by how
much the scenario counts. So the contributions add up to the run's ES and economic capital. The pass is checked against
the run's sums: what the loans lose in each of its scenarios is what the run lost, to the cent.

A chunk leaves a table of its loans, its sums with the loans that contribute most, and where the portfolio names
borrowers the tally of what they contribute. ReduceGroup and Aggregate add these up as those of a wave.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from montecarlo.documents import Damaged
from montecarlo.errors import IncompleteRun
from montecarlo.model import sums
from montecarlo.model.contributions import contributions
from montecarlo.model.credit import FRACTION_BITS, LoanRisks, loan_risks
from montecarlo.model.measures import LossSample
from montecarlo.model.tables import ModelTables
from montecarlo.model.valuation import expected_losses
from montecarlo.portfolio.loans import Loans
from montecarlo.run import borrowers, records
from montecarlo.run.plan import Plan
from montecarlo.run.result import in_cents, money
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.run.simulated import ChunkLoans
from montecarlo.run.tail import Tail
from montecarlo.run.tally import Tally
from montecarlo.run.weighed import TOP, Largest, Weighed
from montecarlo.simulation import kernel
from montecarlo.simulation.kernel import Kernel
from montecarlo.simulation.trials import Rows, mix64
from montecarlo.storage import keys
from montecarlo.storage.store import Store

Ints = npt.NDArray[np.int64]

_AT_ONCE = 20
"""Of the largest loans, whose losses in all scenarios are looked at for their errors."""


# ---------------------------------------------------------------------------------------------------------------------
# A chunk


@dataclass(frozen=True, eq=False)
class Found:
    """N loans of a chunk. amounts: int64 (C, 3, N), contributions to VaR and to ES, and EL, all in 2**-FRACTION_BITS
    cents. losses: int64 (C, U), cents that they lose in each scenario that counts.
    """

    loans: Loans
    risks: LoanRisks
    amounts: Ints
    losses: Ints

    def weighed(self, plan: Plan, chunk_loans: ChunkLoans, chunk: tuple[int, int]) -> Weighed:
        """The sums over these loans. plan: of the pass. chunk: (group, chunk) numbers."""
        accounts = self.loans.account_id.to_pylist()
        return Weighed.of_chunk(plan.digest, chunk, chunk_loans.counts, accounts, self.risks, self.amounts, self.losses)

    def tally(self) -> Tally:
        """What each borrower contributes: amounts (n, 6 C), the words (see `sums`) of the three of each case.

        A borrower may owe more than one loan can, so that the amounts themselves might not add up within int64.
        """
        words = np.stack([self.amounts & sums.WORD, self.amounts >> sums.WORD_BITS], axis=2)
        return Tally.of(mix64(self.risks.key), words.reshape(-1, len(self.loans)).T)

    def table(self, plan: Plan) -> pa.Table:
        """A row for each loan, amounts in currency units."""
        loans, scale = self.loans, plan.sample / (100 << FRACTION_BITS)
        segments = pa.array(list(plan.parameters.segments))
        columns: dict[str, Any] = {
            "AccountID": loans.account_id,
            **({"ObligorID": loans.obligor_id} if plan.by_borrower else {}),
            "Segment": segments.take(pa.array(loans.segment)),
            "Exposure": self.risks.exposure / 100,
        }
        for case, (var, es, expected) in zip(plan.cases, self.amounts, strict=True):
            columns[f"ES_{case.name}"] = es * scale
            columns[f"EconomicCapital_{case.name}"] = (var - expected) * scale
        return pa.table(columns)


def weigh(
    plan: Plan,
    drawn: Iterable[ScenarioFile],
    tail: Tail,
    loans: Loans,
    by: Kernel = "compiled",
    cache: Path | None = None,
) -> Found:
    """What these loans contribute. drawn: the scenarios of each wave. by, cache: as `kernel.simulate` takes them."""
    amounts = np.zeros((len(plan.cases), 3, len(loans)), dtype=np.int64)
    lost = np.zeros((len(plan.cases), tail.shares.shape[2]), dtype=np.int64)
    start = 0
    for each in drawn:  # all have the same tables, and one is there at least
        tables, here = each.tables, slice(start, start + len(each.scenarios))
        risks = loan_risks(loans, plan.parameters, plan.cases, tables)
        found, lost[:, here] = kernel.weigh(
            risks, tables, each.scenarios, plan.seed, tail.shares[:, :, here], by, cache
        )
        amounts[:, :2] += found
        start = here.stop
    amounts[:, 2] = expected_losses(risks, tables)
    return Found(loans, risks, amounts, lost[:, tail.counted])


def names_borrowers(plan: Plan) -> bool:
    """Whether the pass tells what borrowers contribute: not of so many loans that only a slice of them is compared."""
    return plan.by_borrower and plan.count_one_in == 1


# ---------------------------------------------------------------------------------------------------------------------
# The run


@dataclass(frozen=True, eq=False)
class Owing:
    """N borrowers that contribute most in one case, the largest first. exposure: cents. amounts: as `Largest` has
    them, Python's integers. number: of all borrowers.
    """

    names: tuple[str, ...]
    loans: tuple[int, ...]
    exposure: tuple[int, ...]
    amounts: npt.NDArray[np.object_]
    number: int


def find_borrowers(first: Plan, tallies: Iterable[Tally], total: Weighed, store: Store) -> list[Owing]:
    """The borrowers that contribute most in each case.

    first: the plan of the run's first wave. tallies: of all chunks, each borrower in one of them only, as `tallies` has
    them. Raises IncompleteRun where they do not add up to the loans.
    """
    cases = len(first.cases)
    most = [Tally.merge([]) for _ in range(cases)]
    number, added = 0, np.zeros((cases, 3), dtype=object)
    for some in tallies:
        if len(some):
            number += len(some)
            added += sums.exact(_words(some, cases).astype(object).sum(axis=0))
            most = [_most(Tally.merge([before, _most(some, case)]), case) for case, before in enumerate(most)]
    if (added != sums.exact(total.totals)).any():
        raise IncompleteRun(
            "what borrowers contribute does not add up to what loans do: start the run again under its name."
        )
    named = borrowers.named(first, np.unique(np.concatenate([each.key for each in most])), store)
    return [_owing(each, case, cases, named, number) for case, each in enumerate(most)]


def tallies(plan: Plan, store: Store) -> Iterator[Tally]:
    """What each borrower contributes, one range of keys after the other. plan: of the pass. Raises IncompleteRun."""
    for part in range(plan.count_ranges):
        yield Tally.merge(tally for _, tally in borrowers.parts(plan, part, store, keys.group_tally))


def _most(tally: Tally, case: int) -> Tally:
    """The TOP that contribute most to ES in a case; none that contribute nothing."""
    if not len(tally):
        return tally
    low, high = tally.amount[:, 6 * case + 2 : 6 * case + 4].T
    high, low = high + (low >> sums.WORD_BITS), low & sums.WORD
    chosen = np.lexsort((tally.key, -low, -high))[:TOP]
    chosen = np.sort(chosen[(low[chosen] > 0) | (high[chosen] > 0)])
    return Tally(tally.key[chosen], tally.amount[chosen])


def _words(tally: Tally, cases: int) -> Ints:
    """The amounts of each key, int64 (n, C, 3, 2)."""
    return tally.amount.reshape(len(tally), cases, 3, 2)


def _owing(tally: Tally, case: int, cases: int, named: dict[int, borrowers.Borrower], number: int) -> Owing:
    if not len(tally):
        return Owing((), (), (), np.zeros((3, 0), dtype=object), number)
    amounts = sums.exact(_words(tally, cases)[:, case]).T
    found = [named[key] for key in tally.key.tolist()]
    order = sorted(range(len(found)), key=lambda row: (-int(amounts[1, row]), found[row].name))
    return Owing(
        tuple(found[row].name for row in order),
        tuple(found[row].loans for row in order),
        tuple(found[row].exposure for row in order),
        amounts[:, order],
        number,
    )


def check(plan: Plan, tail: Tail, total: Weighed, losses: Ints, place: str) -> None:
    """Raise IncompleteRun unless the loans lose in each scenario that counts what the run lost, to the cent.

    losses: int64 (C, S), what the run lost, each loan of a sample for those that it stands for. place: of these losses.
    """
    if not np.array_equal(total.losses * plan.sample, losses[:, tail.counted]):
        raise records.incomplete(Damaged(f"{place} is damaged: its losses are not those of the run's loans."))


def told(
    plan: Plan,
    drawn: Sequence[ScenarioFile],
    samples: Sequence[LossSample],
    total: Weighed,
    level: float,
    owing: Sequence[Owing] | None,
) -> dict[str, Any]:
    """The contributions of a whole run as result.json has them, in currency units, adding up to the cent.

    drawn: the scenarios of each wave. samples: what the run lost in each case. level: in percent. owing: of each case,
    where borrowers are named.
    """
    cases = {}
    for c, (case, sample) in enumerate(zip(plan.cases, samples, strict=True)):
        totals = [int(each) for each in sums.exact(total.totals[c])]
        whole = contributions(sample, sample.losses[None], level / 100)
        es, capital = (
            round(100 * (money(cents) or 0.0))
            for cents in (whole.es[0].value, whole.var[0].value - in_cents(totals[2]) * plan.sample)
        )
        found = total.largest[c]
        shared = _Shared.of((es, capital), found.amounts, totals, plan.sample)
        cases[case.name] = {
            "es": money(es),
            "economic_capital": money(capital),
            "loans": _of_loans(plan, drawn, found, c, sample, level, shared, es),
            "others": {"loans": total.counts.simulated - len(found), **shared.others()},
            "rounding": shared.rounding(),
            **(_of_borrowers(owing[c], (es, capital), totals, plan.sample) if owing is not None else {}),
        }
    return {"level": level, "loans": total.counts.simulated, "cases": cases}


@dataclass(frozen=True)
class _Shared:
    """ES and economic capital in whole cents, dealt out to some parts, and to the rest. remainder: what rounding left,
    which the largest part got.
    """

    es: list[int]
    capital: list[int]
    rest: tuple[int, int]
    remainder: tuple[int, int]

    @classmethod
    def of(cls, whole: tuple[int, int], amounts: npt.NDArray[Any], totals: Sequence[int], sample: int) -> "_Shared":
        """whole: (ES, economic capital), cents. amounts: whole numbers (3, N) of the parts, the largest first. totals:
        of all parts, exact.
        """
        kinds = [
            ([int(es) for es in amounts[1]], totals[1]),
            ([int(var) - int(expected) for var, expected in zip(amounts[0], amounts[2], strict=True)],
             totals[0] - totals[2]),
        ]  # fmt: skip
        dealt, rest, remainder = [], [], []
        for (parts, of_all), cents in zip(kinds, whole, strict=True):
            rounded = [_cents(part, sample) for part in parts]
            rest.append(_cents(of_all - sum(parts), sample))
            remainder.append(cents - sum(rounded) - rest[-1])
            if rounded:
                rounded[0] += remainder[-1]
            else:
                rest[-1] += remainder[-1]
            dealt.append(rounded)
        return cls(dealt[0], dealt[1], (rest[0], rest[1]), (remainder[0], remainder[1]))

    def others(self) -> dict[str, float | None]:
        """What the rest contributes."""
        return {"es": money(self.rest[0]), "economic_capital": money(self.rest[1])}

    def rounding(self) -> dict[str, float | None]:
        """What rounding left."""
        return {"es": money(self.remainder[0]), "economic_capital": money(self.remainder[1])}


def _cents(amount: int, sample: int) -> int:
    """An exact amount in 2**-FRACTION_BITS cents as whole cents, half up."""
    return (2 * amount * sample + (1 << FRACTION_BITS)) >> (FRACTION_BITS + 1)


def _of_loans(
    plan: Plan,
    drawn: Sequence[ScenarioFile],
    found: Largest,
    case: int,
    sample: LossSample,
    level: float,
    shared: _Shared,
    es: int,
) -> list[dict[str, Any]]:
    """The loans that contribute most to ES, each with its errors: from its loss in every scenario."""
    segments = list(plan.parameters.segments)
    rows = []
    for start in range(0, len(found), _AT_ONCE):
        some = np.arange(start, min(start + _AT_ONCE, len(found)))
        losses = _losses(found, some, drawn, plan.seed)[case] * plan.sample
        estimates = contributions(sample, losses, level / 100)
        for row, (of_var, of_es) in enumerate(zip(estimates.var, estimates.es, strict=True), start):
            rows.append(
                {
                    "account": found.accounts[row],
                    "segment": segments[found.risks.sector[row]],
                    "exposure": money(int(found.risks.exposure[row])),
                    "es": money(shared.es[row]),
                    "economic_capital": money(shared.capital[row]),
                    "standard_error": {
                        "es": money(of_es.standard_error),
                        "economic_capital": money(of_var.standard_error),
                    },
                    "share": shared.es[row] / es if es else 0.0,
                }
            )
    return rows


def _losses(found: Largest, some: npt.NDArray[np.intp], drawn: Sequence[ScenarioFile], seed: int) -> Ints:
    """What some of the loans lose in all cases and scenarios, int64 (C, N, S)."""
    risks = found.risks.select(some)
    rows = Rows(np.arange(len(risks), dtype=np.int32)[None], len(risks))
    tables: ModelTables = drawn[0].tables
    by_wave = [kernel.simulate(risks, tables, each.scenarios, seed, "numpy", rows=rows).by_row for each in drawn]
    return np.concatenate(by_wave, axis=2)


def _of_borrowers(owing: Owing, whole: tuple[int, int], totals: Sequence[int], sample: int) -> dict[str, Any]:
    """The borrowers that contribute most to ES, the largest first, and what the others do."""
    shared = _Shared.of(whole, owing.amounts, totals, sample)
    rows = [
        {
            "borrower": name,
            "loans": loans,
            "exposure": money(exposure),
            "es": money(es),
            "economic_capital": money(capital),
            "share": es / whole[0] if whole[0] else 0.0,
        }
        for name, loans, exposure, es, capital in zip(
            owing.names, owing.loans, owing.exposure, shared.es, shared.capital, strict=True
        )
    ]
    return {
        "borrowers": rows,
        "other_borrowers": {"borrowers": owing.number - len(rows), **shared.others()},
    }
