"""Prints every figure of docs/verification.md with its bound.

    python benchmarks/verify.py [CHECK ...] [--json FILE] [--document docs/verification.md]

Needs the `test` extra. Without arguments all checks run, in about a minute; --document writes the figures' tables into
the document. Ends with status 1 if a figure lies outside its bound.
"""

import argparse
import json
import platform
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from tests.verification.checks import CHECKS  # noqa: E402
from tests.verification.engine import cached_tables  # noqa: E402
from tests.verification.figures import Figure  # noqa: E402

HEADER = ("figure", "engine", "expected", "bound")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"which checks to run: {', '.join(CHECKS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--document", type=Path, metavar="FILE", help="put the figures' tables into FILE")
    options = parser.parse_args(arguments)
    if unknown := set(options.checks) - set(CHECKS):
        parser.error(f"there is no check {', '.join(sorted(unknown))}; choose from {', '.join(CHECKS)}")

    found: dict[str, list[Figure]] = {}
    for name in options.checks or CHECKS:
        started = time.perf_counter()
        try:
            with cached_tables():
                found[name] = list(CHECKS[name]())
        except ModuleNotFoundError as missing:
            print(f"\n{name}: skipped, {missing.name} is not installed")
            continue
        print(f"\n{name} ({time.perf_counter() - started:.1f} s): {' '.join((CHECKS[name].__doc__ or '').split())}")
        print(text_table(found[name]))

    failed = [f"{name}: {figure.name}" for name, figures in found.items() for figure in figures if not figure.holds]
    p_values = [figure.value for figures in found.values() for figure in figures if figure.name.endswith("p-value")]
    least = f"; {len(p_values)} p-values, the least {min(p_values):.2g}" if p_values else ""
    print(f"\n{sum(map(len, found.values()))} figures, {len(failed)} outside their bounds{least}", *failed, sep="\n  ")
    if options.json:
        options.json.write_text(json.dumps(record(found), indent=1), encoding="utf-8")
    if options.document:
        options.document.write_text(with_tables(options.document.read_text(encoding="utf-8"), found), encoding="utf-8")
    return 1 if failed else 0


def text_table(figures: Sequence[Figure]) -> str:
    rows = [HEADER, *(figure.cells() for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    flags = ["", *("" if figure.holds else "  <-- outside" for figure in figures)]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + flag
        for row, flag in zip(rows, flags, strict=True)
    )


def record(found: Mapping[str, Sequence[Figure]]) -> dict[str, object]:
    """The figures as JSON; a bound that is infinite is null."""
    libraries = {name: version(name) for name in ("numpy", "scipy")}
    checks = {
        name: [
            {key: None if value in (float("inf"), float("-inf")) else value for key, value in asdict(figure).items()}
            | {"holds": figure.holds}
            for figure in figures
        ]
        for name, figures in found.items()
    }
    return {"versions": {"python": platform.python_version(), **libraries}, "checks": checks}


def with_tables(document: str, found: Mapping[str, Sequence[Figure]]) -> str:
    """The document with the text between `<!-- CHECK -->` and `<!-- end -->` replaced by the check's table."""
    for name, figures in found.items():
        rows = [HEADER, ("---", "---:", "---:", "---"), *(figure.cells() for figure in figures)]
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not place.search(document):
            raise SystemExit(f"the document has no place for {name}: add the lines <!-- {name} --> and <!-- end -->.")
        document = place.sub(lambda match, table=table: f"{match[1]}\n{table}\n\n{match[2]}", document)
    return document


if __name__ == "__main__":
    sys.exit(main())
