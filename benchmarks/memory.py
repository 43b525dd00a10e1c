"""How much memory `kernel.simulate` takes at its peak, against its formula, `kernel.peak_memory`.

    python benchmarks/memory.py [--cases 2] [--dimensions 0] [--sums] [--json FILE]

Every size is simulated by each kernel in a process of its own. What counts is what NumPy allocates above the loans and
scenarios that are passed in (tracemalloc); the compiled kernel allocates nothing of its own. With --sums, what
ReduceGroup and Aggregate take instead, against `partial.memory_of_sums`.
"""

import argparse
import json
import random
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
from generated import SEED, generated

from montecarlo.model.parameters import load
from montecarlo.portfolio.regions import REGIONS
from montecarlo.run.dimensions import NAMED
from montecarlo.run.partial import memory_of_sums
from montecarlo.simulation import compiled, kernel
from montecarlo.simulation.trials import Rows
from montecarlo.steps import aggregate, reduce_group

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.memory_run import MemoryHost, dataproc  # noqa: E402

LOANS = (10_000, 50_000, 100_000)
SCENARIOS = (1_000, 10_000, 50_000)

PARTS = NAMED + 2
"""Of a dimension: its values, what has none, and all others."""

IMPORTS = "import resource, montecarlo.steps.simulate_chunk; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def main() -> int:
    """Exit status: 0 the formula holds, 1 it does not."""
    parser = argparse.ArgumentParser(prog="python benchmarks/memory.py", description="Memory of the kernel.")
    parser.add_argument("--cases", type=int, default=2, choices=(1, 2, 3))
    parser.add_argument("--dimensions", type=int, default=0, help="further breakdowns, of 66 parts each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--sums", action="store_true", help="of adding up, with eight dimensions of 64 values")
    parser.add_argument("--one", nargs=3, metavar=("LOANS", "SCENARIOS", "KERNEL"), help="print the figures of one")
    options = parser.parse_args()
    if options.one:
        loans, scenarios, use = options.one
        print(json.dumps(measured(int(loans), int(scenarios), options.cases, use, options.dimensions)))
        return 0

    if options.sums:
        found = sums(3_000, 4)
        if options.json:
            options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
        return int(any(row["allocated"] > row["formula"] for row in found))

    kernels = kernel.KERNELS if compiled.load(None) else ("numpy",)
    rows, more = [], ("--cases", options.cases, "--dimensions", options.dimensions)
    print(f"MB at the peak, {options.cases} cases, {options.dimensions} dimensions")
    print(f"{'loans':>8}{'scenarios':>11}{'formula':>10}", end="")
    print("".join(f"{use:>10}" for use in kernels))
    for loans in LOANS:
        for scenarios in SCENARIOS:
            found = [run("--one", loans, scenarios, use, *more) for use in kernels]
            print(f"{loans:8,}{scenarios:11,}{found[0]['formula'] / 1e6:10.1f}", end="")
            print("".join(f"{row['allocated'] / 1e6:10.1f}" for row in found), flush=True)
            rows += found
    imports = int(subprocess.run([sys.executable, "-c", IMPORTS], check=True, stdout=subprocess.PIPE).stdout)
    imports *= 1 if sys.platform == "darwin" else 1024
    print(f"Interpreter and imports of a worker before its first chunk: {imports / 1e6:.0f} MB")
    if options.json:
        options.json.write_text(json.dumps({"imports": imports, "sizes": rows}, indent=1), encoding="utf-8")
    return int(any(row["allocated"] > row["formula"] for row in rows))


def sums(scenarios: int, waves: int) -> list[dict[str, Any]]:
    """MB that each call of ReduceGroup and Aggregate takes in a run of twenty chunks in groups, with waves."""
    dice = random.Random(SEED)
    host, found = MemoryHost(), []
    for part in "ab":
        rows = [["AccountID", "PD", "EAD", *(f"D{number}" for number in range(8))]]
        rows += [
            [f"{part}{row}", "0.05", "1000", *(f"v{dice.randrange(64)}" for _ in range(8))] for row in range(1_000)
        ]
        host.s3.objects[f"portfolios/sums/{part}.csv"] = "\n".join(map(",".join, rows)).encode()

    def call(module: Any, event: dict[str, Any]) -> dict[str, Any]:
        if module not in (reduce_group, aggregate):
            return host.call(module, event)
        tracemalloc.start()
        output = host.call(module, event)
        allocated = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        done = event.get("wave", 0) + 1
        formula = memory_of_sums(scenarios, done, 2, len(load(None).segments) + len(REGIONS) + 8 * PARTS)
        name = module.__name__.rpartition(".")[2]
        found.append({"step": name, "waves": done, "allocated": allocated, "formula": formula})
        print(f"{name:<14}wave {done}{formula:10.0f}{allocated:10.0f}")
        return output

    print(f"MB at the peak: {'':8}formula  measured")
    dataproc(
        host, call, portfolio="portfolios/sums/", scenarios=scenarios, chunk_loans=100, max_groups=2,
        dimensions=[f"D{number}" for number in range(8)], target_error=0.0001, max_scenarios=waves * scenarios,
    )  # fmt: skip
    return found


def run(*arguments: object) -> dict[str, int]:
    """This program in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    figures: dict[str, int] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return figures


def measured(size: int, scenarios: int, cases: int, use: kernel.Kernel, dimensions: int) -> dict[str, int | str]:
    """The figures of one size, in bytes."""
    problem = generated(size, scenarios, cases)
    row = np.random.default_rng(SEED).integers(0, PARTS, (dimensions, size)) + PARTS * np.arange(dimensions)[:, None]
    rows = Rows(row.astype(np.int32), PARTS * dimensions)
    tracemalloc.start()
    kernel.simulate(*problem, SEED, use, rows=rows)
    return {
        "loans": size,
        "scenarios": scenarios,
        "cases": cases,
        "dimensions": dimensions,
        "kernel": use,
        "formula": kernel.peak_memory(size, scenarios, cases, problem[1].sectors, dimensions, rows.count),
        "allocated": tracemalloc.get_traced_memory()[1],
    }


if __name__ == "__main__":
    sys.exit(main())
