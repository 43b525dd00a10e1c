"""The tables for SQL: the same columns for every run, those that the catalogue is told, and the documented queries."""

import io
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from montecarlo.run import tables
from montecarlo.storage import keys
from tests.infrastructure.templates import ROOT, resources
from tests.memory_run import MemoryHost, generate, simulate

RUNS: dict[str, dict[str, Any]] = {
    "june-2026": {},
    "july-2026": {
        "cases": {"stressed": {"fed_rate": 9}, "crash": {"probit_shift": {"auto": 0.5}}, "boom": {"fed_rate": 0}},
        "levels": [90, 99.9],
        "contribution_level": 97.5,
        "dimensions": ["RateType"],
    },
}
HIVE = {pa.string(): "string", pa.int32(): "int", pa.int64(): "bigint", pa.float64(): "double"}


@pytest.fixture(scope="module")
def host() -> MemoryHost:
    made = MemoryHost()
    portfolio = generate(made, name="loans", loans=400)
    for run, changes in RUNS.items():
        simulate(made, run=run, portfolio=portfolio, scenarios=500, **changes)
    return made


@pytest.mark.parametrize(
    ("key", "schema"), [(keys.losses_table, tables.LOSSES), (keys.segments_table, tables.SEGMENTS)]
)
def test_every_run_has_the_same_columns(host: MemoryHost, key: Any, schema: pa.Schema) -> None:
    for run in RUNS:
        table = pq.read_table(io.BytesIO(host.s3.objects[key(run)]))
        assert table.schema.equals(schema)
        assert set(table["case_name"].to_pylist()) == set(host.json(keys.result(run))["cases"])


def test_they_say_what_the_tables_beside_the_report_say(host: MemoryHost) -> None:
    for run in RUNS:
        wide = pq.read_table(io.BytesIO(host.s3.objects[keys.losses(run)]))
        long = pq.read_table(io.BytesIO(host.s3.objects[keys.losses_table(run)]))
        for case in host.json(keys.result(run))["cases"]:
            rows = long.filter(pa.compute.equal(long["case_name"], case))
            for name, column in (("scenario", "scenario"), ("weight", "weight"), ("loss_cents", f"{case}_cents")):
                assert rows[name].to_pylist() == wide[column].to_pylist()
        rows = pq.read_table(io.BytesIO(host.s3.objects[keys.segments(run)])).to_pylist()
        level = f"{host.json(keys.result(run))['contribution_level']:g}"
        for row, other in zip(rows, pq.read_table(io.BytesIO(host.s3.objects[keys.segments_table(run)])).to_pylist(),
                              strict=True):  # fmt: skip
            assert other["contribution_level"] == float(level)
            assert other["es_contribution_standard_error"] == row[f"es_{level}_contribution_standard_error"]
            same = ("kind", "part", "loans", "exposure", "el", "capital", "twelve_month_ecl", "lifetime_ecl")
            assert {name: other[name] for name in same} == {name: row[name] for name in same}


def test_the_catalogue_is_told_these_columns_and_where_they_lie() -> None:
    by_name = {
        body["Properties"]["TableInput"]["Name"]: body["Properties"]["TableInput"]
        for body in resources("cloudformation/storage.yaml", "AWS::Glue::Table").values()
    }
    assert set(by_name) == {"losses", "segments"}
    for name, schema, key in (
        ("losses", tables.LOSSES, keys.losses_table),
        ("segments", tables.SEGMENTS, keys.segments_table),
    ):
        told = by_name[name]
        columns = {column["Name"]: column["Type"] for column in told["StorageDescriptor"]["Columns"]}
        assert columns == {field.name: HIVE[field.type] for field in schema}
        assert list(columns) == schema.names
        place = told["Parameters"]["storage.location.template"]["Fn::Sub"]
        assert Path(f"s3://${{DataBucket}}/{key('${!run}')}").parent == Path(place)
        assert told["Parameters"]["projection.run.type"] == "injected"


DOCUMENTED = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "results.md").read_text(encoding="utf-8"), re.DOTALL)
QUERIES = [statement for statement in DOCUMENTED if statement.startswith("SELECT")]


@pytest.fixture(scope="module")
def answers(host: MemoryHost, tmp_path_factory: pytest.TempPathFactory) -> list[list[tuple[Any, ...]]]:
    """What DuckDB answers to the documented queries, over the files as Athena has them: with the run as a column."""
    duckdb = pytest.importorskip("duckdb")
    folder = tmp_path_factory.mktemp("bucket")
    for run in RUNS:
        for key in (keys.losses_table(run), keys.segments_table(run)):
            (folder / key).parent.mkdir(parents=True)
            (folder / key).write_bytes(host.s3.objects[key])
    database = duckdb.connect()
    for name in ("losses", "segments"):
        database.execute(
            f"CREATE VIEW {name} AS SELECT *, regexp_extract(filename, 'runs/([^/]+)/tables', 1) AS run "
            f"FROM read_parquet('{folder}/runs/*/tables/{name}/*', filename = true)"
        )
    return [database.execute(query).fetchall() for query in QUERIES]


def test_the_documented_queries_answer_with_the_runs_figures(
    host: MemoryHost, answers: list[list[tuple[Any, ...]]]
) -> None:
    means, var, tail = answers
    results = {run: host.json(keys.result(run)) for run in RUNS}
    found = {(run, case): loss for run, case, loss in means}
    assert set(found) == {(run, case) for run, result in results.items() for case in result["cases"]}
    for (run, case), loss in found.items():
        simulated = results[run]["cases"][case]["el_check"]["simulated"]
        assert loss == pytest.approx(simulated, abs=0.01, rel=1e-6)
    assert dict(var) == {
        case: pytest.approx(figures["var"]["99.9"], abs=0.006)
        for case, figures in results["july-2026"]["cases"].items()
    }
    segments = results["july-2026"]["cases"]["base"]["segments"]
    assert [row[0] for row in tail] == sorted(segments, key=lambda part: -segments[part]["es_97.5_contribution"])
    assert sum(row[3] for row in tail) == pytest.approx(1)


def test_the_documented_table_of_single_loans_is_over_columns_and_files_that_a_run_has(host: MemoryHost) -> None:
    (statement,) = (each for each in DOCUMENTED if each.startswith("CREATE"))
    listed = re.findall(r"^  (.+)$", statement, re.MULTILINE)
    columns = dict(column.split() for line in listed for column in line.split(", "))
    (place,) = re.findall(r"LOCATION 's3://DATA_BUCKET/(.+/)'", statement)
    keys_below = [key for key in host.s3.objects if key.startswith(place)]
    assert keys_below
    for key in keys_below:
        schema = pq.read_schema(io.BytesIO(host.s3.objects[key]))
        types = {name: schema.field(name).type for name in columns}
        plain = {name: getattr(each, "value_type", each) for name, each in types.items()}
        assert columns == {name: HIVE[each] for name, each in plain.items()}


def test_every_query_names_the_run_as_athena_demands() -> None:
    assert len(QUERIES) == 3
    assert all(re.search(r"\brun (=|IN) ", query) for query in QUERIES)
