"""What a loan takes outside the kernel: to read, check, value and write it, on objects in memory.

    python benchmarks/loans.py [--loans 200000] [--repeats 7] [--scenarios 100] [--timing monthly] [--json FILE]

Chunks of 50,000 generated loans go through SimulateChunk's step; the kernel's own time is left out. Processor time of
all threads. The least of the turns counts: whatever else the machine does can only add to it.
"""

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from montecarlo.documents import decode  # noqa: E402
from montecarlo.model.parameters import TIMINGS  # noqa: E402
from montecarlo.run.chunk import Chunk  # noqa: E402
from montecarlo.run.plan import read  # noqa: E402
from montecarlo.source.objects import Slice  # noqa: E402
from montecarlo.steps import plan, plan_group, simulate_chunk  # noqa: E402
from tests.memory_run import MemoryHost, generate  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="python benchmarks/loans.py", description="Time outside the kernel.")
    parser.add_argument("--loans", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--scenarios", type=int, default=100)
    parser.add_argument("--timing", choices=TIMINGS, default=TIMINGS[0], help="when provisions take loans to default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()

    host = MemoryHost()
    generate(host, name="generated", loans=options.loans)
    request = {
        "portfolio": "portfolios/generated/",
        "scenarios": options.scenarios,
        "parameters": {"default_timing": options.timing},
    }
    planned = plan.step({"request": request, "execution": "loans", "wave": 0}, host)
    chunks = [
        Chunk(item["run"], item["group"], item["chunk"], decode(tuple[Slice, ...], item["slices"]), item["plan"])
        for group in planned["groups"]
        for item in host.json(plan_group.step(group, host)["chunks_key"])
    ]
    made = read(host.store, "loans")
    host.scenarios(made)  # as a warm worker has them

    times = []
    for _ in range(options.repeats):
        kernel, started = 0.0, time.process_time()
        for chunk in chunks:
            kernel += simulate_chunk.simulate(chunk, made, host).kernel_seconds
        times.append((time.process_time() - started - kernel) / options.loans * 1e6)
    print(f"{min(times):.2f} us a loan; turns: {', '.join(f'{turn:.2f}' for turn in times)}")
    if options.json:
        options.json.write_text(json.dumps({"us_a_loan": min(times), "turns": times}, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
