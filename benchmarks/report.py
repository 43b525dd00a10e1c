"""How long the report takes, and how large it is: 10,000 scenarios in 8 cases, made as Aggregate makes it.

    python benchmarks/report.py [--scenarios N] [--cases N] [--one-core] [--json FILE]

The result is made up: 64 segments, ten regions, losses of a gamma distribution. The time is that of the whole page from
result.json's content and the losses, of one core: a function of 1,769 MB has one. The memory is what Python and NumPy
take beside the losses.

With --one-core (Linux) the process may use one CPU only and no more than 1,769 MB of addresses, as such a function may,
and the time is that of the clock: what it waits for counts too, other programs on that CPU among it.
"""

import argparse
import json
import os
import statistics
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

from montecarlo.report.charts.losses import Distribution
from montecarlo.report.page import render

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.report.sample import case, full_result

SEGMENTS, TURNS = 64, 7
FUNCTION_BYTES = 1769 << 20


def made_up(scenarios: int, cases: int) -> tuple[dict[str, Any], dict[str, Distribution]]:
    """A result with as many parts as a report can show, and its losses."""
    result = full_result()
    names = [f"segment_{number}" for number in range(SEGMENTS)]
    part = result["cases"]["base"]["segments"]["credit_card"]
    result["cases"] = {
        f"case_{number}": case(3.63 + number, 1 + number / 10) | {"segments": dict.fromkeys(names, part)}
        for number in range(cases)
    }
    result["portfolio"]["segments"] = {name: {"loans": 1_000_000, "exposure": 1e9} for name in names}
    weights = np.full(scenarios, 1 / scenarios)
    losses = np.random.Generator(np.random.Philox(7)).gamma(2.0, 6e8, scenarios)
    return result, {
        name: Distribution((losses * (1 + number / 10)).astype(np.int64), weights)
        for number, name in enumerate(result["cases"])
    }


def like_a_function() -> None:
    """Leave the process one CPU, and 1,769 MB."""
    import resource  # of Unix only

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    resource.setrlimit(resource.RLIMIT_AS, (FUNCTION_BYTES, FUNCTION_BYTES))


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenarios", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--one-core", action="store_true", help="one CPU and 1,769 MB, by the clock")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.one_core:
        like_a_function()
    clock = time.perf_counter if options.one_core else time.process_time
    result, distributions = made_up(options.scenarios, options.cases)
    seconds = []
    for _ in range(TURNS):
        started = clock()
        page = render(result, distributions)
        seconds.append(clock() - started)
    tracemalloc.start()
    render(result, distributions)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    found = {
        "scenarios": options.scenarios,
        "cases": options.cases,
        "one_core": options.one_core,
        "first_seconds": seconds[0],
        "median_seconds": statistics.median(seconds),
        "bytes": len(page.encode()),
        "peak_memory_bytes": peak,
    }
    print(
        f"{options.scenarios:,} scenarios, {options.cases} cases: {found['median_seconds']:.3f} s (the first"
        f" {seconds[0]:.3f} s), {found['bytes'] / 1e6:.2f} MB, {peak / 1e6:.0f} MB of memory"
    )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
