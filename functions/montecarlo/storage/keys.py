"""Where everything lies in the bucket. Keys depend on the plan alone, so a retry overwrites itself. Imports nothing."""

from collections.abc import Callable


def portfolio(name: str) -> str:
    """The prefix of a generated portfolio."""
    return f"portfolios/{name}/"


def portfolio_parts(name: str) -> str:
    """The files that datagen is to make."""
    return f"{portfolio(name)}parts.json"


def portfolio_part(name: str, part: int, suffix: str) -> str:
    """One file of a generated portfolio."""
    return f"{portfolio(name)}part-{part:05d}.{suffix}"


def portfolio_manifest(name: str) -> str:
    """The files of a generated portfolio."""
    return f"{portfolio(name)}manifest.json"


def deleted(run: str) -> str:
    """When the latest execution of a run began that was deleted without a result; Step Functions remembers it."""
    return f"deleted/{run}.json"


def _in_run(name: str) -> Callable[[str], str]:
    return lambda run: f"runs/{run}/{name}"


plan = _in_run("plan.json")
request = _in_run("request.json")
estimate = _in_run("estimate.json")
scenarios = _in_run("scenarios.npz")
result = _in_run("result.json")
report = _in_run("report.html")
losses = _in_run("losses.parquet")
segments = _in_run("segments.parquet")
tables = _in_run("tables/")
losses_table = _in_run("tables/losses/losses.parquet")
segments_table = _in_run("tables/segments/segments.parquet")
sums = _in_run("sums.npz")
duplicates = _in_run("duplicates.parquet")
at_work = _in_run("at-work")
rejects = _in_run("rejects/")
loans = _in_run("loans/")
failure = _in_run("failure.json")
failure_page = _in_run("failure.html")
groups = _in_run("groups/")
waves = _in_run("waves/")


TAIL = -1
"""The number of the pass over the scenarios of the tail alone, which comes after all waves."""


def wave(run: str, number: int) -> str:
    """The run under whose name a wave of scenarios lies; the first wave is the run itself."""
    if number == TAIL:
        return f"{run}/waves/tail"
    return f"{run}/waves/{number:03d}" if number else run


def group(run: str, number: int) -> str:
    """The prefix of one group of a run."""
    return f"{groups(run)}{number:05d}/"


def group_objects(run: str, number: int) -> str:
    """What a group is to read."""
    return f"{group(run, number)}objects.json"


def group_chunks(run: str, number: int) -> str:
    """What a group was cut into."""
    return f"{group(run, number)}chunks.json"


def group_todo(run: str, number: int) -> str:
    """The chunks that are still to be simulated, which the Distributed Map reads."""
    return f"{group(run, number)}todo.json"


def group_plan(run: str, number: int) -> str:
    """What must be there when the group is done."""
    return f"{group(run, number)}group.json"


def group_partial(run: str, number: int) -> str:
    """The sums of a group's chunks."""
    return f"{group(run, number)}partial.npz"


def map_results(run: str, number: int) -> str:
    """The prefix under which the Distributed Map's ResultWriter records each child."""
    return f"{group(run, number)}map"


def chunk_partials(run: str, number: int) -> str:
    """What the keys of a group's partials begin with."""
    return f"{group(run, number)}chunk-"


def chunk_partial(run: str, number: int, chunk: int) -> str:
    """The sums of a chunk."""
    return f"{chunk_partials(run, number)}{chunk:06d}.npz"


def chunk_tally(run: str, number: int, chunk: int) -> str:
    """How often each key of an AccountID occurs in the chunk."""
    return f"{group(run, number)}keys/chunk-{chunk:06d}.npz"


def group_tally(run: str, number: int, batch: int, part: int) -> str:
    """The same of a batch of the group's chunks, for one range of keys."""
    return f"{group(run, number)}keys-{batch:03d}-{part:05d}.npz"


def chunk_obligors(run: str, number: int, chunk: int) -> str:
    """What each borrower owes in the chunk, by keys."""
    return f"{group(run, number)}obligors/chunk-{chunk:06d}.npz"


def group_obligors(run: str, number: int, batch: int, part: int) -> str:
    """The same of a batch of the group's chunks, for one range of keys."""
    return f"{group(run, number)}keys-obligors-{batch:03d}-{part:05d}.npz"


def group_tallies(run: str, number: int) -> str:
    """How many batches there are."""
    return f"{group(run, number)}keys.json"


def chunk_rejects(run: str, number: int, chunk: int) -> str:
    """The bad rows of a chunk."""
    return f"runs/{run}/rejects/{number:05d}-{chunk:06d}.parquet"


def chunk_loans(run: str, number: int, chunk: int) -> str:
    """The results of a chunk, loan by loan."""
    return f"runs/{run}/loans/{number:05d}-{chunk:06d}.parquet"
