"""How long the command takes until it shows its help, and until it refuses a wrong request.

    python benchmarks/command.py            the median of 15 turns of each
    python benchmarks/command.py --most 0.4 and fail where the help takes longer

`--json FILE` writes the figures.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {"help": ["--help"], "version": ["--version"], "a wrong number": ["run", "--loans", "many"]}
TURNS = 15


def seconds(arguments: list[str]) -> float:
    """One turn, from the start of the process to its end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "cli.main", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> int:
    """Measure all, print, and compare with `--most`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--most", type=float, help="seconds that the help may take")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = {name: statistics.median(seconds(arguments) for _ in range(TURNS)) for name, arguments in COMMANDS.items()}
    for name, taken in found.items():
        print(f"{name:<16}{taken:.2f} s")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return int(options.most is not None and found["help"] > options.most)


if __name__ == "__main__":
    sys.exit(main())
