"""The documents say what the code does: links, tables, keys of the results, commands and their options."""

import io
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from additive.combine import combine
from additive.operands import parse
from cli.main import parser
from cli.run import DEFAULT_LOANS
from cli.terminal import format_table
from montecarlo import errors
from montecarlo.model import parameters
from montecarlo.portfolio.columns import COLUMNS
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.report.view import ResultView
from montecarlo.run.request import run_request
from montecarlo.steps import generate_part, plan_parts
from montecarlo.storage import keys
from tests.docs.tables import ROOT, documents, rows, with_fresh_tables
from tests.infrastructure.templates import STATE_MACHINES, resources, template
from tests.memory_run import MemoryHost, generate, simulate
from tests.memory_s3 import MemoryS3

DOCUMENTS = [pytest.param(file, id=str(file.relative_to(ROOT))) for file in documents()]
RUN = "sample"


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


# ---------------------------------------------------------------------------------------------------------------------
# Every document


@pytest.mark.parametrize("file", DOCUMENTS)
def test_links_inside_the_repository_resolve(file: Path) -> None:
    for target in re.findall(r"(?<!`)\]\(([^)\s]+)\)", file.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (file.parent / path).resolve() if path else file
        assert there.exists(), f"{file.name} links to {target}, which does not exist"
        assert not anchor or anchor in anchors(there), f"{file.name} links to {target}, which has no such heading"


@pytest.mark.parametrize("file", DOCUMENTS)
def test_commands_are_written_as_they_can_be_typed(file: Path) -> None:
    """`montecarlo` alone is on nobody's PATH; one page says how to put it there, and is written for those who have."""
    if file == ROOT / "docs" / "commands.md":
        assert 'export PATH="$PWD/.venv/bin:$PATH"' in file.read_text(encoding="utf-8")
        return
    bare = re.findall(r"(?:(?<!`)`|^ {4}|\$ )montecarlo [a-z-][^`\n]*", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert not bare, f"write .venv/bin/montecarlo: {bare}"


def anchors(file: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ +(.+)$", without_code(file.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("file", DOCUMENTS)
def test_tables_made_from_the_code_are_fresh(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text == with_fresh_tables(text), "run: python -m tests.docs.tables"


@pytest.mark.parametrize("file", DOCUMENTS)
def test_files_that_are_named_exist(file: Path) -> None:
    folders = "functions|statemachine|cloudformation|terraform|events|cli|additive|embedded_aws|publishing|tests"
    places = f"{folders}|benchmarks|examples|docs"
    for name in re.findall(rf"`((?:{places})/[\w./-]*)`", file.read_text(encoding="utf-8")):
        if not name.endswith(".tfvars"):  # the user's own
            there = (ROOT / name).exists() or (file.parent / name).exists()
            assert there, f"{file.name} names {name}, which does not exist"


@pytest.mark.parametrize("file", DOCUMENTS)
def test_no_path_of_anybodys_computer(file: Path) -> None:
    found = re.search(r"(?<![\w.}/-])/(work|tmp|root|home|Users)/\S*", file.read_text(encoding="utf-8"))
    assert found is None, f"{file.name}: {found and found[0]}"


@pytest.mark.parametrize("file", DOCUMENTS)
def test_commands_and_their_options_exist(file: Path) -> None:
    known = {
        name: {"--help", *(text for option in made.params for text in option.opts)}
        for name, made in parser().commands.items()
    }
    text = file.read_text(encoding="utf-8").replace("\\\n", " ")
    for name, rest in re.findall(r"(?:`|^ {4,}|bin/|run )montecarlo ([a-z][a-z-]*)([^`\n#]*)", text, re.MULTILINE):
        assert name in known, f"{file.name}: montecarlo {name}"
        for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", rest):
            assert option in known[name], f"{file.name}: montecarlo {name} has no {option}"
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    for name, rest in re.findall(r"(?:`|^ {4,})make ([a-z]+)([^`\n#]*)", text, re.MULTILINE):
        assert name in targets, f"{file.name}: make {name}"
        for variable in re.findall(r"\b([A-Z]+)=", rest):
            assert f"$({variable})" in text_of("Makefile"), f"{file.name}: make {name} knows no {variable}"


# ---------------------------------------------------------------------------------------------------------------------
# One document each


def test_readme_gives_a_reason_for_every_dependency() -> None:
    readme = text_of("README.md")
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    for requirement in [*project["dependencies"], *chain(*project["optional-dependencies"].values())]:
        name = re.match(r"[A-Za-z0-9-]+", requirement)[0]  # type: ignore[index]
        assert re.search(rf"\b{name}\b", readme), f"README.md does not say why there is {name}"


def test_every_field_and_parameter_of_a_run_is_explained() -> None:
    for path in ("docs/run-your-portfolio.md", "docs/model.md", "docs/deploy-sam.md"):
        for table in re.findall(r"<!-- table: .*?<!-- end of table -->", text_of(path), re.DOTALL):
            assert all(cells[-1] for cells in rows(table)), f"{path} has a table with an empty last column:\n{table}"


def test_json_examples_are_accepted() -> None:
    """Mappings, parameters and inputs of runs in "Run your portfolio" pass the checks that a run makes."""
    examples = [
        json.loads(block)
        for block in re.findall(r"```json\n(.*?)```", text_of("docs/run-your-portfolio.md"), re.DOTALL)
    ]
    assert len(examples) == 10
    for example in examples:
        if "objects" in example:
            assert example["schema"] == 1
        elif "columns" in example:
            assert ColumnMapping.parse(example) == ColumnMapping.parse(
                json.loads(text_of("examples/lendingclub/mapping.json"))
            )
        elif "dimensions" in example:
            assert set(ColumnMapping.parse(example, ["Rating", "Vintage"]).dimensions) == {"Rating", "Vintage"}
        elif "portfolio" in example:
            parameters.load(run_request(example, {"run": RUN}).parameters)
        else:
            parameters.load(example)


def test_every_origin_of_a_mapping_is_accepted() -> None:
    document = text_of("docs/run-your-portfolio.md")
    origins = re.findall(r'^\| `(\{"(?:from|constant|join|row_number|computed)".*?\})` \|', document, re.MULTILINE)
    assert len(origins) == 12
    columns = {"join": "AccountID", "row_number": "AccountID", "format": "OriginationDate", "scale": "Rate",
               "unit": "Rate", "computed": "Payment", "default": "PD"}  # fmt: skip
    for origin in map(json.loads, origins):
        column = next((columns[key] for key in columns if key in origin), "Segment")
        ColumnMapping.parse({"columns": {column: origin}})


def test_every_error_is_explained() -> None:
    document = text_of("docs/operate.md")
    for name, kind in vars(errors).items():
        if isinstance(kind, type):
            assert f"`{name}`" in document, f"docs/operate.md does not say what to do about {name}"
    for machine in STATE_MACHINES:
        for name in set(
            re.findall(r'"((?:Lambda|Runtime|Sandbox|States)\.\w+)"', text_of(f"statemachine/{machine}.asl.json"))
        ):
            assert name == "States.ALL" or f"`{name}`" in document, f"docs/operate.md does not explain {name}"


def test_every_state_is_in_the_map_of_the_code() -> None:
    described = {cells[0]: cells[1].strip("`") for cells in rows(text_of("docs/develop.md"))}
    for name in STATE_MACHINES:
        for function, body in resources(f"cloudformation/{name}.yaml", "AWS::Serverless::Function").items():
            handler = body["Properties"]["Handler"].removesuffix(".handler")
            assert described.get(function) == f"functions/{handler}.py"


def test_the_console_form_is_described_in_full() -> None:
    form = template("template.yaml")["Metadata"]["AWS::CloudFormation::Interface"]["ParameterLabels"]
    described = {cells[0] for cells in rows(text_of("docs/deploy-console.md"))}
    assert {label["default"] for label in form.values()} <= described


# ---------------------------------------------------------------------------------------------------------------------
# The results of a real run


@pytest.fixture(scope="module")
def bucket() -> MemoryS3:
    """What a run leaves: the steps of both state machines, one after the other, on the sample events.

    Row 3 of the portfolio cannot be used, and is rejected; row 5 has the AccountID of row 4. Loans of one ZIP code have
    one borrower. Rows 7 and 8 are no annuities, row 8 has collateral, row 9 a grade.
    """
    host = MemoryHost()
    plan_parts.step(sample("plan_parts"), host)
    generate_part.step({**sample("generate_part"), "format": "csv"}, host)
    part = keys.portfolio_part("sample", 0, "csv")
    lines = host.s3.objects[part].decode().split("\n")
    lines[3] = re.sub(r"^([^,]*),", ",", lines[3])
    lines[5] = lines[4]
    more = {0: "Amortisation,PaymentFrequency,InterestOnlyUntil,Balloon,Limit,CollateralValue,LGD,Stage,Grade",
            7: "linear,quarterly,2030-01-01,9,,,,2,", 8: "bullet,,,,1,5000,0.3,3,", 9: ",,,,,,,,A"}  # fmt: skip
    lines = [line and f"{line},{more.get(number, ',' * 8)}" for number, line in enumerate(lines)]
    host.s3.objects[part] = "\n".join(lines).encode()
    simulate(
        host,
        **{
            **sample("plan")["request"],
            "portfolio": part,
            "mapping": {"columns": {"ObligorID": "ZipCode"}, "filter": {"ZipCode": {"missing": False}}},
            "dimensions": ["RateType", "Stage"],
            "filter": [["LoanAmount", ">", 0]],
            "max_rejected_share": 0.5,
            "max_duplicate_share": 0.5,
            "as_of": "2026-01-01",
            "parameters": {"grades": {"A": [0.01]}},
            "institution": "Bank",
            "portfolio_name": "Loans",
            "capital_available": 1e6,
            "cases": {"stressed": {"fed_rate": 8.0, "probability": 0.3, "collateral_shift": {"mortgage": -0.25}}},
        },
    )
    return host.s3


def sample(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(text_of(f"events/{name}.json"))
    return event


def described_keys(title: str) -> set[str]:
    """The code in the first column of the first table after a text of docs/results.md."""
    document = text_of("docs/results.md")
    assert title in document
    table = re.search(r"^\|.*?(?=^[^|])", document.split(title, 1)[1] + "\n\n", re.DOTALL | re.MULTILINE)
    assert table, title
    return {key for cells in rows(table[0]) for key in re.findall(r"`([^`]+)`", cells[0])}


def pattern(key: str) -> re.Pattern[str]:
    """A documented key: <x> stands for any one name, and * for everything below."""
    names = re.sub(r"<[a-z]+>", "\0", key)
    return re.compile(re.escape(names).replace("\0", r"[^.]+(?:\.\d)?").replace(r"\*", ".+"))


def paths(node: Any, path: str = "") -> Iterator[str]:
    """Every leaf of a document, as a path with dots; a list is a leaf."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from paths(value, f"{path}.{name}" if path else name)
    else:
        yield path


def compare(described: set[str], found: set[str], where: str) -> None:
    unknown = {name for name in found if not any(pattern(key).fullmatch(name) for key in described)}
    assert not unknown, f"docs/results.md does not describe {sorted(unknown)} of {where}"
    absent = {key for key in described if not any(pattern(key).fullmatch(name) for name in found)}
    assert not absent, f"docs/results.md describes {sorted(absent)}, which {where} does not have"


def test_the_readme_shows_what_make_run_prints() -> None:
    """The figures, to the last digit: of the same portfolio and the same run, in memory."""
    (printed,) = re.findall(r"<!-- output of make run -->\n```\n(.*?)```", text_of("README.md"), re.DOTALL)
    (run,) = re.findall(r"^Run (\S+):", printed, re.MULTILINE)
    host = MemoryHost()
    result = simulate(host, run=run, portfolio=generate(host, loans=DEFAULT_LOANS))
    assert f"\n\n{format_table(ResultView.of(result))}\n\nReport: " in printed


def test_every_key_of_the_result_is_described(bucket: MemoryS3) -> None:
    result = json.loads(bucket.objects[keys.result(RUN)])
    compare(described_keys("## result.json"), set(paths(result)), "result.json")


def test_every_key_of_a_pinned_result_is_described(bucket: MemoryS3) -> None:
    host = MemoryHost(MemoryS3(dict(bucket.objects)))
    portfolio = generate(host, name="loans", loans=300)
    simulate(host, run="june", portfolio=portfolio, scenarios=200)
    found = set(paths(simulate(host, run="july", portfolio=portfolio, reuse="june")))
    others = set(paths(host.json(keys.result("june"))))
    compare(described_keys("takes the scenarios of another"), found - others, "result.json")


def test_every_key_of_a_sum_of_runs_is_described(bucket: MemoryS3) -> None:
    host = MemoryHost(MemoryS3(dict(bucket.objects)))
    for run, first in (("A", 0), ("B", 1)):
        portfolio = generate(host, name=run, loans=100, seed=first)
        pinned = {"scenarios_from": "A"} if first else {}
        simulate(host, run=run, portfolio=portfolio, scenarios=100, max_duplicate_share=1, **pinned)
    made = combine(parse(["A + B"]), "sum", host.store, lambda _: host.store)
    made.result["combined"]["not_told"] = {"duplicates": "a reason"}
    found, others = set(paths(made.result)), set(paths(host.json(keys.result("A"))))
    compare(described_keys("has besides, and neither"), found - others, "result.json")
    assert {key.split(".")[0] for key in others - found} == {"timings", "cost"}


def test_every_key_of_a_comparing_result_is_described(bucket: MemoryS3) -> None:
    host = MemoryHost(MemoryS3(dict(bucket.objects)))
    portfolio = generate(host, name="loans", loans=300)
    simulate(host, run="june", portfolio=portfolio, scenarios=200)
    found = set(paths(simulate(host, run="july", portfolio=portfolio, scenarios=200, compare_with="june")))
    others = set(paths(host.json(keys.result("june"))))
    compare(described_keys("asked to compare with another"), found - others, "result.json")


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("`losses.parquet`, a row", keys.losses(RUN)),
        ("`segments.parquet`, a row", keys.segments(RUN)),
        ("`tables/losses/losses.parquet`, a row", keys.losses_table(RUN)),
        ("`tables/segments/segments.parquet`, a row", keys.segments_table(RUN)),
        ("`duplicates.parquet`, a row", keys.duplicates(RUN)),
        ("`loans/<group>-<chunk>.parquet`, a row", keys.chunk_loans(RUN, 0, 0)),
        ("`rejects/<group>-<chunk>.parquet`, a row", keys.chunk_rejects(RUN, 0, 0)),
    ],
)
def test_every_column_of_the_tables_is_described(bucket: MemoryS3, title: str, key: str) -> None:
    compare(described_keys(title), set(pq.read_schema(io.BytesIO(bucket.objects[key])).names), key)


def test_everything_that_a_run_leaves_is_described(bucket: MemoryS3) -> None:
    described = described_keys("# Results") - {"failure.json", "failure.html"}
    left = {key.removeprefix(f"runs/{RUN}/") for key in bucket.objects if key.startswith(f"runs/{RUN}/")}
    tops = {f"{name.split('/')[0]}/" if "/" in name else name for name in left}
    assert tops == described


def test_columns_are_those_of_the_portfolio() -> None:
    assert {f"`{column.name}`" for column in COLUMNS} <= {
        cells[0] for cells in rows(text_of("docs/run-your-portfolio.md"))
    }


def test_the_reviewers_commands_find_the_same_machine_code() -> None:
    if not (ROOT / ".venv-zig/bin/python").exists():
        pytest.skip("Zig's C compiler is not installed: `make compiler` does it")
    (commands,) = re.findall(r"```sh\n(.*?)```", text_of("docs/security.md"), re.DOTALL)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    hashed = re.findall(r"^([0-9a-f]{64}) ", done.stdout, re.MULTILINE)
    assert len(hashed) == 2
    assert re.findall(r"^library-sha256: (.*)$", done.stdout, re.MULTILINE) == hashed
    (version,) = re.findall(r"^ziglang==(.*)$", text_of("requirements/zig.in"), re.MULTILINE)
    assert f"ziglang=={version}" in commands
