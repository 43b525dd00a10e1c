"""How long one loan takes in one scenario, on one core: the usual ways, this project's kernels, and the limit.

    python benchmarks/kernel.py [--loans 10000] [--scenarios 10000] [--repeats 9] [--plain] [--json FILE]

Every way simulates the same generated loans in the same process; they take turns, and the median of all turns counts,
because other programs disturb some of them. Time is the processor time of the one thread that works.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # before NumPy

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from generated import CASES, SEED, generated

from montecarlo.model import normal
from montecarlo.model.credit import LoanRisks
from montecarlo.model.scenarios import Scenarios
from montecarlo.model.tables import ModelTables
from montecarlo.simulation import binary, compiled, kernel
from montecarlo.simulation.binary import CompiledError
from montecarlo.simulation.trials import Rows

try:
    import pandas as pd
except ImportError:
    pd = None

REFERENCE = "kernel, NumPy, 1 case"
RAW_BYTES = 1 << 20
COPIED_BYTES = 1 << 26

VALUES = 10
"""Of a dimension."""

POINTS = (3, 16)
"""Of the lattice of correlations: from 0.01 to 0.24."""

Problem = tuple[LoanRisks, ModelTables, Scenarios]


@dataclass
class Way:
    """One way to do the work, what it does in one turn, and how many trials (or bytes) that is."""

    name: str
    turn: Callable[[], Any]
    trials: int


def main() -> int:
    parser = argparse.ArgumentParser(prog="python benchmarks/kernel.py", description="Speed of the kernel.")
    parser.add_argument("--loans", type=int, default=10_000)
    parser.add_argument("--scenarios", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--plain", action="store_true", help="plain scenarios, none of them aimed at the tail")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()

    sizes = options.loans, options.scenarios
    problems = [generated(*sizes, cases, not options.plain) for cases in range(1, len(CASES) + 1)]
    default_share = default_shares(problems[-1])
    print(f"{options.loans:,} loans, {options.scenarios:,} scenarios; trials that default:", end=" ")
    print(", ".join(f"{name} {value:.2%}" for name, value in default_share.items()))

    found = [*usual_ways(problems[-1]), *kernels(problems), *brought(problems[1]), *limits()]
    times: dict[str, list[float]] = {way.name: [] for way in found}
    for turn in range(options.repeats):
        for way in found:
            started = time.thread_time()
            way.turn()
            times[way.name].append((time.thread_time() - started) / way.trials * 1e9)
        print(f"\rturn {turn + 1} of {options.repeats}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)

    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"\n{'':36}{'ns per trial':>14}{'fastest turn':>14}{'of NumPy kernel':>17}")
    for name, value in medians.items():
        print(f"{name:36}{value:14.3f}{min(times[name]):14.3f}{value / medians[REFERENCE]:17.3f}")
    for kind in ("NumPy", "C", "C, built here"):
        if f"kernel, {kind}, 1 case" in medians:
            further = (medians[f"kernel, {kind}, 3 cases"] - medians[f"kernel, {kind}, 1 case"]) / 2
            print(f"{'each further case, ' + kind:36}{further:14.3f}")

    if options.json:
        figures = {
            "loans": options.loans,
            "scenarios": options.scenarios,
            "plain": options.plain,
            "default_share": default_share,
            "ns_per_trial": medians,
            "turns": times,
            "machine": {
                "processor": processor(),
                "machine": platform.machine(),
                "python": platform.python_version(),
                "numpy": np.__version__,
            },
        }
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


# ---------------------------------------------------------------------------------------------------------------------
# The usual ways: latent variables from normal random numbers, one case, no breakdown by region


def usual_ways(problem: Problem) -> list[Way]:
    """Row by row with pandas, and with NumPy in whole arrays; both are given PDs and factors and sum the losses."""
    loans, tables, drawn = problem
    random = np.random.default_rng(SEED)
    loading, scale = tables.loading / normal.ONE, tables.scale / normal.ONE
    factor = drawn.factors / normal.ONE
    limit = loans.alpha[0] / normal.ONE / scale[loans.sector]  # Phi^-1(PD)
    own, common = 1 / scale[loans.sector], (loading / scale)[loans.sector]
    loss = loans.loss / 100

    def with_arrays() -> np.ndarray[Any, Any]:
        total = np.zeros(len(drawn))
        for start in range(0, some, 25):
            part = slice(start, start + 25)
            latent = common[part, None] * factor[loans.sector[part]]
            latent += own[part, None] * random.standard_normal(latent.shape)
            total += loss[part] @ (latent < limit[part, None])
        return total

    def row_by_row() -> list[float]:
        def lost(loan: Any, scenario: int) -> float:
            latent = loan.common * factor[int(loan.sector), scenario] + loan.own * random.standard_normal()
            return loan.loss if latent < loan.limit else 0.0

        return [frame.apply(lost, axis=1, args=(scenario,)).sum() for scenario in range(4)]

    some = min(len(loans), 200)
    ways = [Way("usual: arrays of normals, NumPy", with_arrays, some * len(drawn))]
    if pd is None:
        print("pandas is missing, so the row-by-row way is left out: pip install '.[bench]'")
        return ways
    frame = pd.DataFrame({"sector": loans.sector, "common": common, "own": own, "limit": limit, "loss": loss})[:some]
    return [Way("usual: row by row, pandas", row_by_row, 4 * some), *ways]


# ---------------------------------------------------------------------------------------------------------------------
# The kernels, and what they cannot beat


def kernels(problems: list[Problem]) -> list[Way]:
    """The kernels with one, two and three cases, after checking that they give the same bits."""
    uses: dict[str, tuple[kernel.Kernel, Path | None]] = {"NumPy": ("numpy", None)}
    if compiled.load(None):
        uses["C"] = "compiled", None
    if here := built_here():
        uses["C, built here"] = "compiled", here
    results = [kernel.simulate(*problems[-1], SEED, *use) for use in uses.values()]
    assert [result.kernel for result in results] == [use for use, _ in uses.values()]
    for name in ("by_segment", "by_region", "frequency"):
        assert all(np.array_equal(getattr(results[0], name), getattr(other, name)) for other in results)

    def turn(use: tuple[kernel.Kernel, Path | None], problem: Problem) -> Callable[[], kernel.Simulation]:
        return lambda: kernel.simulate(*problem, SEED, *use)

    return [
        Way(
            f"kernel, {kind}, {tables.cases} case{'s' if tables.cases > 1 else ''}",
            turn(use, (loans, tables, drawn)),
            len(loans) * len(drawn),
        )
        for kind, use in uses.items()
        for loans, tables, drawn in problems
    ]


def brought(problem: Problem) -> list[Way]:
    """The kernel in C on what a portfolio or a request may bring: losses by dimension, and correlations by loan."""
    if not compiled.load(None):
        return []
    loans, tables, drawn = problem
    random = np.random.default_rng(SEED)
    points = tables.sectors + random.integers(*POINTS, len(loans))
    spread = replace(loans, loading=points.astype(np.int16))

    def dimensions(count: int) -> Callable[[], kernel.Simulation]:
        row = random.integers(0, VALUES, (count, len(loans))) + VALUES * np.arange(count)[:, None]
        rows = Rows(row.astype(np.int32), VALUES * count)
        return lambda: kernel.simulate(*problem, SEED, rows=rows)

    trials = len(loans) * len(drawn)
    return [
        Way("C, 2 cases, 3 dimensions of 10", dimensions(3), trials),
        Way("C, 2 cases, 8 dimensions of 10", dimensions(8), trials),
        Way("C, 2 cases, correlations by loan", lambda: kernel.simulate(spread, tables, drawn, SEED), trials),
    ]


def built_here() -> Path | None:
    """A cache folder for which `compiled.load` now has a library of this computer's own compiler; None without one."""
    with tempfile.TemporaryDirectory() as cache, patch.object(binary, "carried", side_effect=CompiledError("left out")):
        return Path(cache) if compiled.load(Path(cache)) else None


