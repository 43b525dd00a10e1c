"""What follows from losses that add up, beside simulating a whole portfolio anew: one run of it, and ratios to it.

    python benchmarks/additive.py [--loans 1000000] [--scenarios 10000] [--json FILE] [--folder FOLDER] [PART...]

Generated loans in 100 objects are simulated on a bucket of files. Then, each in a process of its own, whose largest
memory is told,

    price       one loan that is not in the portfolio, asked for 300 times, and 1,000 loans at once
    reuse       the portfolio with one of its objects changed: some of its loans are gone, some new, the others owe
                less; chunks that are the same are taken over
    slice       about 100,000 loans, by a filter, with their own distribution and what they contribute to the whole
    contributions   what every loan contributes: the pass over the tail
    compare     the two runs: the expected loss alone, and the loss in every scenario, too
    older       the run again a month later, when every loan is older, and compared with the first
    verify      459 chunks, or all of them where there are fewer

A ratio is how many times as much processor time the full run takes, of all threads, which says the same on a machine
that has other work; of reuse, how many times as much the kernel takes. Two chunks are simulated at a time. The state
machine is left out: times are of the steps. --folder keeps the runs, and uses those that are there: a long benchmark
can be made in parts. `compare` needs the run of `reuse`.
"""

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from additive import contributions, slices  # noqa: E402
from additive.compare import Comparison, Side, compare  # noqa: E402
from additive.price import Pricer  # noqa: E402
from additive.replay import Replay  # noqa: E402
from additive.verify import Verification, verify  # noqa: E402
from montecarlo.portfolio import synthetic  # noqa: E402
from montecarlo.source.listing import manifest  # noqa: E402
from montecarlo.source.objects import InputObject  # noqa: E402
from montecarlo.steps import aggregate, plan, plan_group, reduce_group, simulate_chunk  # noqa: E402
from montecarlo.storage import keys  # noqa: E402
from montecarlo.storage.parquet import to_parquet  # noqa: E402
from tests.memory_run import MemoryHost  # noqa: E402
from tests.memory_s3 import MemoryS3, Stored  # noqa: E402

AS_OF, A_MONTH_LATER = date(2026, 1, 1), date(2026, 2, 1)
OBJECTS = 100
FILTER = [["Segment", "==", "auto"], ["LoanTerm", "in", [36, 60]]]
ASKED = 300


class Files(MutableMapping[str, bytes]):
    """A bucket's objects as files of a folder, so that they take no memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, key: str) -> bytes:
        try:
            return (self._folder / quote(key, "")).read_bytes()
        except FileNotFoundError:
            raise KeyError(key) from None

    def __setitem__(self, key: str, data: bytes) -> None:
        (self._folder / quote(key, "")).write_bytes(data)

    def __delitem__(self, key: str) -> None:
        (self._folder / quote(key, "")).unlink()

    def __iter__(self) -> Iterator[str]:
        return (unquote(path.name) for path in sorted(self._folder.iterdir()))

    def __len__(self) -> int:
        return sum(1 for _ in self._folder.iterdir())

    def __contains__(self, key: object) -> bool:
        return (self._folder / quote(str(key), "")).exists()


class FileS3(MemoryS3):
    """`MemoryS3` over files; a range is read from its file, and an ETag is made once."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.objects = Files(folder)  # type: ignore[assignment]
        self._etags: dict[str, str] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **more: Any) -> None:  # noqa: N803, ARG002
        self.objects[Key] = Stored(Body)
        self._etags.pop(Key, None)


def host_of(folder: Path) -> MemoryHost:
    """A host whose bucket is the folder."""
    return MemoryHost(FileS3(folder))


