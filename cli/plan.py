"""What there is to simulate, counted before anything is started: for `estimate` and for `run --dry-run`."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cli import CommandError
from cli.place import Place
from cli.request import rate_text
from cli.screen import counted, shown
from montecarlo.cost import estimate as cost
from montecarlo.model.cases import Case
from montecarlo.model.parameters import load
from montecarlo.portfolio.dialect import PLAIN, Dialect
from montecarlo.portfolio.files import format_of, open_rows
from montecarlo.portfolio.mapping import ColumnMapping, Files
from montecarlo.portfolio.regions import REGIONS
from montecarlo.run.request import RunRequest
from montecarlo.source.listing import find_objects
from montecarlo.source.objects import TYPICAL_ROW_BYTES
from montecarlo.storage.store import Store


def of_run(
    place: Place,
    request: RunRequest,
    cases: Sequence[Case],
    portfolio: Mapping[str, Path] | str | None,
    generated: Mapping[str, Any],
    out: Path,
) -> str:
    """What `run` would do, in words. Raises CommandError and InvalidPortfolio where it would fail at once."""
    estimated = cost.estimate(work(request, len(cases), portfolio or generated["loans"], place), setup(request))
    loans = f"{estimated.work.loans:,}"
    if portfolio is None:
        source = f"{loans} generated loans"
    elif isinstance(portfolio, str):
        source = f"about {loans} loans of {portfolio}, in {counted(estimated.work.objects, 'object')}"
    else:
        source = f"{loans} loans in {counted(len(portfolio), 'file')}, uploaded first"
    usd = f"${estimated.usd:,.2f}" if estimated.usd >= 0.01 else "less than $0.01"
    lines = {
        "would simulate": source + (f", one in {request.sample:,}" if request.sample > 1 else ""),
        "under": f"{request.scenarios:,} scenarios in each of {len(cases)} cases: "
        + ", ".join(f"{case.name} {rate_text(case.fed_rate)} %" for case in cases),
        "in": f"{counted(estimated.chunks, 'chunk')} in {counted(len(estimated.groups), 'group')}",
        "on": str(place),
        "taking": f"about {estimated.duration:,.0f} s and {usd} on AWS"
        + (", for each wave of scenarios" if request.target_error else ""),
        "results to": str(shown(out)),
    }
    width = max(map(len, lines)) + 2
    told = "\n".join(f"{name:<{width}}{text}" for name, text in lines.items())
    over = request.max_cost_usd is not None and estimated.usd > request.max_cost_usd
    refused = f"\nIt would be refused, as it costs more than --max-cost-usd {request.max_cost_usd:g}." if over else ""
    return f"{told}{refused}\nNothing was started."


def setup(request: RunRequest, **more: Any) -> cost.Setup:
    """A stack with its defaults, at the request's pace."""
    return cost.Setup(
        max_concurrency=request.max_concurrency,
        max_groups=request.max_groups,
        max_group_concurrency=request.max_group_concurrency,
        **more,
    )


def work(
    request: RunRequest, cases: int, portfolio: Mapping[str, Path] | str | int, place: Place, objects: int | None = None
) -> cost.Work:
    """What is to be simulated: local files, a place in S3, or so many loans (in so many objects)."""
    size = partial(
        cost.Work,
        scenarios=request.scenarios,
        cases=cases,
        chunk_loans=request.chunk_loans,
        sample=request.sample,
        exact_duplicates=request.exact_duplicates,
        contributions=request.contributions,
        parts=len(load(request.parameters).segments) + len(REGIONS),
    )
    if isinstance(portfolio, int):
        files = objects or max(1, portfolio // request.chunk_loans)
        return size(loans=portfolio, objects=files, size=portfolio * TYPICAL_ROW_BYTES["parquet"])
    if isinstance(portfolio, str):
        return _in_s3(portfolio, place, size, ColumnMapping.parse(request.mapping).files)
    dialect = ColumnMapping.parse(request.mapping).dialect
    sizes = {name: path.stat().st_size for name, path in portfolio.items()}
    return size(
        loans=sum(rows(path, dialect) for path in portfolio.values()),
        objects=len(portfolio),
        size=sum(sizes.values()),
        to_scan=sum(size for name, size in sizes.items() if format_of(name) != "parquet"),
    )


def _in_s3(portfolio: str, place: Place, size: Any, chosen: Files) -> cost.Work:
    bucket, _, key = portfolio.removeprefix("s3://").partition("/")
    listing = find_objects(Store(bucket, place.find().client("s3")), key, chosen)
    for _ in listing.groups(size.keywords["chunk_loans"], lambda _: 1):
        pass  # the census counts what goes by
    census = listing.census
    made: cost.Work = size(loans=census.rows, objects=census.objects, size=census.size, to_scan=census.to_scan)
    return made


def rows(path: Path, dialect: Dialect = PLAIN) -> int:
    """The data rows of a local file. Raises CommandError and InvalidPortfolio where it cannot be read."""
    kind = format_of(path.name)
    if kind is None:
        raise CommandError(f"{path} is no portfolio: its name must end in .csv, .csv.gz or .parquet.")
    try:
        with path.open("rb") as file:
            return open_rows(file, str(path), kind, dialect).count()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error}.") from None
