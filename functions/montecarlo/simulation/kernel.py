"""The simulation itself: which loans default in which scenario, and what is lost. Integers in, integers out.

Whether loan i defaults in scenario s is a pure function of (seed, loan key, s): byte s of the stream
numpy.random.Philox(key=[seed, key]).random_raw is compared with the top byte of the 32-bit threshold; on a tie, 24
bits of SplitMix64 over (seed, key, s) are compared with the threshold's low 24 bits. So a trial defaults with
probability T / 2**32 exactly as if 32 bits were drawn, at the cost of one byte. The same bits serve all cases: a case
with the higher threshold defaults wherever the lower one does.

Loans of one borrower have one key: they default together, or the one with the higher threshold first. Nothing else of a
loan depends on another, so any split of a portfolio gives the same sums. This file chooses and checks what does the
work: kernel.c where `compiled` finds it, or else `numpy_kernel`, to the same bits.

Imports NumPy, the model, the table of regions and this room only.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from montecarlo.model import normal, severity
from montecarlo.model.credit import FRACTION_BITS, LoanRisks, in_case
from montecarlo.model.scenarios import Scenarios
from montecarlo.model.tables import ModelTables
from montecarlo.portfolio.regions import REGIONS
from montecarlo.simulation import compiled, numpy_kernel
from montecarlo.simulation.trials import WEIGHT_BITS, Ints, Rows, Trials, lgd_words

logger = logging.getLogger(__name__)

Kernel = Literal["compiled", "numpy"]
"""What simulates. The compiled one gives way to NumPy where there is none."""
KERNELS: tuple[Kernel, ...] = get_args(Kernel)

_CHECKED_LOANS = 8  # simulated by both kernels before the compiled one is trusted with a chunk


@dataclass(frozen=True, eq=False)
class Simulation:
    """Losses in cents, and how often each loan defaulted.

    by_segment: int64 (C, K, S). by_region: int64 (C, REGIONS, S). by_row: int64 (C, R, S), of `Rows`.
    frequency: int64 (C, N), the weight of the scenarios in which the loan defaults, in 2**-WEIGHT_BITS. kernel: what
    computed them, to the same bits.
    """

    by_segment: Ints
    by_region: Ints
    by_row: Ints
    frequency: Ints
    kernel: Kernel


def simulate(
    loans: LoanRisks,
    tables: ModelTables,
    scenarios: Scenarios,
    seed: int,
    kernel: Kernel = "compiled",
    cache: Path | None = None,
    rows: Rows | None = None,
) -> Simulation:
    """Simulate every loan in every scenario and case.

    kernel: "numpy" does without machine code. cache: the user's cache folder, as `compiled.load` takes it. rows: where
    the losses are added beside segment and region.
    """
    rows = rows or Rows(np.empty((0, len(loans)), dtype=np.int32), 0)
    work = _Work(loans, tables, scenarios, seed, rows)
    by_row = work.no_losses(rows.count)
    by_segment = np.zeros((tables.cases, tables.sectors, len(scenarios)), dtype=np.int64)
    by_region = np.zeros((tables.cases, len(REGIONS), len(scenarios)), dtype=np.int64)
    frequency = np.zeros((tables.cases, len(loans)), dtype=np.int64)

    for loan in np.flatnonzero(loans.certain):
        loss = work.certain_loss(loan)
        by_segment[:, loans.sector[loan]] += loss
        by_region[:, loans.region[loan]] += loss
        for row in rows.row:
            by_row[:, row[loan]] += loss
        frequency[:, loan] = work.weights.sum()

    drawn = np.flatnonzero(~(loans.certain | loans.impossible))
    drawn = drawn[np.argsort(-loans.alpha[:, drawn].max(axis=0), kind="stable")]
    alike = work.alike(drawn)
    library = _trusted(compiled.load(cache) if kernel == "compiled" else None, work, drawn[alike == alike[:1]])
    for some in np.unique(alike):
        members = drawn[alike == some]
        losses, often = work.simulate_alike(members, library, by_row)
        by_segment[:, loans.sector[members[0]]] += losses.sum(axis=1)
        by_region += losses
        frequency[:, members] = often
    return Simulation(by_segment, by_region, by_row, frequency, "compiled" if library else "numpy")


def weigh(
    loans: LoanRisks,
    tables: ModelTables,
    scenarios: Scenarios,
    seed: int,
    weights: npt.NDArray[np.float64],
    kernel: Kernel = "compiled",
    cache: Path | None = None,
) -> tuple[Ints, Ints]:
    """The weighted sums of each loan's losses, int64 (C, M, N), in 2**-FRACTION_BITS cents (see `model.credit`); and
    what all loans lose in each scenario that has a weight, int64 (C, S), in cents, and 0 in the others.

    weights: (C, M, S), M weights of each scenario, not negative, whose sums are at most about 1. Only scenarios with a
    weight, and their neighbours, are simulated. kernel, cache: as in `simulate`.
    """
    found = np.zeros((*weights.shape[:2], len(loans)), dtype=np.int64)
    lost = np.zeros((weights.shape[0], weights.shape[2]), dtype=np.int64)
    wanted = np.asarray(weights.any(axis=(0, 1)))
    none = Rows(np.empty((0, len(loans)), dtype=np.int32), 0)
    library = compiled.load(cache) if kernel == "compiled" else None
    drawn = np.flatnonzero(~(loans.certain | loans.impossible))
    drawn = drawn[np.argsort(-loans.alpha[:, drawn].max(axis=0), kind="stable")]
    for part in _blocks(wanted):
        work = _Work(loans, tables, scenarios.part(part.start, part.stop), seed, none)
        shares = weights[:, :, part] * (1 << FRACTION_BITS)
        for loan in np.flatnonzero(loans.certain):
            loss = work.certain_loss(loan)
            lost[:, part] += loss
            found[:, :, loan] += np.rint(loss[:, None] * shares).astype(np.int64).sum(axis=2)
        alike = work.alike(drawn)
        trusted = _trusted(library, work, drawn[alike == alike[:1]])
        for some in np.unique(alike):
            members = drawn[alike == some]
            for case, position, scenario, loss in work.defaults(members, trusted):
                np.add.at(lost[case, part], scenario, loss)
                for total, share in zip(found[case], shares[case], strict=True):
                    np.add.at(total, members[position], np.rint(loss * share.take(scenario)).astype(np.int64))
    return found, lost * wanted


def _blocks(wanted: npt.NDArray[np.bool_]) -> Iterator[slice]:
    """Ranges of the scenarios (S,) that hold all wanted ones; each begins at a multiple of 32, as random bytes do."""
    blocks = np.unique(np.flatnonzero(wanted) // 32)
    for run in np.split(blocks, np.flatnonzero(np.diff(blocks) > 1) + 1):
        if run.size:
            yield slice(int(run[0]) * 32, min(int(run[-1] + 1) * 32, wanted.size))


def peak_memory(loans: int, scenarios: int, cases: int, sectors: int, dimensions: int = 0, rows: int = 0) -> int:
    """Bytes that `simulate` takes at most beside its arguments; `python benchmarks/memory.py` measures them.

    dimensions, rows: of `Rows`.
    """
    # The result's, one sector's and, at the check, a third; of few loans in as many rows, two more.
    checked = 2 * min(rows, dimensions * _CHECKED_LOANS)
    sums = 8 * cases * (sectors + 3 * len(REGIONS) + 2 + rows + checked) * scenarios
    columns = (24 * cases + 50 + 8 * dimensions) * loans
    buffers = (115 + 16 * cases) * max(numpy_kernel.BATCH_TRIALS, scenarios)  # a tenth, unless most trials are defaults
    return sums + columns + buffers


class _Work:
    """What is simulated."""

    def __init__(self, loans: LoanRisks, tables: ModelTables, scenarios: Scenarios, seed: int, rows: Rows) -> None:
        self.loans = loans
        self.tables = tables
        self.scenarios = scenarios
        self.seed = seed
        self.rows = rows
        self.weights = np.rint(scenarios.weights * 2.0**WEIGHT_BITS).astype(np.int64)

    def alike(self, loans: npt.NDArray[np.intp]) -> Ints:
        """A number for each of the loans, (N,): the same for those of one segment, factor and loading."""
        of, count = self.loans, self.tables.loading.size
        segment_and_factor = of.sector[loans].astype(np.int64) * len(self.scenarios.factors) + of.factor[loans]
        return np.asarray(segment_and_factor * count + of.loading[loans])

    def no_losses(self, rows: int) -> Ints:
        """int64 (C, rows, S)."""
        return np.zeros((self.tables.cases, rows, len(self.scenarios)), dtype=np.int64)

    def simulate_alike(
        self, members: npt.NDArray[np.intp], library: compiled.Library | None, by_row: Ints
    ) -> tuple[Ints, Ints]:
        """Losses by region, int64 (C, REGIONS, S), and frequencies, int64 (C, M), of M loans that are alike.

        The loans come by descending alpha. Their losses are added to `by_row`, too.
        """
        trials = self._trials(members)
        rows = self.rows.of(members)
        by_region = np.zeros((trials.cases, len(REGIONS), trials.scenarios), dtype=np.int64)
        frequency = np.zeros((trials.cases, members.size), dtype=np.int64)
        region = self.loans.region[members]
        if self.tables.severity.drawn[self.loans.sector[members[0]]]:
            for case, position, scenario, loss in self.defaults(members, library):
                numpy_kernel.add(
                    case, position, scenario, loss, region, self.weights, by_region, frequency, rows, by_row
                )
        else:
            add_losses = library.add_losses if library else numpy_kernel.add_losses
            for cases in self._same_losses(members):
                part = replace(trials, alpha=trials.alpha[cases])
                loss = in_case(self.loans.loss, cases.start)[members]
                sums = by_region[cases], frequency[cases]
                add_losses(part, loss, region, self.weights, *sums, rows, by_row[cases])
        return by_region, frequency

    def defaults(
        self, members: npt.NDArray[np.intp], library: compiled.Library | None
    ) -> Iterator[tuple[int, Ints, Ints, Ints]]:
        """Defaults of loans that are alike, by descending alpha: (case, position among them, scenario, loss), some at a
        time.
        """
        trials = self._trials(members)
        find = library.find if library else numpy_kernel.Finder(trials).find
        is_drawn = self.tables.severity.drawn[self.loans.sector[members[0]]]
        constant = [in_case(self.loans.loss, case)[members] for case in range(trials.cases)]
        for case, position, scenario in numpy_kernel.defaults(trials, find):
            loss = self._drawn_losses(members[position], scenario, case) if is_drawn else constant[case].take(position)
            yield case, position, scenario, loss

    def _same_losses(self, members: npt.NDArray[np.intp]) -> list[slice]:
        """Ranges of cases, one after the other, in each of which each loan loses the same: all cases, unless one shifts
        collateral.
        """
        loss = self.loans.loss
        if loss.ndim == 1:
            return [slice(0, self.tables.cases)]
        own = loss[:, members]
        edges = [0, *(np.flatnonzero((own[1:] != own[:-1]).any(axis=1)) + 1).tolist(), len(own)]
        return [slice(start, stop) for start, stop in pairwise(edges)]

    def certain_loss(self, loan: np.intp) -> Ints:
        """What a loan that always defaults loses in each case and scenario, int64 (C, S)."""
        scenarios = len(self.scenarios)
        found = []
        for case in range(self.tables.cases):
            if not self.tables.severity.drawn[self.loans.sector[loan]]:
                found.append(np.full(scenarios, in_case(self.loans.loss, case)[loan]))
            elif case and self.loans.lgd.ndim == 1:
                found.append(found[0])
            else:
                found.append(self._drawn_losses(np.full(scenarios, loan), np.arange(scenarios), case))
        return np.array(found)

    def _trials(self, members: npt.NDArray[np.intp]) -> Trials:
        """The trials of M loans that are alike."""
        factor, loading = self.loans.factor[members[0]], self.loans.loading[members[0]]
        drift = (self.scenarios.factors[factor] * self.tables.loading[loading]) >> normal.FRACTION_BITS
        return Trials(
            seed=self.seed,
            first_scenario=self.scenarios.first,
            phi=self.tables.phi,
            drift=drift.astype(np.int32),
            key=self.loans.key[members],
            alpha=self.loans.alpha.take(members, axis=1),
        )

    def _drawn_losses(self, loan: npt.NDArray[np.intp], scenario: Ints, case: int) -> Ints:
        """What n defaults of loans that are alike lose, int64 (n,), each with an LGD drawn for its loan and scenario.

        The cases share the draw, as they share the default's bits.
        """
        loans, tables = self.loans, self.tables
        sector = int(loans.sector[loan[0]]) if loan.size else 0
        words = lgd_words(loans.lgd_key[loan], scenario + self.scenarios.first, self.seed)
        z = self.scenarios.factors[int(loans.factor[loan[0]]) if loan.size else 0, scenario]
        lgd = in_case(loans.lgd, case)[loan]
        return severity.losses(tables.severity, sector, tables.phi, z, words, lgd, loans.exposure[loan])


def _trusted(library: compiled.Library | None, work: _Work, drawn: npt.NDArray[np.intp]) -> compiled.Library | None:
    """The library, if it gives NumPy's bits for the first loans, all alike: no damaged or miscompiled one may make a
    number.
    """
    if library is None or not drawn.size:
        return library
    few = drawn[: min(_CHECKED_LOANS, numpy_kernel.batch_loans(len(work.scenarios)))]
    used, row = np.unique(work.rows.row[:, few], return_inverse=True)  # no more sums than these loans need
    all_rows = work.rows.row.copy()
    all_rows[:, few] = row.reshape(all_rows.shape[0], few.size)
    work = _Work(work.loans, work.tables, work.scenarios, work.seed, Rows(all_rows, used.size))
    by_row = [work.no_losses(used.size) for _ in range(2)]
    ours, theirs = (work.simulate_alike(few, *each) for each in zip((None, library), by_row, strict=True))
    if all(map(np.array_equal, (*ours, by_row[0]), (*theirs, by_row[1]))):
        return library
    logger.error("NumPy simulates, for the compiled kernel gives other bits: %s.", library.binary.compiler)
    return None
