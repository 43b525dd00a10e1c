"""What every loan and every borrower of a finished run contributes to its ES and its economic capital.

A second pass: once the run tells which scenarios are its tail, its loans are simulated in those again, and each loan's
losses are weighed by how much the scenario counts. So the contributions add up to the run's ES and economic capital.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from additive.replay import Replay
from montecarlo.documents import Damaged
from montecarlo.model.contributions import contributions, weights
from montecarlo.model.credit import FRACTION_BITS, loan_risks
from montecarlo.model.measures import LossSample
from montecarlo.model.valuation import expected_losses
from montecarlo.portfolio.loans import Loans, joined
from montecarlo.run import records
from montecarlo.run.chunk import Chunk
from montecarlo.run.dimensions import Labels
from montecarlo.run.request import check_level
from montecarlo.run.result import error_of_sum, in_cents, money
from montecarlo.simulation import kernel
from montecarlo.storage import keys

Ints = npt.NDArray[np.int64]

SCHEMA = 1

TOP = 100
"""Loans, and borrowers, that are named."""

_ROUNDING = 1e-6
"""What rounding the share of each default may change of a total, relative to it."""


@dataclass(frozen=True, eq=False)
class _Found:
    """N loans. exposure: int64 (N,), cents. amounts: int64 (C, 3, N), contributions to VaR and to ES, and EL, all in
    2**-FRACTION_BITS cents.
    """

    loans: Loans
    exposure: Ints
    amounts: Ints

    def select(self, rows: npt.NDArray[np.bool_]) -> "_Found":
        """The loans where `rows` is true."""
        return _Found(self.loans.select(rows), self.exposure[rows], self.amounts[:, :, rows])

    def largest(self, case: int) -> "_Found":
        """The TOP that contribute most to ES in a case, in the order that they have here; none that contribute nothing.

        Of equal ones those come first whose keys do, so that chunks do not matter.
        """
        amount = self.amounts[case, 1]
        order = np.lexsort((self.loans.key, -amount))[:TOP]
        chosen = np.zeros(amount.size, np.bool_)
        chosen[order] = amount[order] > 0
        return self.select(chosen)

    def table(self, replay: Replay) -> pa.Table:
        """A row for each loan, amounts in currency units."""
        plan, loans = replay.plan, self.loans
        scale = plan.sample / (100 << FRACTION_BITS)
        columns: dict[str, Any] = {
            "AccountID": loans.account_id,
            **({"ObligorID": loans.obligor_id} if plan.by_borrower else {}),
            "Segment": pa.array(list(plan.parameters.segments)).take(pa.array(loans.segment)),
            "Exposure": self.exposure / 100,
        }
        for case, (var, es, expected) in zip(plan.cases, self.amounts, strict=True):
            columns[f"ES_{case.name}"] = es * scale
            columns[f"EconomicCapital_{case.name}"] = (var - expected) * scale
        return pa.table(columns)


def find(replay: Replay, write: Callable[[pa.Table], None], level: float | None = None) -> dict[str, Any]:
    """The contributions of all loans: each chunk's table is given to `write`; returned are the totals and the largest.

    A loan's contribution to economic capital is that to VaR less its EL: below zero where it loses less than usual when
    VaR is lost. level: in percent, the run's `contribution_level` where it is not given. Amounts are in currency units.
    Raises InvalidPortfolio where the portfolio is not what it was, IncompleteRun where the loans do not add up to what
    the run has published.
    """
    plan = replay.plan
    level = plan.contribution_level if level is None else check_level("contribution_level", level)
    error = error_of_sum(plan, len(replay.plans))
    samples = [LossSample(losses, replay.weights, error) for losses in replay.losses]
    shares = np.array([weights(sample, level / 100) for sample in samples])
    totals = np.zeros((len(plan.cases), 3), dtype=object)
    largest: list[_Found | None] = [None for _ in plan.cases]
    borrowers: pa.Table | None = None
    loans = 0
    for made in replay.over(lambda chunk: _of_chunk(replay, chunk, shares), replay.chunks()):
        if not len(made.loans):
            continue
        loans += len(made.loans)
        totals += made.amounts.astype(object).sum(axis=2)
        for c, before in enumerate(largest):
            largest[c] = _together(before, made.largest(c)).largest(c)
        table = made.table(replay)
        if plan.by_borrower:
            borrowers = _by_borrower(borrowers, table)
        write(table)
    cases = {}
    for c, (case, sample) in enumerate(zip(plan.cases, samples, strict=True)):
        found = contributions(sample, sample.losses[None], level / 100)
        var, es = found.var[0].value, found.es[0].value
        told = [in_cents(int(each)) * plan.sample for each in totals[c]]
        _check(replay, (told[0], told[1]), (var, es))
        cases[case.name] = {
            "es": money(es),
            "economic_capital": money(var - told[2]),
            "loans": _of_loans(replay, largest[c], c, sample, level, es),
            **({} if borrowers is None else {"borrowers": _of_borrowers(borrowers, case.name, es / 100)}),
        }
    return {
        "schema": SCHEMA,
        "run": plan.run,
        "level": level,
        "currency": plan.columns.currency,
        "loans": loans,
        "cases": cases,
    }


def _of_chunk(replay: Replay, chunk: Chunk, shares: npt.NDArray[np.float64]) -> _Found:
    """What a chunk's loans contribute. shares: (C, 2, S), of the scenarios of all waves in VaR and ES."""
    plan, loans = replay.plan, replay.read(chunk).loans
    tables = replay.drawn[0].tables
    risks = loan_risks(loans, plan.parameters, plan.cases, tables)
    amounts = np.zeros((len(plan.cases), 3, len(loans)), dtype=np.int64)
    start = 0
    for drawn in replay.drawn:
        here = slice(start, start + len(drawn.scenarios))
        amounts[:, :2] += kernel.weigh(
            risks, tables, drawn.scenarios, plan.seed, shares[:, :, here], replay.kernel, replay.cache
        )
        start = here.stop
    amounts[:, 2] = expected_losses(risks, tables)
    return _Found(loans, risks.exposure, amounts)


