"""`montecarlo contributions`: what every loan and every borrower contributes to a run's ES and economic capital."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import CommandError
from cli.options import Run, real, writable
from cli.place import Place, Profile, Region, StackName
from cli.screen import say, show, shown, table

SHOWN = 10
"""Loans, and borrowers, on the screen; `--json` prints a hundred, `--loans` writes all."""

MISSING = "-"


def add_to(app: typer.Typer) -> None:
    """Add `contributions` to the command line."""
    app.command()(contributions)


def contributions(
    run: Run,
    level: Annotated[
        float | None,
        typer.Option(parser=real, metavar="PERCENT", help="level of ES and economic capital (default the run's)"),
    ] = None,
    case: Annotated[str | None, typer.Option(metavar="NAME", help="the case to show (default the first)")] = None,
    loans: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="write what each loan contributes to this Parquet file", callback=writable),
    ] = None,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
    json: Annotated[bool, typer.Option("--json", help="print the 100 largest of all cases as JSON")] = False,
) -> None:
    """Tell what every loan and every borrower contributes to a run's ES and economic capital."""
    import contextlib
    from json import dumps

    import pyarrow as pa
    import pyarrow.parquet as pq

    from additive import contributions as every
    from cli.replay import checked_case, opened

    replay = opened(Place(stack, profile, region), run)
    case = checked_case(replay.plan, case)
    if loans is not None and loans.exists():
        raise CommandError(f"{loans} is there already: name another, or remove it.")
    with contextlib.ExitStack() as closing:
        writers: list[pq.ParquetWriter] = []

        def write(some: pa.Table) -> None:
            if loans is not None:
                if not writers:
                    writers.append(closing.enter_context(pq.ParquetWriter(loans, some.schema, compression="snappy")))
                writers[0].write_table(some)

        try:
            figures = every.find(replay, write, level)
        except BaseException:
            if writers:
                closing.close()
                Path(str(loans)).unlink()
            raise
    if loans is not None:
        say(f"What each loan contributes is in {shown(loans)}.")
    if json:
        show(dumps(figures, indent=1, ensure_ascii=False))
        return
    for line in told(figures, case):
        show(line)


def told(figures: Mapping[str, Any], case: str) -> Iterator[str]:
    """The largest of a case in tables."""
    found, level = figures["cases"][case], f"{figures['level']:g}"
    yield (
        f"{figures['loans']:,} loans of run {figures['run']} in the case {case}, {figures['currency']}:\n"
        f"ES {level} {_money(found['es'])}, economic capital {level} {_money(found['economic_capital'])}\n"
    )
    head = ["loan", "segment", "exposure", "ES", "±", "of ES", "capital"]
    yield table(
        head,
        (
            [
                loan["account"],
                loan["segment"],
                *map(_money, (loan["exposure"], loan["es"], _half(loan["standard_error"]["es"]))),
                f"{100 * loan['share']:.2f} %",
                _money(loan["economic_capital"]),
            ]
            for loan in found["loans"][:SHOWN]
        ),
        left=(0, 1),
    )
    if "borrowers" in found:
        yield ""
        yield table(
            ["borrower", "loans", "exposure", "ES", "of ES", "capital"],
            (
                [
                    one["borrower"],
                    f"{one['loans']:,}",
                    *map(_money, (one["exposure"], one["es"])),
                    f"{100 * one['share']:.2f} %",
                    _money(one["economic_capital"]),
                ]
                for one in found["borrowers"][:SHOWN]
            ),
        )


def _half(standard_error: float | None) -> float | None:
    """Half of the 95 % interval."""
    return None if standard_error is None else 1.96 * standard_error


def _money(amount: float | None) -> str:
    return MISSING if amount is None else f"{amount:,.0f}"