@dataclass(frozen=True)
class Figure:
    """What was measured: seconds, those of the processor, how many times as much of the latter the full run takes, and
    the process's largest memory.
    """

    name: str
    seconds: float
    processor: float
    ratio: float
    peak_mb: float = 0.0
    more: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python benchmarks/additive.py", description="Losses that add up.")
    parser.add_argument("--loans", type=int, default=1_000_000)
    parser.add_argument("--scenarios", type=int, default=10_000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="where the runs are kept")
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these: full, " + ", ".join(PARTS))
    options = parser.parse_args()
    if unknown := set(options.parts) - {"full", *PARTS}:
        parser.error(f"there is no part {min(unknown)}: choose of full, {', '.join(PARTS)}")

    folder = options.folder or Path(tempfile.mkdtemp(prefix="additive-"))
    try:
        full = the_full_run(folder, options.loans, options.scenarios)
        figures = [Figure("full run", full.seconds, full.processor, 1.0, more=f"the kernel's part {full.kernel:.1f} s")]
        for part in options.parts or PARTS:
            for name, took, peak, more in alone(PARTS[part], folder, options.loans) if part != "full" else ():
                ratio = full.kernel / took.kernel if took.kernel else full.processor / took.processor
                figures.append(Figure(name, took.seconds, took.processor, ratio, peak, more))
    finally:
        if not options.folder:
            shutil.rmtree(folder)
    print(f"{options.loans:,} loans in {options.scenarios:,} scenarios and 2 cases\n")
    print(f"{'':30}{'seconds':>10}{'processor':>11}{'full / it':>11}{'peak MB':>9}")
    for each in figures:
        peak = f"{each.peak_mb:,.0f}" if each.peak_mb else ""
        print(f"{each.name:30}{each.seconds:10.3g}{each.processor:11.3g}{each.ratio:11,.1f}{peak:>9}  {each.more}")
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in figures], indent=1) + "\n", encoding="utf-8")
    return 0


