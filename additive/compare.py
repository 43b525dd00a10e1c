"""Two runs beside each other: why the expected loss changed, and the loss in each scenario, to the cent.

The expected loss is followed loan by loan (`waterfall`); between runs of the same scenarios, so is the loss in every
one of them (`attribution`), and with it VaR and ES after each step. Figures that do not add up, such as VaR, stand side
by side.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from additive import attribution, remodel
from additive.attribution import Attribution
from additive.margin import Tail
from additive.replay import Replay
from additive.waterfall import Books, Waterfall, waterfalls
from montecarlo.documents import Damaged, parse
from montecarlo.errors import InvalidInput, InvalidResult, MonteCarloError
from montecarlo.model.cases import Case, unweighted
from montecarlo.model.credit import FRACTION_BITS
from montecarlo.model.parameters import Parameters
from montecarlo.model.tables import ModelTables, model_tables
from montecarlo.model.valuation import expected_losses
from montecarlo.report.document import is_number
from montecarlo.run.plan import Plan
from montecarlo.storage.parquet import to_parquet
from montecarlo.storage.sealed import unseal_document
from montecarlo.storage.store import to_json

SCHEMA = 1
TOP = 20
"""Movers of each case."""

LEVEL = 99.9


@dataclass(frozen=True)
class Side:
    """One of the runs: its results in a folder, and where it lies on a stack, the run itself."""

    folder: Path
    result: Mapping[str, Any]
    plan: Plan
    replay: Replay | None = None

    @classmethod
    def read(cls, folder: Path, replay: Replay | None = None) -> "Side":
        """The results in a folder. Raises InvalidResult where they are damaged."""
        try:
            result = parse((folder / "result.json").read_bytes())
            plan = Plan.from_json(unseal_document((folder / "plan.json").read_bytes()))
            if not isinstance(result, dict):
                raise Damaged("it is no object")
        except (OSError, Damaged, MonteCarloError) as error:
            said = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
            raise InvalidResult(
                f"{folder}: result.json or plan.json cannot be used: {said}. Download the run again, or repeat it."
            ) from None
        return cls(folder, result, plan, replay)

    def number(self, *path: str) -> float | None:
        """The number at a path of result.json; None where there is none."""
        found = _at(self.result, *path)
        return found if is_number(found) and math.isfinite(found) else None

    @property
    def loans(self) -> list[Path]:
        """The tables of its loans."""
        found = sorted((self.folder / "loans").glob("*.parquet"))
        if not found and "combined" in self.result:
            raise InvalidInput(f"run {self.plan.run} is the sum {self.plan.portfolio} of other runs: no loan is in it.")
        if not found:
            raise InvalidResult(f"{self.folder} has no loans/: download the run again.")
        return found


@dataclass(frozen=True)
class TailSteps:
    """VaR and ES at `level` percent, in cents, before the first step and after each."""

    level: float
    var: tuple[int, ...]
    es: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """Two runs. same_scenarios: whether the losses in each scenario could be followed; then `tails`, by case, and
    `losses` are there.
    """

    first: Side
    second: Side
    waterfalls: Sequence[Waterfall]
    same_scenarios: bool
    losses: Attribution | None = None
    tails: Mapping[str, TailSteps] = field(default_factory=dict)
    remarks: Sequence[str] = ()

    @property
    def currency(self) -> str:
        """The ISO code of both runs' currency."""
        return self.first.plan.columns.currency

    @property
    def largest_residual(self) -> int:
        """What the steps leave of the loss in any scenario at most, in cents."""
        return int(np.abs(self.losses.residual).max(initial=0)) if self.losses else 0

    def measures(self, case: str) -> Iterator[tuple[str, float | None, float | None]]:
        """(name, first, second) of each figure of result.json that both runs have, in currency units."""
        paths: list[tuple[str, ...]] = [("el",), ("ul",)]
        for name in ("var", "es", "economic_capital"):
            levels = _at(self.first.result, "cases", case, name)
            paths += [(name, level) for level in (levels if isinstance(levels, Mapping) else ())]
        paths += [("capital",), ("ecl", "twelve_month"), ("ecl", "lifetime")]
        for path in paths:
            before, after = (side.number("cases", case, *path) for side in (self.first, self.second))
            if before is not None or after is not None:
                yield "_".join(path), before, after

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON, amounts in currency units."""
        return {
            "schema": SCHEMA,
            **{name: _said(side) for name, side in (("first", self.first), ("second", self.second))},
            "currency": self.currency,
            "same_scenarios": self.same_scenarios,
            "remarks": list(self.remarks),
            "cases": {each.case: self._case(each) for each in self.waterfalls},
        }

    def _case(self, found: Waterfall) -> dict[str, Any]:
        tail = self.tails.get(found.case)
        names = [step.name for step in found.steps]
        return {
            "expected_loss": {
                "before": found.before / 100,
                "steps": {step.name: {"amount": step.cents / 100, "loans": step.loans} for step in found.steps},
                "after": found.after / 100,
                "residual": found.residual / 100,
            },
            "measures": {
                name: {"before": before, "after": after} for name, before, after in self.measures(found.case)
            },
            **(
                {
                    "tail": {
                        "level": tail.level,
                        "var": dict(zip(["before", *names], [cents / 100 for cents in tail.var], strict=False)),
                        "es": dict(zip(["before", *names], [round(cents / 100, 2) for cents in tail.es], strict=False)),
                    },
                    "largest_residual_of_a_scenario": self.largest_residual / 100,
                }
                if tail
                else {}
            ),
            "movers": [
                {**asdict(mover), "before": mover.before / 100, "after": mover.after / 100,
                 "steps": {name: cents / 100 for name, cents in mover.steps.items()}}
                for mover in found.movers
            ],
        }  # fmt: skip

    def scenarios_table(self) -> pa.Table | None:
        """The loss of every scenario before, its change by each step, and after, in cents; None where unknown."""
        if self.losses is None or self.first.replay is None:
            return None
        weights = self.first.replay.weights
        columns: dict[str, Any] = {"scenario": np.arange(weights.size, dtype=np.int32), "weight": weights}
        for number, case in enumerate(self.first.plan.cases):
            columns[f"{case.name}_before_cents"] = self.losses.before[number]
            for name, change in self.losses.steps.items():
                columns[f"{case.name}_{name}_cents"] = change[number]
            columns[f"{case.name}_after_cents"] = self.losses.after[number]
            columns[f"{case.name}_residual_cents"] = self.losses.residual[number]
        return pa.table(columns)


def compare(first: Side, second: Side, scratch: Path, top: int = TOP) -> Comparison:
    """Compare two runs. scratch: an empty folder. top: movers of each case.

    Raises InvalidInput that names what the runs cannot be compared for, InvalidPortfolio where a portfolio is not what
    it was.
    """
    cases, remarks = _comparable(first, second)
    with_model = _books(first, second, cases, scratch, remarks)
    published = {case: (_cents(first, case), _cents(second, case)) for case in cases}
    found = waterfalls(with_model, cases, published, first.plan.sample, top, scratch)
    for each in found:
        if each.residual:
            remarks.append(
                f"{each.case}: the loans' expected losses leave {each.residual / 100:,.2f} of the published change: "
                "loans/ and result.json are not of one run. `montecarlo verify` says which is wrong."
            )
    if not (first.replay and second.replay):
        if _same_plan(first.plan, second.plan):
            remarks.append("The runs have the same scenarios: compare them by name on a stack to follow each loss.")
        return Comparison(first, second, found, False, remarks=remarks)
    if not attribution.same_scenarios(first.replay, second.replay):
        remarks.append(
            "The runs have scenarios of their own, so only the expected loss can be followed: start the second with "
            f"--scenarios-from {first.replay.run} to follow the loss in each scenario."
        )
        return Comparison(first, second, found, False, remarks=remarks)
    (scratch / "parts").mkdir()
    losses = attribution.attribute(first.replay, second.replay, scratch / "parts")
    tails = {case: _tail(first, losses, case) for case in cases}
    made = Comparison(first, second, found, True, losses, tails, remarks)
    if made.largest_residual:
        remarks.append(
            f"The loans' losses leave up to {made.largest_residual / 100:,.2f} of a scenario's: one of the runs is not "
            "what it was. `montecarlo verify` says which."
        )
    return made


def _comparable(first: Side, second: Side) -> tuple[list[str], list[str]]:
    """The cases that both runs have, and what is to be said. Raises InvalidInput where they cannot be compared."""
    one, other = first.plan, second.plan
    for what, mine, theirs in (
        ("currency", one.columns.currency, other.columns.currency),
        ("sample", one.sample, other.sample),
        ("version of the model", one.model, other.model),
    ):
        if mine != theirs:
            raise InvalidInput(f"the runs {one.run} and {other.run} differ in their {what}: {mine} and {theirs}.")
    names = [
        [case.name for case in side.plan.cases if case.name in side.result.get("cases", {})] for side in (first, second)
    ]
    cases = [name for name in names[0] if name in names[1]]
    if not cases:
        raise InvalidInput(f"the runs {one.run} and {other.run} have no case of the same name.")
    left = [name for name in dict.fromkeys((*names[0], *names[1])) if name not in cases]
    return cases, [f"Only one of the runs has the case {name}." for name in left]


def _books(first: Side, second: Side, cases: Sequence[str], scratch: Path, remarks: list[str]) -> Books:
    """The loans of both runs, and where their models differ, the second's under what it had from the first."""
    one, other = first.plan, second.plan
    shared = [_named(plan, cases) for plan in (one, other)]
    same_parameters = one.parameters == other.parameters
    same_cases = unweighted(shared[0]) == unweighted(shared[1])
    books = Books(first.loans, second.loans)
    if same_parameters and same_cases:
        return books
    what = " and ".join(["parameters"] * (not same_parameters) + ["cases"] * (not same_cases))
    if second.replay is None or not remodel.possible(other.parameters, one.parameters):
        why = (
            "it needs the portfolio, so compare the runs by name on a stack"
            if second.replay is None
            else "the first knows not all of the second's segments, sectors and grades"
        )
        remarks.append(f"The runs have other {what}. What these change is not told apart from PD and LGD: {why}.")
        return books
    moved = _valued(second.replay, one.parameters, shared[0], scratch / "moved")
    if same_parameters or same_cases:
        # Where the parameters are the same, the first step under another model is that of the cases.
        remodelled = moved if same_parameters else None
    else:
        remodelled = _valued(second.replay, other.parameters, shared[0], scratch / "remodelled")
    return Books(books.first, books.second, moved, remodelled)


