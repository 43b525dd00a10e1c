"""The worked examples of docs/additive.md.

python -m tests.docs.sums              a portfolio in two parts, what adds up of them, and how large sums are
python -m tests.docs.sums 100000       the same of so many loans, and not of 10,000
python -m tests.docs.sums pin          a month later, under scenarios of its own and under those of the month before
python -m tests.docs.sums reuse        one of ten files was corrected
"""

import io
import sys
import zipfile
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

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
    yield from sizes(host.s3.objects[keys.sums("one-run")])


def sizes(file: bytes) -> Iterator[str]:
    """How large the file of a run's sums is, and what takes the room."""
    with zipfile.ZipFile(io.BytesIO(file)) as parts:
        by_kind = {
            kind: sum(item.compress_size for item in parts.infolist() if kind in item.filename)
            for kind in ("segments", "regions")
        }
    told = " and ".join(f"{kind} {size / 1e6:.1f} MB" for kind, size in by_kind.items())
    yield f"sums.npz of one run: {len(file) / 1e6:.1f} MB, of which {told}"


def pin() -> Iterator[str]:
    """Of June's 10,000 loans 100 are repaid, and 50 are new: what else moves."""
    host = MemoryHost()
    june = synthetic.generate(0, 10_000, 42, TODAY)
    july = pa.concat_tables([june.slice(100), synthetic.generate(10_000, 50, 42, TODAY)])
    for name, table in {"june": june, "july": july}.items():
        host.store.put(f"portfolios/{name}/loans.csv", synthetic.to_csv(table))
    simulate(host, run="june", portfolio="portfolios/june/", scenarios=2_000)
    before = frequencies(host, "june")
    yield f"{'':35}{'VaR 99.9 %':>14}   {'unchanged loans that default otherwise':>38}"
    yield f"{'june':35}{var(host, 'june'):>14,.2f}"
    for run, name, more in (
        ("own", "july, scenarios of its own", {"scenarios": 2_000}),
        ("july", "july, --scenarios-from june", {"scenarios_from": "june"}),
    ):
        simulate(host, run=run, portfolio="portfolios/july/", **more)
        after = frequencies(host, run)
        moved = sum(before[account] != often for account, often in after.items() if account in before)
        yield f"{name:35}{var(host, run):>14,.2f}   {moved:>22,} of {len(before.keys() & after.keys()):,}"


def var(host: MemoryHost, run: str) -> float:
    value: float = host.json(keys.result(run))["cases"]["stressed"]["var"]["99.9"]
    return value


def frequencies(host: MemoryHost, run: str) -> dict[str, float]:
    """In how many of the scenarios each loan defaults, by their weight."""
    found: dict[str, float] = {}
    for key in [key for key in host.s3.objects if key.startswith(keys.loans(run))]:
        table = pq.read_table(
            io.BytesIO(host.s3.objects[key]), columns=["AccountID", "DefaultFrequency_stressed"], use_threads=False
        )
        found |= dict(zip(*table.to_pydict().values(), strict=True))
    return found


def reuse() -> Iterator[str]:
    """Of ten files with 1,000 loans each one is written again, without its first loan."""
    host = MemoryHost()
    for number in range(10):
        host.store.put(
            f"portfolios/p/{number}.csv", synthetic.to_csv(synthetic.generate(1_000 * number, 1_000, 42, TODAY))
        )
    own = {"portfolio": "portfolios/p/", "chunk_loans": 1_000}
    simulate(host, run="june", scenarios=2_000, **own)
    host.store.put("portfolios/p/3.csv", synthetic.to_csv(synthetic.generate(3_001, 999, 42, TODAY)))
    reused = simulate(host, run="june-corrected", reuse="june", **own)["reused"]
    yield f"chunks taken over: {reused['chunks']} of {reused['of']}"
    simulate(host, run="anew", scenarios_from="june", **own)
    for make in (keys.losses, keys.segments):
        name = make("").removeprefix("runs//")
        same = host.s3.objects[make("june-corrected")] == host.s3.objects[make("anew")]
        yield f"{name} of june-corrected and of a run of all chunks: {'the same bytes' if same else 'different'}"


if __name__ == "__main__":
    given = sys.argv[1:2]
    examples = {"pin": pin, "reuse": reuse}
    print(*(examples[given[0]]() if given and given[0] in examples else example(*map(int, given))), sep="\n")
