"""How much more precise scenarios aimed at the tail are than plain Monte Carlo, and whether their errors are honest.

    python benchmarks/tail.py [--loans 3000] [--scenarios 10000] [--seeds 60] [--waves 50] [--json FILE]

The same generated loans are simulated with both kinds of scenarios, the same number of them, under many seeds. The
variance of a measure over the seeds gives its standard error; the ratio of both kinds' variances is how many times as
many plain scenarios the same precision takes. Aimed ones take the kernel longer, for more loans default in them: how
much is printed, too. What a measure truly is comes from a long run of many waves of aimed scenarios (the expected loss
from the analytic one), which is itself held against a long plain run.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
from generated import CASES, generated

from montecarlo.model import tail_shift as tail
from montecarlo.model.credit import LoanRisks
from montecarlo.model.measures import Estimate, LossSample, Measures, independent_error, stratified_error
from montecarlo.model.parameters import load
from montecarlo.model.scenarios import Design, Scenarios, draw, mixing
from montecarlo.model.tables import ModelTables, model_tables
from montecarlo.simulation import kernel

BASE_AND_STRESSED = CASES[:2]
SEGMENT = "personal"
LONG_SEED = 1_000_000  # of the long runs; those of the others count from 1

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One measure of one case. Errors are relative to the truth; biases are in standard errors. Coverage is of the 95 %
    intervals of those runs that tell one.
    """

    measure: str
    truth: float
    plain_error: float
    aimed_error: float
    factor: float
    plain_bias: float
    aimed_bias: float
    long_runs_apart: float
    plain_coverage: float
    aimed_coverage: float
    plain_told: float
    """Mean standard error that the runs told, as a ratio to the one seen."""
    aimed_told: float