def _valued(replay: Replay, model: Parameters, cases: Sequence[Case], folder: Path) -> list[Path]:
    """The run's loans under other parameters or cases, as tables of the columns that a comparison reads."""
    folder.mkdir()
    tables: ModelTables = model_tables(model, cases)

    def write(item: tuple[int, Any]) -> Path:
        number, chunk = item
        loans = replay.read(chunk).loans
        risks = remodel.risks(loans, replay.plan.parameters, model, cases, tables)
        expected = expected_losses(risks, tables) / (100 << FRACTION_BITS)
        columns: dict[str, Any] = {"AccountID": loans.account_id, "Exposure": risks.exposure / 100}
        for place, case in enumerate(cases):
            columns[f"PD_{case.name}"] = np.where(risks.certain, 1.0, risks.pd[place] / 2.0**32)
            columns[f"ExpectedLoss_{case.name}"] = expected[place]
        path = folder / f"{number}.parquet"
        path.write_bytes(to_parquet(pa.table(columns)))
        return path

    return list(replay.over(write, enumerate(replay.chunks())))


def _tail(first: Side, losses: Attribution, case: str) -> TailSteps:
    assert first.replay
    number = [each.name for each in first.plan.cases].index(case)
    state = losses.before[number]
    states = [state]
    for change in losses.steps.values():
        state = state + change[number]
        states.append(state)
    figures = [Tail(each, first.replay.weights, LEVEL / 100).figures for each in states]
    return TailSteps(LEVEL, tuple(each.var for each in figures), tuple(each.es for each in figures))


