"""`montecarlo price`: loans priced one by one against a run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli import CommandError
from cli.options import Run, real, writable
from cli.place import Place, Profile, Region, StackName
from cli.screen import counted, say, show, shown, table, warn

SHOWN = 20
"""Loans in the table on the screen; files have them all."""


class Capital(StrEnum):
    """What a loan's capital is taken from."""

    ES = "es"
    VAR = "var"


def add_to(app: typer.Typer) -> None:
    """Add `price` to the command line."""
    app.command()(price)


def price(
    run: Run,
    loans: Annotated[
        Path, typer.Argument(metavar="LOANS", help="a CSV or Parquet file as the run's portfolio has them")
    ],
    hurdle: Annotated[
        float, typer.Option(parser=real, metavar="PERCENT", help="what capital must earn a year (default 10)")
    ] = 10.0,
    funding: Annotated[
        float, typer.Option(parser=real, metavar="PERCENT", help="what the loan's funding costs a year (default 0)")
    ] = 0.0,
    costs: Annotated[
        float, typer.Option(parser=real, metavar="PERCENT", help="what else the loan costs a year (default 0)")
    ] = 0.0,
    level: Annotated[float, typer.Option(parser=real, metavar="PERCENT", help="of VaR and ES (default 99.9)")] = 99.9,
    capital: Annotated[
        Capital, typer.Option(help="what the loan must earn on: its marginal ES, or its marginal VaR, less EL")
    ] = Capital.ES,
    case: Annotated[str | None, typer.Option(metavar="NAME", help="the case to show (default the first)")] = None,
    json: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="write all quotes of all cases to this file", callback=writable),
    ] = None,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Price loans against a run, each alone: its losses, its capital, and the rate that pays for it."""
    from json import dumps

    from additive import candidates
    from additive.price import Pricer, Terms
    from cli.replay import checked_case, opened, warn_of_unknown

    for option, value in (("--hurdle", hurdle), ("--funding", funding), ("--costs", costs)):
        if not 0 <= value <= 100:
            raise CommandError(f"{option} is {value:g}, but must lie from 0 to 100, in percent a year.")
    terms = Terms(hurdle / 100, funding / 100, costs / 100, capital.value)
    replay = opened(Place(stack, profile, region), run)
    pricer = Pricer(replay, level)
    case = checked_case(pricer.plan, case)
    read = candidates.from_file(pricer.plan, loans)
    quotes = [quote.to_json() for quote in pricer.price(read, terms)]
    if json:
        json.write_text(
            dumps({"run": run, "level": level, "currency": pricer.plan.columns.currency, "quotes": quotes}, indent=1)
            + "\n",
            encoding="utf-8",
        )
    chosen = [quote for quote in quotes if quote["case"] == case]
    head = ["Loan", "EL", f"ES {level:.12g}", "Capital", "Cost", "Rate", "Break-even", "RAROC"]
    money = ("el", "marginal_es", "capital", "cost_of_capital")
    rows = [
        [
            quote["account_id"],
            *(f"{quote[name]:,.2f}" for name in money),
            *(_percent(value) for value in (quote["rate"], quote["break_even_rate"], _times_100(quote["raroc"]))),
        ]
        for quote in chosen[:SHOWN]
    ]
    show(table(head, rows))
    say(
        f"\nThe portfolio of {run} with each loan alone, less the portfolio without; amounts in "
        f"{pricer.plan.columns.currency}, a year."
    )
    if len(chosen) > SHOWN:
        say(f"{counted(len(chosen) - SHOWN, 'more loan')} " + (f"in {shown(json)}." if json else "with --json FILE."))
    warn_of_unknown(replay)
    if twice := candidates.known(pricer.plan, read, replay.store):
        warn(
            f"Look again: the portfolio holds a loan of the AccountID of {counted(len(twice), 'loan')} here, such as "
            f"{twice[0]}. Two of one AccountID default together: give a new loan an AccountID of its own."
        )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f} %"


def _times_100(value: float | None) -> float | None:
    return None if value is None else 100 * value
