"""The `montecarlo` command: run a simulation on the embedded AWS, or keep that AWS up for other tools.

It deploys the project's own template and starts its own state machines; it never calls a handler itself.
"""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cli.deployment import DeploymentError, Stack, deploy, find, functions
from cli.execution import Execution, RunFailed
from embedded_aws import server
from montecarlo.cost import estimate as cost
from montecarlo.cost.estimate import Setup, Work
from montecarlo.errors import MonteCarloError
from montecarlo.model.parameters import load
from montecarlo.model.scenarios import Case
from montecarlo.portfolio.loans import Mapping, format_of
from montecarlo.report.page import format_table
from montecarlo.run.request import datagen_request, run_request, stress_cases
from montecarlo.source.objects import InputObject
from montecarlo.storage import keys

PROJECT = Path(__file__).resolve().parent.parent
STATE = PROJECT / ".montecarlo"
"""Where `up` keeps its server's data, and where `run` puts a temporary one's."""

DEFAULT_LOANS = 100_000
UPLOADED = "uploaded"


class UsageError(Exception):
    """The command line cannot be carried out as given."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script. Exit status: 0 done, 1 the run failed, 2 the command was wrong, 130 interrupted."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    try:
        command(options)
        return 0
    except RunFailed as failed:
        print(f"\nThe run {failed.status}: {failed.error}\n{failed.cause}", file=sys.stderr)
        return 1
    except (UsageError, DeploymentError, server.ServerError, MonteCarloError) as error:
        print(f"montecarlo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmontecarlo: interrupted; everything that was started has been stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="montecarlo", description="Monte Carlo simulation of loan portfolios.")
    commands = parser.add_subparsers(title="commands", required=True)

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
    run.set_defaults(command=_run)

    resume = commands.add_parser("resume", help="continue a run on the embedded AWS that is up: only what is missing")
    resume.add_argument("run", help="the run's name")
    resume.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (default out)")
    resume.set_defaults(command=_resume)

    cancel = commands.add_parser("cancel", help="stop a run on the embedded AWS that is up; it can be resumed")
    cancel.add_argument("run", help="the run's name")
    cancel.set_defaults(command=_cancel)

    estimate = commands.add_parser("estimate", help="say what a run would take and cost on AWS, without running it")
    size = estimate.add_mutually_exclusive_group(required=True)
    size.add_argument("--loans", type=float, help="loans, such as 1e9")
    size.add_argument("--portfolio", type=Path, help="a CSV or Parquet file, or a folder of such files")
    estimate.add_argument("--objects", type=float, help="S3 objects that the loans lie in (default: one a chunk)")
    estimate.add_argument("--scenarios", type=float, default=Work.scenarios, help="scenarios (default 10,000)")
    estimate.add_argument("--cases", type=int, default=Work.cases, help="cases, the base one among them (default 2)")
    estimate.add_argument("--chunk-loans", type=float, default=Work.chunk_loans, help="loans in a chunk")
    estimate.add_argument("--sample", type=int, default=Work.sample, help="simulate one loan in so many (default 1)")
    estimate.add_argument("--concurrency", type=int, default=Setup.max_concurrency, help="chunks at the same time")
    estimate.add_argument("--memory", type=int, default=Setup.memory_mb, help="MB of SimulateChunk (default 1769)")
    estimate.add_argument("--architecture", choices=["arm64", "x86_64"], default=Setup.architecture)
    estimate.add_argument("--children", choices=["STANDARD", "EXPRESS"], default=Setup.children)
    estimate.add_argument("--json", type=Path, help="write the estimate to this file, too")
    estimate.set_defaults(command=_estimate)

    up = commands.add_parser("up", help="start the embedded AWS and keep it running")
    up.add_argument("--port", type=int, help=f"port on this computer (default {server.PREFERRED_PORT} if it is free)")
    up.set_defaults(command=_up)

    down = commands.add_parser("down", help="stop the embedded AWS and delete what it holds")
    down.set_defaults(command=_down)

    invoke = commands.add_parser("invoke", help="run one function on one event on the embedded AWS that is up")
    invoke.add_argument("function", help="the function's name, such as SimulateChunk or simulate_chunk")
    invoke.add_argument("event", type=Path, help="JSON file with the event, such as events/simulate_chunk.json")
    invoke.set_defaults(command=_invoke)

    package = commands.add_parser("package", help="stage everything in a bucket of your own and print the launch link")
    package.add_argument("--bucket", required=True, help="an S3 bucket in the Region of the stacks to come")
    package.add_argument(
        "--prefix", default="montecarlo/", help="what the objects' names begin with (default montecarlo/)"
    )
    package.set_defaults(command=_package)
    return parser


# ---------------------------------------------------------------------------------------------------------------------
# run


def _run(options: argparse.Namespace) -> None:
    request = _request(options)
    _check(options, request)  # before anything is started, so that a mistake costs no time
    files = _portfolio_files(options.portfolio) if options.portfolio else []
    out = _out_folder(options.out)
    run = options.name or f"run-{_timestamp()}"
    with _embedded_aws() as aws:
        started = time.monotonic()
        stack = _deploy(aws)
        states = stack.client("stepfunctions")
        if files:
            request["portfolio"] = _upload(stack, files, run)
        else:
            request["portfolio"] = _generate(stack, states, _datagen(options), run)
        _say(f"Set up in {time.monotonic() - started:.1f} s. The run is called {run}.")
        _simulate(stack, run, {"run": run, **request}, out)


def _simulate(stack: Stack, execution_name: str, request: dict[str, Any], out: Path) -> None:
    """Run the dataproc state machine, bring its results to a folder, and print what came out."""
    run, started = request["run"], time.monotonic()
    execution = Execution.start(
        stack.client("stepfunctions"), stack.outputs["DataProcStateMachineArn"], execution_name, request
    )
    try:
        _wait(execution, "Simulating")
    finally:
        _download(stack, f"runs/{run}/", out)
        if (out / "rejects").exists():
            _say(f"Rejected rows, each with its reason, are in {out / 'rejects'}.")
    _say(f"Simulated in {time.monotonic() - started:.1f} s.\n")
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    print(format_table(result))
    print(
        f"\nReport:  {out / 'report.html'}\nResults: {out / 'result.json'}, loans/, losses.parquet, segments.parquet",
        end="",
    )
    print(f", rejects/ ({result['loans']['rejected']:,} rows)" if result["loans"]["rejected"] else "")


def _timestamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]


def _request(options: argparse.Namespace) -> dict[str, Any]:
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
        "mapping": _json_file(options.mapping, "mapping"),
        "parameters": _json_file(options.parameters, "parameters"),
    }
    if options.cases:
        given["cases"] = _json_file(options.cases, "cases")
    return {name: value for name, value in given.items() if value is not None}


def _check(options: argparse.Namespace, request: dict[str, Any]) -> None:
    """What the planner would refuse. Raises InvalidInput."""
    checked = run_request({**request, "run": "check"}, {})
    parameters = load(checked.parameters)
    stress_cases(checked, Case("base", parameters.base_fed_rate, {}), parameters.segments)
    Mapping.parse(checked.mapping)
    datagen_request(_datagen(options), {})


def _json_file(path: Path | None, what: str) -> Any:
    if path is None:
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the {what} file {path} cannot be read as JSON: {error}") from None


def _portfolio_files(path: Path) -> list[Path]:
    if not path.exists():
        raise UsageError(f"there is no portfolio at {path}.")
    files = (
        sorted(item for item in path.rglob("*") if item.is_file() and format_of(item.name)) if path.is_dir() else [path]
    )
    if not files:
        raise UsageError(f"{path} holds no file that ends in .csv, .csv.gz or .parquet.")
    if not format_of(files[0].name):
        raise UsageError(f"{path}: the name must end in .csv, .csv.gz or .parquet.")
    return files


def _out_folder(path: Path) -> Path:
    """An empty folder for the results. What an earlier run left there is replaced; anything else is left alone."""
    if path.is_dir() and any(path.iterdir()):
        if not any((path / name).exists() for name in ("plan.json", "failure.json")):
            raise UsageError(f"{path} holds files that are no earlier run's results; choose another folder with --out.")
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    return path


def _deploy(aws: server.Server) -> Stack:
    _say("Deploying template.yaml with SAM ...")
    return deploy(aws.environment, Path(aws.data_dir) / "sam-deploy.log")


def _datagen(options: argparse.Namespace) -> dict[str, Any]:
    """The input of datagen."""
    loans = DEFAULT_LOANS if options.loans is None else options.loans
    return {"loans": loans} | ({} if options.portfolio_seed is None else {"seed": options.portfolio_seed})


def _generate(stack: Stack, states: Any, request: dict[str, Any], run: str) -> str:
    execution = Execution.start(states, stack.outputs["DataGenStateMachineArn"], run, request)
    manifest: str = _wait(execution, f"Generating {request['loans']:,} loans")["manifest"]
    return manifest


def _upload(stack: Stack, files: Sequence[Path], run: str) -> str:
    prefix = keys.portfolio(f"{UPLOADED}-{run}")
    s3 = stack.client("s3")
    for number, file in enumerate(tqdm(files, "Uploading", unit=" files", leave=False)):
        key = f"{prefix}{number:05d}-{file.name}" if len(files) > 1 else f"{prefix}{file.name}"
        s3.upload_file(str(file), stack.bucket, key)
    return prefix


def _wait(execution: Execution, title: str) -> dict[str, Any]:
    with tqdm(
        desc=title, unit=" chunks", bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}]"
    ) as bar:

        def show(done: int, known: int) -> None:
            bar.total, bar.n = known or None, done
            bar.refresh()

        try:
            return execution.wait(show)
        except KeyboardInterrupt:
            execution.stop("interrupted by the user")
            raise


def _download(stack: Stack, prefix: str, out: Path) -> None:
    """Everything of the run but the chunks' partial sums."""
    s3 = stack.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            name = item["Key"].removeprefix(prefix)
            if not name.startswith("groups/") and name != "scenarios.npz":
                target = out / name
                target.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(stack.bucket, item["Key"], str(target))