def _named(plan: Plan, cases: Sequence[str]) -> list[Case]:
    """The plan's cases of these names, in this order. The base comes first in every plan."""
    by_name = {case.name: case for case in plan.cases}
    return [by_name[name] for name in cases]


def _same_plan(one: Plan, other: Plan) -> bool:
    return (one.seed, one.sample, unweighted(one.cases), one.scenarios_digest) == (
        other.seed, other.sample, unweighted(other.cases), other.scenarios_digest
    )  # fmt: skip


def _cents(side: Side, case: str) -> int:
    el = side.number("cases", case, "el")
    if el is None:
        raise InvalidResult(f"result.json: cases.{case}.el is no number: take the file from the run again.")
    return round(el * 100)


def _at(value: Any, *path: str) -> Any:
    """What stands at a path of a document; None where nothing does."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _said(side: Side) -> dict[str, Any]:
    return {
        "run": side.plan.run,
        "as_of": side.plan.as_of.isoformat(),
        "loans": side.number("loans", "simulated"),
        "exposure": side.number("exposure"),
    }


def write(made: Comparison, page: str, folder: Path) -> None:
    """Write all files of a comparison into a folder."""
    (folder / "compare.json").write_bytes(to_json(made.to_json(), indent=1) + b"\n")
    (folder / "compare.html").write_text(page, encoding="utf-8")
    table = made.scenarios_table()
    if table is not None:
        (folder / "scenarios.parquet").write_bytes(to_parquet(table))
