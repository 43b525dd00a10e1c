"""The pictures of the command line in the documents, made by running every command.

    python -m tests.docs.screens           docs/images/screens/*.svg and docs/images/terminal.svg
    python -m tests.docs.screens --film    the recording alone
    python -m tests.docs.screens --columns 120 --to FOLDER     at another width, elsewhere, to look at

It starts the embedded AWS that `montecarlo up` would, strict, and stops it in the end; none may be up before.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cli import place
from embedded_aws import server
from montecarlo.portfolio import synthetic
from tests.docs.terminal import Line, Terminal, film, picture, run

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"

SCREENS: Mapping[str, str] = {
    "help": "--help",
    "up": "up --strict",
    "doctor": "doctor --region us-east-1",
    "init": "init loans.csv",
    "check": "check loans.csv",
    "dry-run": "run --portfolio loans.csv --dry-run",
    "run": "run --portfolio loans.csv --name june --out june",
    "list": "list",
    "show": "show june",
    "open": "open june",
    "download": "download june --out copy",
    "report": "report june --pdf",
    "share": "share june --expires 12h",
    "export": "export june june.xlsx",
    "query": 'query "SELECT Segment, count(*) AS loans FROM loans GROUP BY 1 ORDER BY 2 DESC" june',
    "slice": """slice june --filter '[["Segment", "==", "auto"]]' --by LoanTerm""",
    "combine": "combine june + branch --name all",
    "what-if": "what-if june --add deals.csv --remove sold.csv",
    "contributions": "contributions june --loans contributions.parquet",
    "reverse-stress": "reverse-stress june --loss 15e6",
    "price": "price june deals.csv --funding 4 --costs 0.5",
    "run-next": "run --portfolio next.csv --scenarios-from june --name next --out next",
    "compare": "compare june next",
    "verify": "verify june --record june-verified.json",
    "calibrate": "calibrate history.csv --grade Grade --date Looked",
    "estimate": "estimate --loans 1e9 --chunk-loans 2e5 --concurrency 1000",
    "watch": "watch july --out july",
    "cancel": "cancel august",
    "resume": "resume august --out august",
    "delete": "delete august --yes",
    "invoke": "invoke PlanParts PROJECT/events/plan_parts.json",
    "env": "env",
    "accept": "accept",
    "package": "package --bucket templates",
    "down": "down",
}
"""What is typed after `montecarlo`, by the picture's name, in this order."""

UNDER_WAY = {"watch": "july", "cancel": "august"}
"""Runs that another command has started when these are typed."""

BEFORE = {"combine": "run --portfolio branch.csv --scenarios-from june --name branch --out branch"}
"""What is typed before, without a picture."""

FILM = (
    "check loans.csv",
    "run --portfolio loans.csv --chunk-loans 500 --out june",
    "export june june.xlsx",
)
PROMPT, ROWS, LOANS = "$ ", 30, 10_000
TYPING, READING, LONGEST, SHORTEST = 0.045, 2.5, 8.0, 0.25
"""Seconds in the recording: for a letter, after a command, at most of a command, and between two pictures."""


def main() -> int:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--film", action="store_true", help="the recording alone")
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--to", type=Path, default=IMAGES)
    options = parser.parse_args()
    (options.to / "screens").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, table in portfolios().items():
            (folder / name).write_bytes(synthetic.to_csv(table))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MONTECARLO_"))},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        try:
            if not options.film:
                for name, typed in SCREENS.items():
                    if name in UNDER_WAY:
                        begin(UNDER_WAY[name], folder, environment)
                    if name in BEFORE:
                        screen(BEFORE[name], folder, environment, options.columns)
                    lines = screen(typed, folder, environment, options.columns)
                    (options.to / "screens" / f"{name}.svg").write_text(
                        picture(lines, options.columns), encoding="utf-8"
                    )
                    print(f"{name}: {len(lines)} lines")
                    if name == "up":
                        environment |= exported()
            record(folder, environment, options.to / "terminal.svg")
        finally:
            screen("down", folder, environment, 80)
    return 0


def portfolios() -> dict[str, pa.Table]:
    """The files that commands are typed with: a portfolio, the same a month later, that of a branch, three loans that
    may come, and the AccountIDs of forty that may go.
    """
    today = date.today()
    loans, new, deals, branch = (synthetic.generate(first, count, 42, today) for first, count in
                         ((0, LOANS), (LOANS, 200), (2 * LOANS, 3), (3 * LOANS, 2_000)))  # fmt: skip
    left = loans.slice(150)  # the first are repaid, and a tenth of the others owe a fifth less
    owed = left["Balance"].combine_chunks()
    tenth = pa.array([place % 10 == 0 for place in range(len(left))])
    less = pc.if_else(tenth, pc.round(pc.multiply(owed, 0.8), 2), owed)
    month = left.set_column(left.column_names.index("Balance"), "Balance", less)
    sold = loans.slice(0, 40).select(["AccountID"])
    following = pa.concat_tables([month, new])
    return {
        "history.csv": history(today),
        "loans.csv": loans,
        "next.csv": following,
        "branch.csv": branch,
        "deals.csv": deals,
        "sold.csv": sold,
    }


