"""`montecarlo estimate`: what a run would take and cost on AWS."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from cli.files import portfolio_files
from montecarlo.cost import estimate as cost
from montecarlo.cost.estimate import Setup, Work
from montecarlo.source.objects import InputObject


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `estimate` to the command line."""
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
    estimate.set_defaults(command=command)


def command(options: argparse.Namespace) -> None:
    """Print the estimate, and write it where that is asked."""
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
        files = [InputObject(str(file), file.stat().st_size) for file in portfolio_files(options.portfolio)]
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
