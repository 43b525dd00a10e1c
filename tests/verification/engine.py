"""The engine under verification: from a portfolio's Parquet file to losses, by the code that a worker runs."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from montecarlo.model import capital, normal, severity
from montecarlo.model import tail_shift as tail
from montecarlo.model.cases import Case
from montecarlo.model.credit import LoanRisks, loan_risks
from montecarlo.model.measures import LossSample, Measures, independent_error, stratified_error
from montecarlo.model.parameters import Parameters
from montecarlo.model.scenarios import Design, Scenarios, draw, mixing
from montecarlo.model.tables import ModelTables, model_tables
from montecarlo.portfolio.files import format_of
from montecarlo.portfolio.loans import Loans, validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rows import read_rows
from montecarlo.simulation import kernel
from montecarlo.simulation.kernel import Simulation
from montecarlo.storage.parquet import to_parquet

AS_OF = date(2026, 1, 1)
BASE = Case("base", 3.63, {})
STRESSED = Case("stressed", 8.0, {})

Sampling = Literal["plain", "mixture"]
SAMPLINGS: tuple[Sampling, ...] = ("plain", "mixture")


@dataclass(frozen=True, eq=False)
class Run:
    """A simulated portfolio. losses: int64 (C, S), cents."""

    loans: LoanRisks
    tables: ModelTables
    scenarios: Scenarios
    simulation: Simulation
    error_of_sum: Callable[[npt.NDArray[np.float64]], float]

    @cached_property
    def losses(self) -> npt.NDArray[np.int64]:
        return np.asarray(self.simulation.by_segment.sum(axis=1))

    @property
    def sample(self) -> LossSample:
        """Of the first case."""
        return LossSample(self.losses[0], self.scenarios.weights, self.error_of_sum)

    @cached_property
    def measures(self) -> Measures:
        """Of the first case."""
        return self.sample.measures()

    @property
    def factors(self) -> npt.NDArray[np.float64]:
        """Sector factors (K, S)."""
        return self.scenarios.factors / 2.0**24

    def mean(self, values: npt.NDArray[np.float64]) -> tuple[float, float]:
        """The expectation of one value a scenario, with its standard error."""
        mean = float(self.scenarios.weights @ values)
        return mean, self.error_of_sum(self.scenarios.weights * (values - mean))


@contextmanager
def cached_tables() -> Iterator[None]:
    """Compute the tables that do not depend on the seed once: they take most of the time of drawing few scenarios."""

    def remembering(table: Callable[..., Any]) -> Callable[..., Any]:
        known: dict[str, Any] = {}

        def remembered(*arguments: Any) -> Any:
            key = repr(arguments)
            if key not in known:
                known[key] = table(*arguments)
            return known[key]

        return remembered

    with ExitStack() as stack:
        for module in (normal, capital, severity):
            stack.enter_context(patch.object(module, "table", remembering(module.table)))
        yield


def loans_of(portfolio: pa.Table | bytes, parameters: Parameters, mapping: ColumnMapping | None = None) -> Loans:
    """The loans of a table (through Parquet) or of a CSV's bytes; every row must be valid."""
    columns = replace(mapping or ColumnMapping(), grades=parameters.first_pds)
    name = "pool.parquet" if isinstance(portfolio, pa.Table) else "pool.csv"
    data = to_parquet(portfolio) if isinstance(portfolio, pa.Table) else portfolio
    rows = read_rows(io.BytesIO(data), name, format_of(name) or "csv", columns)
    loans, rejects = validate(
        rows, columns, tuple(parameters.segments), columns.as_of or AS_OF, parameters.named_sectors
    )
    assert not rejects, rejects[0]
    return loans


def pool(
    loans: int,
    pd: Any,
    exposure: Any = 100.0,
    lgd: Any = 1.0,
    segment: Any = "personal",
    obligor: Sequence[str] | None = None,
) -> pa.Table:
    """A portfolio with its own PD, EAD and LGD, each one value or (loans,). AccountIDs are sequential.

    obligor: (loans,), the loans' borrowers; each loan its own by default.
    """

    def column(value: Any) -> pa.Array:
        return pa.repeat(pa.scalar(value), loans) if isinstance(value, float | str) else pa.array(value)

    values = {"PD": pd, "EAD": exposure, "LGD": lgd, "Segment": segment}
    ids = pa.array([f"A{number:08d}" for number in range(loans)])
    obligors = {} if obligor is None else {"ObligorID": pa.array(obligor)}
    return pa.table({"AccountID": ids, **obligors, **{name: column(value) for name, value in values.items()}})


def simulate(
    portfolio: pa.Table,
    parameters: Parameters,
    scenarios: int,
    seed: int,
    cases: Sequence[Case] = (BASE,),
    sampling: Sampling = "plain",
) -> Run:
    """Simulate a portfolio, with plain scenarios or with the mixture that is aimed at its tail."""
    loans = loans_of(portfolio, parameters)
    tables = model_tables(parameters, cases)
    risks = loan_risks(loans, parameters, cases, tables)
    return simulate_risks(risks, parameters, scenarios, seed, cases, design(risks, parameters, tables, sampling))


def design(risks: LoanRisks, parameters: Parameters, tables: ModelTables, sampling: Sampling) -> Design:
    """How the scenarios are to be drawn."""
    if sampling == "plain":
        return Design()
    return Design(tail.find_shift(tail.LossProfile.of(risks), tables, mixing(parameters), seed=0))


def simulate_risks(
    risks: LoanRisks, parameters: Parameters, scenarios: int, seed: int, cases: Sequence[Case], how: Design
) -> Run:
    """As `simulate`, from loans whose risks are known already."""
    tables, drawn = model_tables(parameters, cases), draw(parameters, scenarios, seed, how)
    strata = how.strata(scenarios)
    error = stratified_error(strata) if strata else independent_error
    return Run(risks, tables, drawn, kernel.simulate(risks, tables, drawn, seed), error)