def history(today: date) -> pa.Table:
    """A tenth of the made-up loans in each of ten years, and how they fared: by chance, worse the dearer they are."""
    draw = np.random.default_rng(42)
    loans = synthetic.generate(4 * LOANS, LOANS, 42, date(today.year - 10, 1, 1))
    rate = loans["Rate"].to_numpy()
    looked = [f"{today.year - 10 + year}-01-01" for year in draw.integers(0, 10, LOANS)]
    grade = np.array(["A", "B", "C", "D"])[np.searchsorted([6, 9, 14], rate)]
    bad = draw.random(LOANS) < 1 / (1 + np.exp(5.0 - 0.15 * rate))
    for name, values in (("Looked", looked), ("Grade", grade), ("Outcome", bad.astype(int))):
        loans = loans.append_column(name, pa.array(values))
    return loans


def screen(typed: str, folder: Path, environment: Mapping[str, str], columns: int) -> list[Line]:
    """What stands on the terminal once a command has ended."""
    terminal = Terminal(columns)
    terminal.write(f"\x1b[32m{PROMPT}\x1b[0m\x1b[1mmontecarlo {typed.replace('PROJECT/', '')}\x1b[0m\n")
    for _, text in run(command(typed), folder, environment, columns):
        terminal.write(text)
    return hidden(terminal.shown(), folder)


def begin(name: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Start a run that goes on without the command."""
    typed = f"run --portfolio loans.csv --chunk-loans 500 --concurrency 2 --name {name} --out {name}"
    with subprocess.Popen(command(typed), cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr
        for line in started.stderr:
            if "simulating" in line:
                break
        started.kill()


def command(typed: str) -> list[str]:
    return ["sh", "-c", f"exec montecarlo {typed.replace('PROJECT', str(ROOT))}"]


def exported() -> dict[str, str]:
    """The variables that `up` tells, for what is no command of ours to work on."""
    running = server.find_running(place.STATE / "up")
    assert running
    return dict(running.environment)


def hidden(lines: list[Line], folder: Path) -> list[Line]:
    """Lines without this computer's paths and its embedded AWS's key."""
    shown = []
    for line in lines:
        text = "".join(char for char, _ in line)
        for path in (str(folder.resolve()), os.path.relpath(ROOT, folder.resolve()), str(ROOT)):  # the longer one first
            while (at := text.find(path)) >= 0:
                line = (*line[:at], ("~", line[at][1]), *line[at + len(path) :])
                text = "".join(char for char, _ in line)
        if text.startswith("export AWS_SECRET_ACCESS_KEY="):
            line = (*line[: text.index("=") + 1], *[("*", "")] * 8)
        shown.append(line)
    return shown


def record(folder: Path, environment: Mapping[str, str], target: Path) -> None:
    """The recording at the top of the README: its commands typed and run, waiting cut short."""
    shutil.rmtree(folder / "june", ignore_errors=True)
    (folder / "june.xlsx").unlink(missing_ok=True)
    frames = list(filmed(folder, environment))
    target.write_text(film(frames, ROWS, 4.0), encoding="utf-8")
    print(f"recording: {len(frames)} frames, {frames[-1][0]:.0f} s, {target.stat().st_size:,} bytes")


def filmed(folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[float, list[Line]]]:
    """(second, lines) whenever the terminal has changed."""
    terminal, now = Terminal(80), 0.0
    for typed in FILM:
        terminal.write(f"\x1b[32m{PROMPT}\x1b[0m")
        words = f"montecarlo {typed}"
        for end in range(4, len(words) + 4, 4):
            terminal.write(f"\x1b[1m{words[end - 4 : end]}\x1b[0m")
            now += 4 * TYPING
            yield now, terminal.shown()
        terminal.write("\n")
        written = list(run(command(typed), folder, environment, 80))
        pace = min(1.0, LONGEST / written[-1][0])
        began, shown = now, now
        for when, text in written:
            terminal.write(text)
            now = began + pace * when
            if now - shown >= SHORTEST:
                shown = now
                yield now, hidden(terminal.shown(), folder)
        now += SHORTEST
        yield now, hidden(terminal.shown(), folder)
        now += READING
        terminal.write("\n")


if __name__ == "__main__":
    sys.exit(main())
