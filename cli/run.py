"""`montecarlo run`: a portfolio simulated, its results in a folder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import CommandError
from cli.options import (
    LEVELS,
    RATE,
    Contributions,
    Filter,
    Mapping,
    MaxDuplicateShare,
    Out,
    Parameters,
    Sample,
    Scenarios,
    named,
    real,
    whole,
)
from cli.place import Place, Profile, Region, StackName
from cli.screen import be_quiet, show, typed, warn

DEFAULT_LOANS = 100_000

COMMERCIAL = Path(__file__).resolve().parents[1] / "examples" / "commercial" / "request.json"
"""What a run of the commercial book is asked for, unless the command line says otherwise."""


def add_to(app: typer.Typer) -> None:
    """Add `run` to the command line."""
    app.command()(run)


def run(
    name: Annotated[str | None, typer.Option(help="what the run is called (default run- and the time)")] = None,
    loans: Annotated[
        int | None,
        typer.Option(
            parser=whole, metavar="N", help=f"generate a portfolio of so many loans (default {DEFAULT_LOANS:,})"
        ),
    ] = None,
    book: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="generate this kind of loans: retail (default), or commercial, broken down by rating and more",
        ),
    ] = None,
    portfolio: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="simulate this CSV or Parquet file, the files of this folder, or s3://..."),
    ] = None,
    mapping: Mapping = None,
    parameters: Parameters = None,
    scenarios: Scenarios = None,
    seed: Annotated[
        int | None, typer.Option(parser=whole, metavar="N", help="random seed of the simulation (default 42)")
    ] = None,
    portfolio_seed: Annotated[
        int | None, typer.Option(parser=whole, metavar="N", help="random seed of the generated loans (default 42)")
    ] = None,
    fed_rate: Annotated[
        list[float] | None,
        typer.Option(
            RATE,
            parser=real,
            metavar="PERCENT...",
            help="Federal Funds rate of the stressed case in % (default 8), or of several",
        ),
    ] = None,
    cases: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON file with named stress cases, such as examples/stress/cases.json"),
    ] = None,
    target_error: Annotated[
        float | None,
        typer.Option(parser=real, metavar="X", help="add scenarios until VaR 99.9 is this precise, such as 0.01"),
    ] = None,
    target_measure: Annotated[
        str | None, typer.Option(metavar="NAME", help="the measure that --target-error is about (default var_99.9)")
    ] = None,
    max_scenarios: Annotated[
        int | None,
        typer.Option(
            parser=whole, metavar="N", help="the most scenarios that --target-error may take (default 200,000)"
        ),
    ] = None,
    levels: Annotated[
        list[float] | None,
        typer.Option(
            LEVELS,
            parser=real,
            metavar="PERCENT...",
            help="further levels of VaR, ES and economic capital, such as 99.95",
        ),
    ] = None,
    contribution_level: Annotated[
        float | None,
        typer.Option(
            parser=real, metavar="PERCENT", help="level of the segments' contributions to VaR and ES (default 99)"
        ),
    ] = None,
    contributions: Contributions = False,
    dimensions: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="columns whose values results are broken down by, too, such as Rating,Branch"
        ),
    ] = None,
    filter: Filter = None,
    reuse: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="take this run's scenarios, and take over its chunks where files and request are the same",
        ),
    ] = None,
    institution: Annotated[str | None, typer.Option(metavar="NAME", help="whose report it is, for its title")] = None,
    portfolio_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="what the portfolio is called, for the report's title")
    ] = None,
    capital_available: Annotated[
        float | None,
        typer.Option(parser=real, metavar="X", help="capital that the report holds the economic capital against"),
    ] = None,
    compare_with: Annotated[
        str | None, typer.Option(metavar="RUN", help="a run that is done: the report tells what changed since")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="plain Monte Carlo instead of scenarios aimed at the tail")
    ] = False,
    scenarios_from: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="take the scenarios of this run, so that both runs add up and compare, or s3://..."
        ),
    ] = None,
    chunk_loans: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="N", help="loans in a chunk (default 50,000); does not change the results"),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="N", help="chunks at the same time; does not change the results"),
    ] = None,
    sample: Sample = None,
    max_cost_usd: Annotated[
        float | None, typer.Option(parser=real, metavar="X", help="do not start a run that would cost more on AWS")
    ] = None,
    max_rejected_share: Annotated[
        float | None,
        typer.Option(parser=real, metavar="X", help="share of bad rows from which the run fails (default 0.001)"),
    ] = None,
    max_duplicate_share: MaxDuplicateShare = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="the portfolio's reporting date, such as 2026-01-31")
    ] = None,
    out: Out = Path("out"),
    stack: StackName = None,
    profile: Profile = None,
    region: Region = None,
    compute: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="what simulates on the embedded AWS: lambda, or workers on fargate or ec2 (default lambda)",
            show_default=False,
        ),
    ] = "lambda",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be done, and what it would take and cost; start nothing")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="print results and errors only")] = False,
    json: Annotated[bool, typer.Option("--json", help="print result.json instead of the table")] = False,
) -> None:
    """Simulate a portfolio and write the results to a folder."""
    from cli import files, history, plan, plausibility, request, results, simulation
    from montecarlo.errors import InvalidInput
    from montecarlo.portfolio.mapping import ColumnMapping
    from montecarlo.run.request import datagen_request
    from publishing import STACKS

    if portfolio is not None and (loans is not None or portfolio_seed is not None or book):
        raise CommandError(
            "give --portfolio or --loans, not both: --loans, --book and --portfolio-seed generate a portfolio."
        )
    given: dict[str, Any] = {
        "run": name,
        "scenarios": scenarios,
        "seed": seed,
        "target_error": target_error,
        "target_measure": target_measure,
        "max_scenarios": max_scenarios,
        "levels": levels or None,
        "contribution_level": contribution_level,
        "contributions": contributions or None,
        "institution": institution,
        "portfolio_name": portfolio_name,
        "capital_available": capital_available,
        "compare_with": compare_with,
        "dimensions": None if dimensions is None else [name.strip() for name in dimensions.split(",")],
        "reuse": reuse,
        "filter": files.json_text(filter, "--filter"),
        "tail_sampling": False if plain else None,
        "scenarios_from": scenarios_from,
        "chunk_loans": chunk_loans,
        "max_concurrency": concurrency,
        "sample": sample,
        "max_cost_usd": max_cost_usd,
        "max_rejected_share": max_rejected_share,
        "max_duplicate_share": max_duplicate_share,
        "as_of": as_of,
        "mapping": files.json_file(mapping, "mapping"),
        "parameters": files.json_file(parameters, "parameters"),
        **request.cases(fed_rate or [], cases),
    }
    given = {field: value for field, value in given.items() if value is not None}
    if book == "commercial":
        book_asks = files.json_file(COMMERCIAL, "book") or {}
        if {"fed_rate", "scenarios_from", "reuse"} & {*given}:  # which bring their cases
            book_asks.pop("cases", None)
        given = {**book_asks, **given}
    understood, stress = request.checked(given)  # before anything is started, so that a mistake costs no time
    generated: dict[str, Any] = {"loans": DEFAULT_LOANS if loans is None else loans}
    if book is not None:
        generated["book"] = book
    if portfolio_seed is not None:
        generated["seed"] = portfolio_seed
    try:
        datagen_request(generated, {})
    except InvalidInput as error:
        raise InvalidInput(named(str(error), {"seed": "--portfolio-seed"})) from None
    found = files.portfolio(portfolio, ColumnMapping.parse(understood.mapping).files) if portfolio is not None else None
    if isinstance(found, dict):
        for doubt in plausibility.first_look(found, understood):
            warn(f"Look again: {doubt}")
    if compute not in STACKS:
        raise CommandError(f"--compute is {compute}, but must be {' or '.join(STACKS)}.")
    place = Place(stack, profile, region, compute)
    ending = simulation.Ending(*results.checked(out), as_json=json, stays=place.outlives_the_command)
    be_quiet(quiet)
    for option, earlier in (("--scenarios-from", scenarios_from), ("--reuse", reuse)):
        if earlier and not place.outlives_the_command:
            raise CommandError(
                f"{option} names a run that is done, and an embedded AWS of this command's own has none: start "
                f"one that stays with `{typed('up')}`, or name a stack with --stack."
            )
    if reuse:
        history.find(place.find(), reuse)  # before anything is uploaded
    # What the stack may read in another bucket, a user need not.
    if scenarios_from and (dry_run or not scenarios_from.startswith("s3://")):
        understood, stress = request.pinned(given, place.find())
    if dry_run:
        if name and place.outlives_the_command:
            simulation.check_free(place.find(), name)
        show(plan.of_run(place, understood, stress, found, generated, ending.out))
        return
    with place.find_or_start() as there:
        execution, run_name = simulation.start(there, given, found, generated)
        simulation.finish(there, execution, run_name, ending)
