"""A chunk's rows as loans, and what becomes of loans in the scenarios of a plan. Reads the portfolio, writes nothing.

What simulates a run and what works out parts of it again afterwards both come here, so that both give the same bits.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from montecarlo.model.credit import LoanRisks, loan_risks
from montecarlo.model.reverse_stress import Thresholds
from montecarlo.model.valuation import Valuation, value
from montecarlo.portfolio.loans import Loans, validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rejects import Reject
from montecarlo.run import borrowers, dimensions
from montecarlo.run.dimensions import Labels
from montecarlo.run.input_profile import InputProfile
from montecarlo.run.partial import Counts, Partial
from montecarlo.run.plan import Plan
from montecarlo.run.scenario_file import ScenarioFile
from montecarlo.simulation import kernel
from montecarlo.simulation.kernel import Kernel, Simulation
from montecarlo.simulation.trials import mix64
from montecarlo.source.objects import Slice
from montecarlo.source.reading import read_slices
from montecarlo.storage.store import Store


@dataclass(frozen=True, eq=False)
class ChunkLoans:
    """The loans of a chunk that are simulated, its bad rows, and what became of each of its rows."""

    loans: Loans
    rejects: list[Reject]
    counts: Counts

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows were rejected for each reason."""
        return dict(Counter(reject.reason for reject in self.rejects))


def read_loans(
    plan: Plan, slices: Sequence[Slice], portfolio: Store, columns: ColumnMapping | None = None
) -> ChunkLoans:
    """The loans of some slices of the portfolio, read and checked as the plan says.

    columns: other than the plan's. Raises InvalidPortfolio where an object is not what it was when the plan was made,
    or cannot be read.
    """
    columns, parameters = columns or plan.columns, plan.parameters
    rows = read_slices(slices, portfolio, columns)
    known = tuple(parameters.segments), plan.as_of, tuple(parameters.named_sectors)
    loans, rejects = validate(rows, columns, *known, parameters.staging)
    sampled = loans.select(in_sample(loans, plan.sample)) if plan.sample > 1 else loans
    counts = Counts(
        read=len(loans) + len(rejects) + rows.filtered,
        simulated=len(sampled),
        rejected=len(rejects),
        not_sampled=len(loans) - len(sampled),
        filtered=rows.filtered,
    )
    borrowers.check(plan, sampled)
    return ChunkLoans(sampled, rejects, counts)


def in_sample(loans: Loans, one_in: int) -> npt.NDArray[np.bool_]:
    """Which loans, bool (N,), belong to a sample of one borrower in so many: by their IDs, so that no file matters."""
    # The kernel's random bytes are keyed by the loan's key; its hash is independent of them.
    return np.asarray(mix64(loans.obligor_key) % np.uint64(one_in) == 0)


@dataclass(frozen=True, eq=False)
class Simulated:
    """Loans, what the model says of them, what they are worth, and what they lose in a wave of scenarios.

    labels: of the dimensions by whose parts the losses were added, too. thresholds: where the run asks which economy
    costs its capital.
    """

    loans: Loans
    risks: LoanRisks
    valuation: Valuation
    simulation: Simulation
    labels: Sequence[Labels]
    kernel_seconds: float
    thresholds: Thresholds | None = None

    def partial(
        self,
        plan: Plan,
        counts: Counts | None = None,
        reasons: dict[str, int] | None = None,
        chunk: tuple[int, int] = (0, 0),
    ) -> Partial:
        """The sums over these loans. counts: of their rows; these loans and no others where it is not given. reasons:
        how many rows were rejected for each. chunk: their (group, chunk) numbers.
        """
        return Partial.of_chunk(
            plan.digest,
            chunk,
            self.risks,
            self.valuation,
            self.simulation,
            counts or Counts(read=len(self.loans), simulated=len(self.loans)),
            reasons or {},
            self.labels,
            None if plan.wave else InputProfile.of(self.loans, self.risks, len(plan.parameters.segments)),
            self.thresholds,
        )


def simulate_loans(
    plan: Plan,
    drawn: ScenarioFile,
    loans: Loans,
    by: Kernel = "compiled",
    cache: Path | None = None,
    labels: Sequence[Labels] | None = None,
) -> Simulated:
    """Value the loans, and simulate them in the scenarios of the plan's wave, `drawn`.

    by, cache: as `kernel.simulate` takes them. labels: of the loans, to add the losses by; those of the plan's
    dimensions where they are not given. Raises InvalidPortfolio where the loans owe more than can be added up.
    """
    risks = loan_risks(loans, plan.parameters, plan.cases, drawn.tables)
    valuation = value(loans, risks, drawn.tables, plan.parameters)
    labels = dimensions.labels(loans.dimensions) if labels is None else labels
    started = time.perf_counter()
    simulation = kernel.simulate(
        risks, drawn.tables, drawn.scenarios, plan.seed, by, cache, dimensions.rows(labels, len(loans))
    )
    seconds = time.perf_counter() - started
    thresholds = Thresholds.of(risks, drawn.tables) if plan.asks_for_economies else None
    return Simulated(loans, risks, valuation, simulation, labels, seconds, thresholds)