# ---------------------------------------------------------------------------------------------------------------------
# resume, cancel, estimate


def _resume(options: argparse.Namespace) -> None:
    out = _out_folder(options.out)
    stack = _stack_that_is_up()
    s3 = stack.client("s3")
    try:
        body = s3.get_object(Bucket=stack.bucket, Key=keys.request(options.run))["Body"].read()
    except s3.exceptions.NoSuchKey:
        raise UsageError(
            f"there is no run {options.run} that got as far as its plan; start it with run --name."
        ) from None
    # An execution's name is used once; the run's stays the same.
    _simulate(stack, f"{options.run[:50]}-{_timestamp()}", json.loads(body), out)


def _cancel(options: argparse.Namespace) -> None:
    stack = _stack_that_is_up()
    running = Execution.running(stack.client("stepfunctions"), stack.outputs["DataProcStateMachineArn"], options.run)
    if not running:
        raise UsageError(f"no execution of the run {options.run} is under way.")
    for execution in running:
        execution.stop("cancelled by the user")
    print(f"Stopped. What was simulated is kept; continue with: montecarlo resume {options.run}")


def _estimate(options: argparse.Namespace) -> None:
    chunk_loans = round(options.chunk_loans)
    work = Work(
        loans=round(options.loans or 0),
        scenarios=round(options.scenarios),
        cases=options.cases,
        chunk_loans=chunk_loans,
        sample=options.sample,
        objects=round(options.objects) if options.objects else max(1, round(options.loans or 0) // chunk_loans),
    )
    if options.portfolio:
        files = [InputObject(str(file), file.stat().st_size) for file in _portfolio_files(options.portfolio)]
        work = replace(
            work,
            loans=sum(file.estimated_rows for file in files),
            objects=len(files),
            size=sum(file.size for file in files),
            to_scan=sum(file.size for file in files if file.format != "parquet"),
        )
    setup = Setup(
        memory_mb=options.memory,
        architecture=options.architecture,
        children=options.children,
        max_concurrency=options.concurrency,
    )
    estimated = cost.estimate(work, setup)
    print(estimated.format())
    if options.json:
        options.json.write_text(json.dumps(estimated.to_json(), indent=1) + "\n", encoding="utf-8")


def _stack_that_is_up() -> Stack:
    running = server.find_running(STATE / "up")
    if running is None:
        raise UsageError(
            "no embedded AWS is running: start one with `montecarlo up`; it brings back what an earlier one held."
        )
    return find(running.environment) or _deploy(running)


# ---------------------------------------------------------------------------------------------------------------------
# up, down, invoke


def _up(options: argparse.Namespace) -> None:
    running = server.find_running(STATE / "up")
    if running is None:
        port = options.port or server.free_port(server.PREFERRED_PORT)
        running = server.start(STATE / "up", port, detached=True)
    print("The embedded AWS is up. To point the AWS CLI, SAM or Terraform at it:\n")
    for name, value in running.environment.items():
        print(f"export {name}={value}")
    print("\n`montecarlo down` stops it and deletes what it holds.")


def _down(options: argparse.Namespace) -> None:
    running = server.find_running(STATE / "up")
    if running:
        running.stop()
    shutil.rmtree(STATE / "up", ignore_errors=True)
    print("The embedded AWS is stopped." if running else "No embedded AWS was running.")


def _invoke(options: argparse.Namespace) -> None:
    event = _json_file(options.event, "event")
    stack = _stack_that_is_up()
    names = dict(functions(stack))
    wanted = options.function.replace("_", "").lower()
    physical = next((value for name, value in names.items() if name.lower() == wanted), None)
    if physical is None:
        raise UsageError(f"there is no function {options.function}; there are {', '.join(sorted(names))}.")
    answer = stack.client("lambda").invoke(FunctionName=physical, Payload=json.dumps(event).encode())
    payload = json.loads(answer["Payload"].read() or b"null")
    if answer.get("FunctionError"):
        raise RunFailed("FAILED", payload.get("errorType", "unknown"), payload.get("errorMessage", json.dumps(payload)))
    print(json.dumps(payload, indent=1))


def _package(options: argparse.Namespace) -> None:
    from publishing.package import (
        stage,  # here, as the SAM translator that it needs takes a third of a second to import
    )

    staged = stage(options.bucket, options.prefix)
    print(f"Template: {staged.template_url}\nLaunch:   {staged.launch_url}\n")
    print(
        f"Create the stack in {staged.region}. Whoever does needs s3:GetObject on {options.bucket}/{options.prefix}*."
    )


@contextlib.contextmanager
def _embedded_aws() -> Iterator[server.Server]:
    """The one that is up, or one that lives only as long as this run."""
    running = server.find_running(STATE / "up")
    if running:
        _say(f"Using the embedded AWS at {running.endpoint}.")
        yield running
        return
    STATE.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=STATE))
    _say("Starting the embedded AWS ...")
    try:
        started = server.start(folder)
        try:
            yield started
        finally:
            started.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
