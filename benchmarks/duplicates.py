"""What finding AccountIDs that occur more than once takes: for a chunk, a group and the whole portfolio.

    python benchmarks/duplicates.py [--keys 20000000] [--json FILE]

Chunks of 50,000 keys go through the code of the three steps, on buckets in memory; so S3's own time is not in it, for
which the last lines assume 60 MB a second, as `montecarlo.cost.estimate.Speed` does.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from montecarlo.cost.estimate import Speed, prices
from montecarlo.run import duplicates
from montecarlo.simulation.trials import mix64

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.memory_s3 import memory_store

CHUNK = 50_000
CHUNKS_OF_A_GROUP = 250
LOANS = 1_000_000_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python benchmarks/duplicates.py", description="Duplicates' cost.")
    parser.add_argument("--keys", type=int, default=20_000_000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    store, s3 = memory_store()
    groups = max(1, round(options.keys / CHUNK / CHUNKS_OF_A_GROUP))
    plan: Any = SimpleNamespace(
        run="r", digest="0" * 64, groups=groups, sample=1, count_one_in=1,
        count_ranges=duplicates.ranges_of(options.keys, 1),
    )  # fmt: skip
    chunks = options.keys // CHUNK // groups
    took = {"chunk": 0.0, "group": 0.0, "portfolio": 0.0}
    for group in range(groups):
        for chunk in range(chunks):
            first = (group * chunks + chunk) * CHUNK
            loans: Any = SimpleNamespace(key=mix64(np.arange(first, first + CHUNK, dtype=np.uint64)))
            took["chunk"] += seconds(lambda: duplicates.write_chunk(plan, group, chunk, loans, store))  # noqa: B023
        took["group"] += seconds(lambda: duplicates.reduce(plan, group, chunks, store))  # noqa: B023
    counted = groups * chunks * CHUNK
    took["portfolio"] = seconds(lambda: duplicates.find(plan, counted, store))
    size = sum(len(data) for key, data in s3.objects.items() if ".npz" in key)
    per_key = {name: value / counted for name, value in took.items()}
    figures = {
        "keys": counted,
        "us_per_loan": {name: round(value * 1e6, 3) for name, value in per_key.items()},
        "bytes_per_loan": round(size / counted, 2),
        "share_of_a_chunk": round(per_key["chunk"] * CHUNK / chunk_seconds(), 4),
        "billion": billion(per_key, size / counted / 2),
    }
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


def seconds(do: Any) -> float:
    started = time.process_time()
    do()
    return time.process_time() - started


def chunk_seconds() -> float:
    """What a chunk takes in 10,000 scenarios and two cases, by the estimate of a run's cost."""
    speed = Speed()
    kernel = CHUNK * 10_000 * speed.trial_ns("compiled", 2) * 1e-9
    return kernel + CHUNK * speed.loan_us * 1e-6 + speed.chunk_seconds


def billion(per_key: dict[str, float], bytes_each: float) -> dict[str, Any]:
    """A billion loans, all compared: two copies of the keys in S3, read by ReduceGroup and by Aggregate."""
    chunks = LOANS // CHUNK
    groups = chunks // (CHUNKS_OF_A_GROUP * 3 // 2)
    ranges = duplicates.ranges_of(LOANS, 1)
    files = groups * ranges * 2  # batches
    s3 = LOANS * bytes_each / (Speed.s3_mb_per_second * 1e6)
    usd = prices()["usd"]
    return {
        "gigabytes": round(2 * LOANS * bytes_each / 1e9, 1),
        "requests": 2 * (chunks + files),
        "usd": round((chunks + files) * (usd["s3_put"] + usd["s3_get"]), 2),
        "seconds_of_aggregate": round(LOANS * per_key["portfolio"] + s3),
        "seconds_of_a_group": round((LOANS * per_key["group"] + 2 * s3) / groups),
    }


if __name__ == "__main__":
    sys.exit(main())