@dataclass(frozen=True)
class Comparison:
    """The aimed scenarios' shift, how many times as long they take the kernel as plain ones, and the cases' rows."""

    shift: tuple[float, ...]
    slower: float
    cases: dict[str, list[Row]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python benchmarks/tail.py", description="Precision of the tail.")
    parser.add_argument("--loans", type=int, default=3_000)
    parser.add_argument("--scenarios", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--waves", type=int, default=50, help="of the long runs, twice as many for the plain one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()

    # A segment of its own takes as many loans out of more.
    mixed, _, _ = generated(options.loans, 1, len(BASE_AND_STRESSED))
    more, _, _ = generated(3 * options.loans, 1, len(BASE_AND_STRESSED))
    one = np.flatnonzero(more.sector == list(load().segments).index(SEGMENT))[: options.loans]
    found = {}
    for name, loans in (("mixed", mixed), (SEGMENT, some_of(more, one))):
        compared = compare(loans, options.scenarios, options.seeds, options.waves)
        found[name] = {"loans": len(loans), **asdict(compared)}
        print(f"\n{name}: {len(loans):,} loans, {options.scenarios:,} scenarios, {options.seeds} seeds;", end=" ")
        print(f"shift of {math.hypot(*compared.shift):.2f} standard deviations;", end=" ")
        print(f"aimed scenarios take the kernel {compared.slower:.2f} times as long")
        for case, rows in compared.cases.items():
            print_table(case, rows)
    known_to = 2 / math.sqrt(options.seeds - 1)
    print(f"\nEach factor has a standard error of {known_to:.0%} of itself.")
    if options.json:
        figures = {"scenarios": options.scenarios, "seeds": options.seeds, "waves": options.waves, "portfolios": found}
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


def print_table(case: str, rows: Sequence[Row]) -> None:
    print(f"\n{case:<10}{'':16}{'standard error':^18}{'variance':>9}{'bias in SE':^16}{'long':>7}", end="")
    print(f"{'held by 95 %':^17}{'SE told / seen':^17}")
    columns = "".join(f"{name:>8}" for name in ("plain", "aimed"))
    print(f"{'':10}{'truth':>16}{columns:>18}{'factor':>9}{columns}{'runs':>7}{columns:>17}{columns:>17}")
    for row in rows:
        print(
            f"{row.measure:<10}{row.truth / 100:16,.0f}{row.plain_error:10.2%}{row.aimed_error:8.2%}{row.factor:9.1f}"
            f"{row.plain_bias:8.1f}{row.aimed_bias:8.1f}{row.long_runs_apart:7.1f}"
            f"{row.plain_coverage:9.0%}{row.aimed_coverage:8.0%}{row.plain_told:9.2f}{row.aimed_told:8.2f}"
        )


def some_of(loans: LoanRisks, chosen: npt.NDArray[np.intp]) -> LoanRisks:
    return LoanRisks(**{field.name: np.take(getattr(loans, field.name), chosen, axis=-1) for field in fields(loans)})


def compare(loans: LoanRisks, scenarios: int, seeds: int, waves: int) -> Comparison:
    parameters = load()
    tables = model_tables(parameters, BASE_AND_STRESSED)
    shift = tail.find_shift(tail.LossProfile.of(loans), tables, mixing(parameters), seed=1)
    assert shift is not None, "factors move the losses of generated loans"
    plain, aimed = Design(), Design(shift)
    long_plain = long_run(loans, tables, scenarios, plain, 2 * waves)
    long_aimed = long_run(loans, tables, scenarios, aimed, waves)
    runs: dict[Design, list[list[dict[str, Estimate]]]] = {plain: [], aimed: []}
    took = dict.fromkeys(runs, 0.0)
    for seed in range(1, seeds + 1):
        for design, done in runs.items():
            drawn = draw(parameters, scenarios, seed, design)
            started = time.thread_time()
            losses = simulated(loans, tables, drawn, seed)
            took[design] += time.thread_time() - started
            done.append(estimates(losses, drawn.weights, design.strata(scenarios)))
        print(f"\rseed {seed} of {seeds}    ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)

    analytic = [
        Estimate.normal(float(total) / (1 << 16), 0.0) for total in loans.expected_loss().sum(axis=1, dtype=object)
    ]
    rows = {}
    for c, case in enumerate(BASE_AND_STRESSED):
        truth = long_aimed[c] | {"EL": analytic[c]}
        rows[case.name] = [
            row(name, truth[name], long_plain[c][name], *([run[c][name] for run in runs[d]] for d in (plain, aimed)))
            for name in truth
        ]
    return Comparison(shift, took[aimed] / took[plain], rows)


def row(name: str, truth: Estimate, other: Estimate, plain: list[Estimate], aimed: list[Estimate]) -> Row:
    values = np.array([[estimate.value for estimate in runs] for runs in (plain, aimed)])
    seen = values.std(axis=1, ddof=1)
    bias = (values.mean(axis=1) - truth.value) / np.hypot(seen / math.sqrt(len(plain)), truth.standard_error)
    telling = [[e for e in runs if not math.isnan(e.standard_error)] for runs in (plain, aimed)]
    held = [average(e.low <= truth.value <= e.high for e in runs) for runs in telling]
    told = [average(e.standard_error for e in runs) for runs in telling]
    return Row(
        measure=name,
        truth=truth.value,
        plain_error=seen[0] / truth.value,
        aimed_error=seen[1] / truth.value,
        factor=(seen[0] / seen[1]) ** 2,
        plain_bias=bias[0],
        aimed_bias=bias[1],
        long_runs_apart=(other.value - truth.value) / math.hypot(other.standard_error, truth.standard_error),
        plain_coverage=held[0],
        aimed_coverage=held[1],
        plain_told=told[0] / seen[0],
        aimed_told=told[1] / seen[1],
    )


def average(values: Iterable[float]) -> float:
    """NaN where there are none: samples too small to tell their error."""
    some = list(values)
    return sum(some) / len(some) if some else math.nan


def long_run(
    loans: LoanRisks, tables: ModelTables, scenarios: int, design: Design, waves: int
) -> list[dict[str, Estimate]]:
    """The measures of each case over all scenarios of some waves."""
    losses, weights = [], []
    for wave in range(waves):
        drawn = draw(load(), scenarios, LONG_SEED, design, wave)
        losses.append(simulated(loans, tables, drawn, LONG_SEED))
        weights.append(drawn.weights / waves)
        print(f"\rwave {wave + 1} of {waves} ", end="", file=sys.stderr, flush=True)
    return estimates(np.concatenate(losses, axis=1), np.concatenate(weights), waves * design.strata(scenarios))


def simulated(loans: LoanRisks, tables: ModelTables, drawn: Scenarios, seed: int) -> npt.NDArray[np.int64]:
    """Losses (C, S) in cents."""
    return np.asarray(kernel.simulate(loans, tables, drawn, seed).by_segment.sum(axis=1))


def estimates(losses: npt.NDArray[np.int64], weights: Floats, strata: list[int]) -> list[dict[str, Estimate]]:
    """The measures of each case by name."""
    error = stratified_error(strata) if strata else independent_error
    return [named(LossSample(of_case, weights, error).measures()) for of_case in losses]


def named(measures: Measures) -> dict[str, Estimate]:
    var = {f"VaR {level:g}": estimate for level, estimate in measures.var.items()}
    es = {f"ES {level:g}": estimate for level, estimate in measures.es.items()}
    return {"EL": measures.el, "UL": measures.ul, **var, **es, "EC 99.9": measures.economic_capital[99.9]}


if __name__ == "__main__":
    sys.exit(main())
