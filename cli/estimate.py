"""`montecarlo estimate`: what a run would take and cost on AWS."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import CommandError
from cli.options import RATE, Contributions, Sample, Scenarios, real, whole, writable
from cli.place import Place, Profile, StackName
from cli.screen import show


class Architecture(StrEnum):
    """Of the functions' processors."""

    ARM64 = "arm64"
    X86_64 = "x86_64"


class Children(StrEnum):
    """Kinds of executions that simulate the chunks."""

    STANDARD = "STANDARD"
    EXPRESS = "EXPRESS"


class Compute(StrEnum):
    """What simulates."""

    LAMBDA = "lambda"
    FARGATE = "fargate"
    EC2 = "ec2"


WORKERS, CORES, CORE_MB = 25, 4, {Compute.FARGATE: 2_048, Compute.EC2: 1_792}
"""Workers, and the vCPUs and memory of one, as template-fargate.yaml and template-ec2.yaml have them by default."""


class KernelName(StrEnum):
    """What computes the trials."""

    COMPILED = "compiled"
    NUMPY = "numpy"


def add_to(app: typer.Typer) -> None:
    """Add `estimate` to the command line."""
    app.command()(estimate)


def estimate(
    loans: Annotated[int | None, typer.Option(parser=whole, metavar="N", help="loans, such as 1e9")] = None,
    portfolio: Annotated[
        str | None, typer.Option(metavar="PATH", help="a CSV or Parquet file, a folder of such files, or s3://...")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(metavar="FILE", help="as for run: JSON file that says how the files are written")
    ] = None,
    objects: Annotated[
        int | None,
        typer.Option(parser=whole, metavar="N", help="S3 objects that the loans lie in (default: one a chunk)"),
    ] = None,
    scenarios: Scenarios = None,
    fed_rate: Annotated[
        list[float] | None,
        typer.Option(RATE, parser=real, metavar="PERCENT...", help="as for run: rates of the stressed cases"),
    ] = None,
    cases: Annotated[
        Path | None, typer.Option(metavar="FILE", help="as for run: JSON file with named stress cases")
    ] = None,
    chunk_loans: Annotated[
        int | None, typer.Option(parser=whole, metavar="N", help="loans in a chunk (default 50,000)")
    ] = None,
    sample: Sample = None,
    contributions: Contributions = False,
    concurrency: Annotated[
        int | None, typer.Option(parser=whole, metavar="N", help="chunks at the same time (default 500)")
    ] = None,
    memory: Annotated[
        int, typer.Option(parser=whole, metavar="MB", help="memory of SimulateChunk", show_default="1769")
    ] = 1769,
    architecture: Annotated[Architecture, typer.Option(help="of the functions")] = Architecture.ARM64,
    children: Annotated[Children, typer.Option(help="kind of the executions of chunks")] = Children.STANDARD,
    compute: Annotated[
        Compute | None,
        typer.Option(help="what simulates (default lambda, or fargate with --workers)", show_default=False),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            parser=whole,
            metavar="N",
            help="on fargate or ec2: at most so many, of the default size and on Spot (default 25)",
            show_default=False,
        ),
    ] = None,
    kernel: Annotated[KernelName, typer.Option(help="as the stack's parameter Kernel")] = KernelName.COMPILED,
    speeds: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="speeds of your stack, as `montecarlo accept` has measured them"),
    ] = None,
    stack: StackName = None,
    profile: Profile = None,
    region: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="AWS Region: whose quotas hold (default us-east-1's), and the stack's"),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write the estimate to this file, too", callback=writable)
    ] = None,
) -> None:
    """Say what a run would take and cost on AWS, without running it."""
    from dataclasses import replace
    from json import dumps

    from cli import files, plan, request
    from cli import speeds as measured
    from montecarlo.cost import estimate as cost
    from montecarlo.portfolio.mapping import ColumnMapping
    from montecarlo.run.request import datagen_request

    if (loans is None) == (portfolio is None):
        raise CommandError("give --loans or --portfolio: one of the two says how much there is to simulate.")
    given: dict[str, Any] = {
        "scenarios": scenarios,
        "chunk_loans": chunk_loans,
        "sample": sample,
        "contributions": contributions or None,
        "max_concurrency": concurrency,
        "mapping": files.json_file(mapping, "mapping"),
        **request.cases(fed_rate or [], cases),
    }
    understood, stress = request.checked({name: value for name, value in given.items() if value is not None})
    for option, value, low, high in (
        ("--objects", objects, 1, 10**10),
        ("--memory", memory, 128, 10_240),
        ("--workers", workers, 1, 1_000),
    ):
        if value is not None and not low <= value <= high:
            raise CommandError(f"{option} is {value:,}, but must be a whole number from {low:,} to {high:,}.")
    if loans is not None:
        datagen_request({"loans": loans}, {})
    if region and region not in _regions():
        raise CommandError(f"--region is {region}, but there is no such Region of Lambda.")
    columns = ColumnMapping.parse(understood.mapping)
    source = loans if loans is not None else files.portfolio(portfolio or "", columns.files)
    setup = plan.setup(
        understood,
        memory_mb=memory,
        architecture=architecture.value,
        children=children.value,
        kernel=kernel.value,
        region=region or cost.Setup.region,
    )
    compute = compute or (Compute.FARGATE if workers else Compute.LAMBDA)
    if compute is Compute.LAMBDA and workers:
        raise CommandError("--workers goes with --compute fargate or ec2: functions have none.")
    if compute is not Compute.LAMBDA:
        if children is not Children.STANDARD:
            raise CommandError("workers go with --children STANDARD: an Express child cannot wait for a worker.")
        most = workers or WORKERS
        setup = replace(
            setup,
            workers=most,
            max_concurrency=min(setup.max_concurrency, most * CORES),
            worker_cores=CORES,
            worker_memory_mb=CORES * CORE_MB[compute],
            compute=compute.value,
        )
    estimated = cost.estimate(
        plan.work(understood, len(stress), source, Place(stack, profile, region if stack else None), objects),
        setup,
        measured.read(speeds),
    )
    if json:
        json.write_text(dumps(estimated.to_json(), indent=1) + "\n", encoding="utf-8")
    show(estimated.format(), hang=2)


def _regions() -> set[str]:
    """Every Region that has Lambda, as far as boto3 knows."""
    from boto3.session import Session

    session = Session()
    partitions = session.get_available_partitions()
    return {name for each in partitions for name in session.get_available_regions("lambda", each)}