def the_full_run(folder: Path, loans: int, scenarios: int) -> "Took":
    """What the run june takes; it is made where the folder has none."""
    noted = folder / "full.json"
    if not noted.exists():
        (folder / "bucket").mkdir(parents=True, exist_ok=True)
        host = host_of(folder / "bucket")
        each = loans // OBJECTS
        for part in range(OBJECTS):
            table = synthetic.generate(part * each, each, 42, AS_OF)
            host.store.put(f"portfolios/june/{part:03d}.parquet", to_parquet(table))
        kept = table.slice(each // 10)
        owed = pc.round(pc.multiply(kept["Balance"], 0.9), 2)
        kept = kept.set_column(kept.column_names.index("Balance"), "Balance", owed)
        changed = pa.concat_tables([kept, synthetic.generate(loans, each // 20, 42, AS_OF)])
        host.store.put("portfolios/july/changed.parquet", to_parquet(changed))
        *same, _ = host.store.list("portfolios/june/")
        listed = [
            InputObject(item.key, item.size, etag=item.etag) for item in [*same, *host.store.list("portfolios/july/")]
        ]
        host.store.put_json("portfolios/july/manifest.json", manifest(listed, AS_OF.isoformat()))
        own = {"scenarios": scenarios, "chunk_loans": each, "as_of": AS_OF.isoformat()}
        took = timed(lambda: simulate(host, run="june", portfolio="portfolios/june/", **own))
        noted.write_text(json.dumps({**asdict(took), "kernel": kernel_of(host, "june")}))
    return Took(**json.loads(noted.read_text()))


def kernel_of(host: MemoryHost, run: str) -> float:
    """Seconds of the kernel, of all chunks."""
    seconds: float = host.json(keys.result(run))["timings"]["kernel_seconds"]
    return seconds


def simulate(host: MemoryHost, **request: Any) -> None:
    """The steps of a run, two chunks at a time."""
    planned = plan.step({"request": request, "execution": "benchmark", "wave": 0}, host)
    with ThreadPoolExecutor(2) as pool:
        for group in planned["groups"]:
            grouped = plan_group.step(group, host)
            list(pool.map(lambda chunk: simulate_chunk.step(chunk, host), host.json(grouped["chunks_key"])))
            reduce_group.step({name: grouped[name] for name in ("run", "plan", "group")}, host)
    done = aggregate.step({name: planned[name] for name in ("run", "plan", "wave")}, host)
    assert not done["more"]


@dataclass(frozen=True)
class Took:
    """Seconds, those of the processor, of all threads, and where it is a run, those of its kernel."""

    seconds: float
    processor: float
    kernel: float = 0.0


def timed(do: Callable[[], Any]) -> Took:
    started, used = time.perf_counter(), time.process_time()
    do()
    return Took(time.perf_counter() - started, time.process_time() - used)


Measured = list[tuple[str, Took, float, str]]
"""(name, time, peak memory in MB, what else is to be said)."""


def alone(part: Callable[[Path, int], Measured], folder: Path, loans: int) -> Measured:
    """What a part measures in a process of its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(part, (folder, loans))


def peak_mb() -> float:
    """The most memory of this process, without what the one that started it held."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS counts bytes


def price(folder: Path, loans: int) -> Measured:
    """One loan, warm, as a program asks for it; and 1,000 at once."""
    host = host_of(folder / "bucket")
    opened = timed(lambda: Pricer.open(host.store, "june"))
    pricer = Pricer.open(host.store, "june")
    rows = synthetic.generate(10 * loans, 1_000, 7, AS_OF).to_pylist()
    pricer.price(rows[0])
    single = [timed(lambda row=row: pricer.price(row)) for row in rows[:ASKED]]
    many = timed(lambda: pricer.price(rows))
    median, most = (
        Took(
            *(
                float(np.percentile([getattr(took, name) for took in single], share))
                for name in ("seconds", "processor")
            )
        )
        for share in (50, 99)
    )
    return [
        ("price: open a run", opened, 0.0, "once"),
        ("price: one loan, median", median, 0.0, ""),
        ("price: one loan, 99 %", most, 0.0, ""),
        ("price: 1,000 loans", many, peak_mb(), ""),
    ]


def reuse(folder: Path, loans: int) -> Measured:
    """The portfolio with one object in a hundred changed."""
    host = host_of(folder / "bucket")
    own = {"chunk_loans": loans // OBJECTS, "as_of": AS_OF.isoformat()}
    took = timed(lambda: simulate(host, run="july", portfolio="portfolios/july/", reuse="june", **own))
    taken = host.json(keys.result("july"))["reused"]
    said = f"{taken['chunks']:,} of {taken['of']:,} chunks taken over"
    return [("reuse", replace(took, kernel=kernel_of(host, "july")), peak_mb(), said)]


def sliced(folder: Path, loans: int) -> Measured:
    """Loans of one segment and of some terms: about 100,000 of a million."""
    replay = Replay.open(host_of(folder / "bucket").store, "june")
    found: list[slices.Slice] = []
    took = timed(lambda: found.append(slices.find(replay, FILTER, "LoanTerm")))
    return [("slice", took, peak_mb(), f"{found[0].figures['loans']['simulated']:,} loans")]


def contributed(folder: Path, loans: int) -> Measured:
    """The pass over the tail."""
    replay = Replay.open(host_of(folder / "bucket").store, "june")
    made: list[dict[str, Any]] = []
    took = timed(lambda: made.append(contributions.find(replay, lambda _: None)))
    return [("contributions", took, peak_mb(), f"{made[0]['loans']:,} loans")]


def older(folder: Path, loans: int) -> Measured:
    """Every loan a month older: the expected loss, and the loss in every scenario."""
    host = host_of(folder / "bucket")
    own = {"chunk_loans": loans // OBJECTS, "as_of": A_MONTH_LATER.isoformat()}
    simulate(host, run="august", portfolio="portfolios/june/", scenarios_from="june", **own)
    first, second = sides(folder, there=True, second="august")
    return _compared("compare: all a month older", first, second)


def compared(folder: Path, loans: int) -> Measured:
    """Runs of which one object in a hundred differs: from folders, and with the runs themselves."""
    return [
        *_compared("compare: expected loss", *sides(folder, there=False)),
        *_compared("compare: and every scenario", *sides(folder, there=True)),
    ]


def sides(folder: Path, there: bool, second: str = "july") -> tuple[Side, Side]:
    """The results of two runs in folders, as the command has downloaded them. there: with the runs themselves."""
    host = host_of(folder / "bucket")
    found = []
    for run in ("june", second):
        target = folder / run
        if not target.exists():
            (target / "loans").mkdir(parents=True)
            for item in host.store.list(f"runs/{run}/"):
                name = item.key.removeprefix(f"runs/{run}/")
                if name in ("result.json", "plan.json") or name.startswith("loans/"):
                    (target / name).write_bytes(host.store.get(item.key))
        found.append(Side.read(target, Replay.open(host.store, run) if there else None))
    return found[0], found[1]


def _compared(name: str, first: Side, second: Side) -> Measured:
    with tempfile.TemporaryDirectory() as scratch:
        made: list[Comparison] = []
        took = timed(lambda: made.append(compare(first, second, Path(scratch))))
    assert all(not each.residual for each in made[0].waterfalls)
    assert not made[0].largest_residual
    return [(name, took, peak_mb(), "residual 0.00")]


def verified(folder: Path, loans: int) -> Measured:
    """The whole chain."""
    host = host_of(folder / "bucket")
    made: list[Verification] = []
    took = timed(lambda: made.append(verify(host.store, "june", seed=1)))
    (found,) = made
    assert found.intact, found.findings
    return [("verify", took, peak_mb(), f"{len(found.drawn):,} of {found.chunks:,} chunks")]


PARTS: dict[str, Callable[[Path, int], Measured]] = {
    "price": price,
    "reuse": reuse,
    "slice": sliced,
    "contributions": contributed,
    "compare": compared,
    "older": older,
    "verify": verified,
}


if __name__ == "__main__":
    sys.exit(main())
