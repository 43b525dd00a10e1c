"""Runs a benchmark in this checkout and in another one by turns, and prints the ratio of every figure.

    python benchmarks/against.py OTHER_CHECKOUT kernel [--turns 5] [--json FILE] [-- --loans 5000 --repeats 3]

For changes that must not cost speed: `git worktree add ../before TAG` makes the other checkout. Each runs its own
`benchmarks/<name>.py --json`, with its own .venv where it has one, else with this interpreter; what follows `--`
goes to both. They take turns, since what else the machine does comes and goes; the median of each figure over the turns
counts. A ratio above 1 means that this checkout's figure is the larger one. Figures that only one of them has are
left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python benchmarks/against.py", description="Ratios to another checkout.")
    parser.add_argument("other", type=Path, metavar="OTHER_CHECKOUT")
    parser.add_argument("name", metavar="BENCHMARK", help="such as kernel: benchmarks/kernel.py of both")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    own, theirs = _split(sys.argv[1:])
    options = parser.parse_args(own)

    found: dict[Path, list[dict[str, float]]] = {options.other.resolve(): [], ROOT: []}
    for checkout in found:
        if not (checkout / "benchmarks" / f"{options.name}.py").is_file():
            parser.error(f"{checkout} has no benchmarks/{options.name}.py")
    for turn in range(options.turns):
        # Who begins changes from turn to turn, so that a machine that slows down is unfair to neither.
        for checkout in list(found) if turn % 2 else list(reversed(found)):
            found[checkout].append(measure(checkout, options.name, theirs))
        print(f"\rturn {turn + 1} of {options.turns}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)

    there, here = (
        {name: statistics.median(turn[name] for turn in turns) for name in turns[0]} for turns in found.values()
    )
    ratios = {name: here[name] / there[name] for name in here if there.get(name)}
    print(f"{'':48}{'there':>12}{'here':>12}{'ratio':>9}")
    for name, ratio in ratios.items():
        print(f"{name:48}{there[name]:12.4g}{here[name]:12.4g}{ratio:9.3f}")
    if options.json:
        figures = {"there": there, "here": here, "ratio": ratios}
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """What stands before and after `--`."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:place], arguments[place + 1 :]


def measure(checkout: Path, name: str, arguments: Sequence[str]) -> dict[str, float]:
    """The figures of one turn, by their path in the benchmark's JSON. Raises SystemExit where it fails."""
    python = checkout / ".venv" / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "figures.json")
        command = [str(python if python.exists() else sys.executable), f"benchmarks/{name}.py", "--json", str(file)]
        done = subprocess.run(
            [*command, *arguments], cwd=checkout, env={**os.environ, "PYTHONPATH": "functions"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{checkout}: {' '.join(command)} failed:\n{done.stderr[-2_000:]}")
        return dict(_numbers(json.loads(file.read_text(encoding="utf-8"))))


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of the document, but those of lists: single turns."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _numbers(item, f"{path}/{name}" if path else name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


if __name__ == "__main__":
    sys.exit(main())
