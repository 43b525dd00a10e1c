"""`montecarlo slice`: a part of a run, and what it contributes to the whole."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import Filter, Run, real, writable
from cli.place import Place, Profile, Region, StackName
from cli.screen import say, show, shown, table, warn

MISSING = "-"
CONTRIBUTED = ("to VaR", "to ES", "±", "of ES")


def add_to(app: typer.Typer) -> None:
    """Add `slice` to the command line."""
    app.command("slice")(part)


def part(
    run: Run,
    filter: Filter = None,
    by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="break the slice down by the values of this column")
    ] = None,
    level: Annotated[
        float | None,
        typer.Option(parser=real, metavar="PERCENT", help="level of the contributions (default the run's)"),
    ] = None,
    case: Annotated[str | None, typer.Option(metavar="NAME", help="the case to show (default the first)")] = None,
    losses: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="write the slice's loss in each scenario to this Parquet file", callback=writable
        ),
    ] = None,
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
    json: Annotated[bool, typer.Option("--json", help="print everything as JSON instead of tables")] = False,
) -> None:
    """Show a part of a run's loans: its own loss distribution, and what it contributes to the run's VaR and ES."""
    from json import dumps

    from additive import slices
    from cli.files import json_text
    from cli.replay import checked_case, opened
    from montecarlo.run.result import losses_table
    from montecarlo.storage.parquet import to_parquet

    replay = opened(Place(stack, profile, region), run)
    case = checked_case(replay.plan, case)
    found = slices.find(replay, json_text(filter, "--filter"), by, level)
    if losses is not None:
        losses.write_bytes(to_parquet(losses_table(replay.plan, found.losses, found.weights)))
        say(f"The loss in each scenario is in {shown(losses)}.")
    figures = found.figures
    if figures["loans"]["rejected"] > replay.result["loans"]["rejected"]:
        more = figures["loans"]["rejected"] - replay.result["loans"]["rejected"]
        warn(
            f"Look again: {more:,} of the run's loans are left out, as the filter compares a cell that it cannot read."
        )
    if json:
        show(dumps(figures, indent=1, ensure_ascii=False))
        return
    for line in told(figures, case):
        show(line)
    say(
        f"\nto VaR, to ES: what it contributes to those of run {run}, with half of the 95 % interval; of ES: its share."
    )


def told(figures: Mapping[str, Any], case: str) -> Iterator[str]:
    """The slice in words and tables, the parts in one case."""
    simulated, exposure = figures["loans"]["simulated"], figures["exposure"]
    yield f"{simulated:,} loans of run {figures['run']}, which owe {exposure:,.0f} {figures['currency']}.\n"
    level = f"{figures['contribution_level']:g}"
    yield table(
        ["", "EL", f"VaR {level}", f"ES {level}", *CONTRIBUTED],
        (
            [
                name,
                *map(_money, (found["el"], found["own"]["var"], found["own"]["es"])),
                *_contributed(found["contribution"], found["run"], level),
            ]
            for name, found in figures["cases"].items()
        ),
    )
    if "parts" not in figures:
        return
    parts, of_run = figures["cases"][case]["parts"], figures["cases"][case]["run"]
    yield f"\nBy {figures['by']}, in the case {case}:\n"
    yield table(
        [figures["by"], "loans", "exposure", "EL", *CONTRIBUTED],
        (
            [
                name,
                f"{figures['parts'][name]['loans']:,}",
                *map(_money, (figures["parts"][name]["exposure"], found["el"])),
                *_contributed(found, of_run, level),
            ]
            for name, found in sorted(parts.items(), key=lambda one: -one[1][f"es_{level}_contribution"])
        ),
    )


def _contributed(found: Mapping[str, Any], run: Mapping[str, Any], level: str) -> list[str]:
    """What a part contributes to VaR and ES, half of the interval of the latter, and its share."""
    var, es = (found[f"{name}_{level}_contribution"] for name in ("var", "es"))
    low, high = found["interval_95"][f"es_{level}_contribution"]
    half = None if low is None or high is None else (high - low) / 2
    share = MISSING if not run["es"] else f"{100 * es / run['es']:.1f} %"
    return [_money(var), _money(es), _money(half), share]


def _money(amount: float | None) -> str:
    return MISSING if amount is None else f"{amount:,.0f}"
