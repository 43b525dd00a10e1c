"""`montecarlo run`: a portfolio simulated, its results in a folder."""

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli import files, results
from cli.deployment import Stack, deployed
from cli.embedded import running_or_temporary
from cli.execution import Execution, watched
from cli.screen import say
from cli.terminal import format_table
from montecarlo.model.cases import Case
from montecarlo.model.parameters import load
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.run.request import datagen_request, run_request, stress_cases

DEFAULT_LOANS = 100_000


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `run` to the command line."""
    run = commands.add_parser("run", help="simulate a portfolio on the embedded AWS and write the results to a folder")
    run.add_argument("--name", help="what the run is called (default run- and the time)")
    source = run.add_mutually_exclusive_group()
    source.add_argument("--loans", type=int, help=f"generate a portfolio of so many loans (default {DEFAULT_LOANS:,})")
    source.add_argument("--portfolio", type=Path, help="simulate this CSV or Parquet file, or the files of this folder")
    run.add_argument("--mapping", type=Path, help="JSON file that says where your files keep the columns")
    run.add_argument("--parameters", type=Path, help="JSON file with model parameters that replace the defaults")
    run.add_argument("--scenarios", type=int, help="scenarios (default 10,000)")
    run.add_argument("--seed", type=int, help="random seed of the simulation (default 42)")
    run.add_argument("--portfolio-seed", type=int, help="random seed of the generated loans (default 42)")
    stress = run.add_mutually_exclusive_group()
    stress.add_argument(
        "--fed-rate",
        type=float,
        nargs="+",
        help="Federal Funds rate of the stressed case in %% (default 8), or of several",
    )
    stress.add_argument(
        "--cases", type=Path, help="JSON file with named stress cases, such as examples/stress/cases.json"
    )
    run.add_argument("--target-error", type=float, help="add scenarios until VaR 99.9 is this precise, such as 0.01")
    run.add_argument("--target-measure", help="the measure that --target-error is about (default var_99.9)")
    run.add_argument(
        "--max-scenarios", type=int, help="the most scenarios that --target-error may take (default 200,000)"
    )
    run.add_argument("--plain", action="store_true", help="plain Monte Carlo instead of scenarios aimed at the tail")
    run.add_argument("--chunk-loans", type=int, help="loans in a chunk (default 50,000); does not change the results")
    run.add_argument("--concurrency", type=int, help="chunks at the same time; does not change the results")
    run.add_argument("--sample", type=int, help="simulate one loan in so many (default 1, all)")
    run.add_argument("--max-cost-usd", type=float, help="do not start a run that would cost more on AWS")
    run.add_argument(
        "--max-rejected-share", type=float, help="share of bad rows from which the run fails (default 0.001)"
    )
    run.add_argument("--as-of", help="the portfolio's reporting date, such as 2026-01-31")
    run.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (default out)")
    run.set_defaults(command=command)


def command(options: argparse.Namespace) -> None:
    """Simulate and bring the results to the folder."""
    request = request_of(options)
    check(request, datagen(options))  # before anything is started, so that a mistake costs no time
    portfolio = files.portfolio_files(options.portfolio) if options.portfolio else []
    out = results.folder(options.out)
    run = options.name or f"run-{timestamp()}"
    with running_or_temporary() as aws:
        started = time.monotonic()
        stack = deployed(aws)
        if portfolio:
            request["portfolio"] = files.upload(stack, portfolio, run)
        else:
            request["portfolio"] = generate(stack, datagen(options), run)
        say(f"Set up in {time.monotonic() - started:.1f} s. The run is called {run}.")
        simulate(stack, run, {"run": run, **request}, out)


def simulate(stack: Stack, execution_name: str, request: dict[str, Any], out: Path) -> None:
    """Run the dataproc state machine, bring its results to a folder, and print what came out."""
    run, started = request["run"], time.monotonic()
    execution = Execution.start(
        stack.client("stepfunctions"), stack.outputs["DataProcStateMachineArn"], execution_name, request
    )
    try:
        watched(execution, "Simulating")
    finally:
        results.download(stack, f"runs/{run}/", out)
        if (out / "rejects").exists():
            say(f"Rejected rows, each with its reason, are in {out / 'rejects'}.")
    say(f"Simulated in {time.monotonic() - started:.1f} s.\n")
    result = results.read(out)
    print(format_table(result))
    print(
        f"\nReport:  {out / 'report.html'}\nResults: {out / 'result.json'}, loans/, losses.parquet, segments.parquet",
        end="",
    )
    print(f", rejects/ ({result.rows.rejected:,.0f} rows)" if result.rows.rejected else "")


def timestamp() -> str:
    """The time as part of a name, in UTC to the millisecond."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]


def request_of(options: argparse.Namespace) -> dict[str, Any]:
    """The execution's input: what was given on the command line; everything else is the stack's default."""
    rates = options.fed_rate or []
    given = {
        "scenarios": options.scenarios,
        "seed": options.seed,
        "fed_rate": rates[0] if len(rates) == 1 else None,
        "cases": {f"fed_{rate:g}": {"fed_rate": rate} for rate in rates} if len(rates) > 1 else None,
        "target_error": options.target_error,
        "target_measure": options.target_measure,
        "max_scenarios": options.max_scenarios,
        "tail_sampling": False if options.plain else None,
        "chunk_loans": options.chunk_loans,
        "max_concurrency": options.concurrency,
        "sample": options.sample,
        "max_cost_usd": options.max_cost_usd,
        "max_rejected_share": options.max_rejected_share,
        "as_of": options.as_of,
        "mapping": files.json_file(options.mapping, "mapping"),
        "parameters": files.json_file(options.parameters, "parameters"),
    }
    if options.cases:
        given["cases"] = files.json_file(options.cases, "cases")
    return {name: value for name, value in given.items() if value is not None}


def check(request: dict[str, Any], portfolio: dict[str, Any]) -> None:
    """What the planners of both state machines would refuse. Raises InvalidInput."""
    checked = run_request({**request, "run": "check"}, {})
    parameters = load(checked.parameters)
    stress_cases(checked, Case("base", parameters.base_fed_rate, {}), parameters.segments)
    ColumnMapping.parse(checked.mapping)
    datagen_request(portfolio, {})


def datagen(options: argparse.Namespace) -> dict[str, Any]:
    """The input of datagen."""
    loans = DEFAULT_LOANS if options.loans is None else options.loans
    return {"loans": loans} | ({} if options.portfolio_seed is None else {"seed": options.portfolio_seed})


def generate(stack: Stack, request: dict[str, Any], run: str) -> str:
    """Have datagen write a portfolio; returns its manifest's key."""
    execution = Execution.start(stack.client("stepfunctions"), stack.outputs["DataGenStateMachineArn"], run, request)
    manifest: str = watched(execution, f"Generating {request['loans']:,} loans")["manifest"]
    return manifest