def default_shares(problem: Problem) -> dict[str, float]:
    """Share of the trials that are defaults, by case: what the kernels' time depends on, besides their number."""
    loans, tables, drawn = problem
    ones = replace(loans, loss=np.ones_like(loans.loss))
    defaults = kernel.simulate(ones, tables, drawn, SEED).by_segment.sum(axis=(1, 2)) / (len(loans) * len(drawn))
    return {case.name: float(share) for case, share in zip(CASES, defaults, strict=True)}


def limits() -> list[Way]:
    """One random byte a trial, with nothing done to it; and a byte moved through memory."""
    philox = np.random.Philox(key=[SEED, 0])
    source, target = np.ones(COPIED_BYTES, dtype=np.uint8), np.zeros(COPIED_BYTES, dtype=np.uint8)
    ways = [Way("limit: a byte of Philox, NumPy", lambda: philox.random_raw(RAW_BYTES // 8), RAW_BYTES)]
    if library := compiled.load(None):
        ways.append(Way("limit: a byte of Philox, C", lambda: library.random_words(SEED, 0, RAW_BYTES // 8), RAW_BYTES))
    return [*ways, Way("limit: a byte copied (memcpy)", lambda: np.copyto(target, source), COPIED_BYTES)]


def processor() -> str:
    """The processor's name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    sys.exit(main())
