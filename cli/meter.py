"""Shows how far a run is: as a bar on a terminal, as a line now and then where the output goes elsewhere.

Everything goes to standard error, so that results can be redirected.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from cli.execution import Execution
from cli.progress import Progress, Watch
from cli.screen import counted, is_quiet, printable, say

LINE_SECONDS = 30.0
"""Between two lines about the same stage."""


@dataclass(frozen=True)
class Expected:
    """What the planner made of a run: its chunks and loans in each wave, and what it would cost."""

    chunks: int
    loans: int
    usd: float

    @classmethod
    def of(cls, estimate: Mapping[str, Any]) -> "Expected":
        """From estimate.json."""
        return cls(estimate["chunks"], estimate["work"]["loans"] // estimate["work"]["sample"], estimate["usd"])


def watched(execution: Execution, title: str, expected: Callable[[], Expected | None] = lambda: None) -> dict[str, Any]:
    """Wait for the end of an execution and show how far it is; returns its output. Raises RunFailed.

    `expected` is asked once the planning is over, and again until it knows.
    """
    watch = Watch(execution.client, execution.arn)
    if is_quiet():
        return execution.wait()
    known: list[Expected] = []
    began = time.monotonic()
    with _shown(title) as show:

        def look() -> None:
            progress = watch.look()
            if progress.stage == "simulating" and not known and (found := expected()):
                known.append(found)
            planned = known[0] if known else None
            show(progress, total(progress, planned), described(progress, planned, time.monotonic() - began))

        return execution.wait(look)


def described(progress: Progress, expected: Expected | None, seconds: float) -> str:
    """How far it is, in words: of 1,000,000 loans 400,000, 12,000 a second, 50 s left, about $0.12 so far."""
    all_of_it = total(progress, expected)
    parts = [progress.stage + (f", wave {progress.wave + 1}" if progress.wave else "")]
    if all_of_it and progress.stage in ("simulating", "generating"):
        parts.append(
            f"{progress.done:,} of {counted(all_of_it, 'chunk' if progress.stage == 'simulating' else 'file')}"
        )
    if expected and progress.done and progress.stage == "simulating":
        share = progress.done / all_of_it
        speed = expected.loans * share / seconds
        parts.append(f"{rounded(speed)} loans a second")
        if progress.done < all_of_it:
            parts.append(f"{duration(seconds * (1 - share) / share)} left")
        if expected.usd >= 0.005:
            parts.append(f"about ${expected.usd * share:,.2f} so far on AWS")
    if progress.retries:
        parts.append(f"{progress.retries:,} retried")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    return ", ".join(parts)


def total(progress: Progress, expected: Expected | None) -> int:
    """Chunks of the wave: those that are known to Step Functions, or planned."""
    return max(progress.chunks, expected.chunks if expected else 0)


def rounded(number: float) -> str:
    """A number to two digits."""
    return f"{float(f'{number:.2g}'):,.0f}"


def duration(seconds: float) -> str:
    """Seconds as a user counts them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3600:.1f} h"


Shower = Callable[[Progress, int, str], None]
"""Called with how far it is, out of how many chunks, and that in words."""


@contextlib.contextmanager
def _shown(title: str) -> Iterator[Shower]:
    """Show what is told, in the way that the output allows."""
    console = Console(stderr=True)
    with _bar(console, title) if console.is_terminal else _lines(title) as show:
        yield show


@contextlib.contextmanager
def _bar(console: Console, title: str) -> Iterator[Shower]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(title, total=None, told="")

        def show(progress: Progress, total: int, told: str) -> None:
            bars.update(
                task,
                completed=progress.done,
                total=total or None,
                told=printable(told),
            )

        yield show


@contextlib.contextmanager
def _lines(title: str) -> Iterator[Shower]:
    said, when = "", 0.0

    def show(progress: Progress, total: int, told: str) -> None:
        nonlocal said, when
        stage = f"{progress.stage} {progress.wave}"
        if stage != said or time.monotonic() - when >= LINE_SECONDS:
            said, when = stage, time.monotonic()
            say(f"{title}: {told}")

    yield show
