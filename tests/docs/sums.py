"""The worked example of docs/additive.md: a portfolio in two parts, what adds up of them, and how large sums are.

python -m tests.docs.sums              of 10,000 loans, as the document shows it
python -m tests.docs.sums 100000
"""

import sys
from collections.abc import Iterator
from typing import Any

from additive.combine import combine
from additive.operands import parse
from montecarlo.portfolio import synthetic
from montecarlo.storage import keys
from tests.memory_run import TODAY, MemoryHost, simulate


def example(loans: int = 10_000) -> Iterator[str]:
    """What `main` prints, line by line: of so many loans, six in ten of them in the north."""
    host, north = MemoryHost(), loans * 6 // 10
    parts = {"north": (0, north), "south": (north, loans - north)}
    runs: dict[str, dict[str, Any]] = {}
    for name, (first, count) in {**parts, "one run": (0, loans)}.items():
        run = name.replace(" ", "-")
        data = synthetic.to_csv(synthetic.generate(first, count, 42, TODAY))
        host.store.put(f"portfolios/{run}/loans.csv", data)
        pinned = {"scenarios_from": "north"} if runs else {}
        runs[name] = simulate(host, run=run, portfolio=f"portfolios/{run}/", **pinned)
    runs["north + south"] = combine(parse(["north + south"]), "all", host.store, lambda _: host.store).result
    yield f"{'':14}{'loans':>9}{'EL':>16}{'VaR 99.9 %':>16}{'ES 99 %':>16}"
    for name in ("north", "south", "north + south", "one run"):
        case = runs[name]["cases"]["stressed"]
        figures = (case["el"], case["var"]["99.9"], case["es"]["99"])
        yield f"{name:14}{runs[name]['loans']['simulated']:>9,}" + "".join(f"{figure:>16,.2f}" for figure in figures)
    both = sum(runs[name]["cases"]["stressed"]["var"]["99.9"] for name in parts)
    yield f"VaR of the parts, added: {both:,.2f}"
    same = host.s3.objects[keys.losses("all")] == host.s3.objects[keys.losses("one-run")]
    yield f"losses.parquet of north + south and of one run: {'the same bytes' if same else 'different'}"
    yield f"sums.npz of one run: {len(host.s3.objects[keys.sums('one-run')]) / 1e6:.1f} MB"


if __name__ == "__main__":
    print(*example(*map(int, sys.argv[1:2])), sep="\n")