def _together(one: _Found | None, other: _Found) -> _Found:
    if one is None:
        return other
    return _Found(
        joined([one.loans, other.loans]),
        np.concatenate([one.exposure, other.exposure]),
        np.concatenate([one.amounts, other.amounts], axis=2),
    )


def _check(replay: Replay, told: Sequence[float], published: Sequence[float]) -> None:
    """Raise IncompleteRun unless what the loans contribute adds up to the run's VaR and ES."""
    if any(abs(here - there) > _ROUNDING * abs(there) + 1 for here, there in zip(told, published, strict=True)):
        key = keys.losses(replay.run)
        raise records.incomplete(
            Damaged(f"{replay.store.url(key)} is damaged: its losses are not those of the run's loans.")
        )


def _of_loans(
    replay: Replay, found: _Found | None, case: int, sample: LossSample, level: float, es: float
) -> list[dict[str, Any]]:
    """The loans that contribute most to ES, largest first, each with its errors: from its loss in every scenario."""
    if found is None or not len(found.loans):
        return []
    plan, many = replay.plan, len(found.loans)
    labels = Labels(tuple(map(str, range(many))), np.arange(many, dtype=np.int32), True)
    by_wave = [each.simulation.by_row[case, :many] for each in replay.simulate(found.loans, [labels])]
    estimates = contributions(sample, np.concatenate(by_wave, axis=1) * plan.sample, level / 100)
    segments = list(plan.parameters.segments)
    rows = [
        {
            "account": found.loans.account_id[i].as_py(),
            "segment": segments[found.loans.segment[i]],
            "exposure": money(int(found.exposure[i])),
            "es": money(estimates.es[i].value),
            "economic_capital": money(estimates.var[i].value - in_cents(int(found.amounts[case, 2, i])) * plan.sample),
            "standard_error": {
                "es": money(estimates.es[i].standard_error),
                "economic_capital": money(estimates.var[i].standard_error),
            },
            "share": estimates.es[i].value / es if es else 0.0,
        }
        for i in range(many)
    ]
    return sorted(rows, key=lambda row: (-row["es"], row["account"]))


def _by_borrower(before: pa.Table | None, loans: pa.Table) -> pa.Table:
    """The sums of the loans' amounts by borrower, added to those of `before`; a loan without one is its own."""
    named = pc.is_valid(loans["ObligorID"])
    amounts = {name: loans[name] for name in loans.column_names if name not in ("AccountID", "ObligorID", "Segment")}
    borrower = pc.coalesce(loans["ObligorID"], loans["AccountID"])
    ones = pa.array(np.ones(len(loans), np.int64))
    table = pa.table({"Borrower": borrower, "Named": named, "Loans": ones, **amounts})
    both = table if before is None else pa.concat_tables([before, table])
    summed = both.group_by(["Borrower", "Named"], use_threads=False).aggregate(
        [(name, "sum") for name in ("Loans", *amounts)]
    )
    return summed.rename_columns([name.removesuffix("_sum") for name in summed.column_names]).select(table.column_names)


def _of_borrowers(borrowers: pa.Table, case: str, es: float) -> list[dict[str, Any]]:
    """The borrowers that contribute most to ES, largest first. es: of the run, in currency units."""
    order = [(f"ES_{case}", "descending"), ("Borrower", "ascending"), ("Named", "ascending")]
    rows = borrowers.sort_by(order).slice(0, TOP).to_pylist()
    return [
        {
            "borrower": row["Borrower"],
            "loans": row["Loans"],
            "exposure": round(row["Exposure"], 2),
            "es": round(row[f"ES_{case}"], 2),
            "economic_capital": round(row[f"EconomicCapital_{case}"], 2),
            "share": row[f"ES_{case}"] / es if es else 0.0,
        }
        for row in rows
        if row[f"ES_{case}"] > 0
    ]
