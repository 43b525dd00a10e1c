"""A portfolio outside the US: its regions, currency and benchmark rate, and no word of ZIP codes or the Fed."""

import json
from typing import Any

import pytest

from cli.terminal import format_table
from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.model.parameters import load
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.report.view import ResultView
from tests.memory_run import MemoryHost, figures, simulate
from tests.report.reading import visible

HEAD = "AccountID,land,Rate,Payment,LoanAmount,LoanTerm,OriginationDate,GrossIncome"
MAPPING = {"currency": "EUR", "region": {"from": "land", "values": {"BY": "Bayern", "HH": "Hamburg"}}}
PARAMETERS = {"benchmark_rate": "3-month Euribor", "base_fed_rate": 2}


def run(**request: Any) -> tuple[dict[str, Any], MemoryHost]:
    host = MemoryHost()
    lands = ["BY", "HH", "", "BY"]
    rows = [f"A{i},{lands[i % 4]},7,311,10000,36,2025-03-15,40000" for i in range(40)]
    host.s3.objects["portfolios/p/0.csv"] = "\n".join([HEAD, *rows, ""]).encode()
    given = {"run": "r", "portfolio": "portfolios/p/", "scenarios": 500, "mapping": MAPPING, "parameters": PARAMETERS}
    return simulate(host, **{**given, **request}), host


def test_regions_are_those_of_the_column_and_no_zip_code_is_needed() -> None:
    result, _ = run()
    regions = result["portfolio"]["regions"]
    assert {name: part["loans"] for name, part in regions.items()} == {"Bayern": 20, "Hamburg": 10, "not given": 10}
    assert result["portfolio"]["regions_told"] == "all"
    assert "dimensions" not in result["portfolio"]
    for case in result["cases"].values():
        assert list(case["regions"]) == list(regions)
        assert sum(part["es_99_contribution"] for part in case["regions"].values()) == pytest.approx(
            case["es"]["99"], abs=0.05
        )
    assert result["portfolio"]["concentration"]["hhi_regions"] == pytest.approx(0.5**2 + 2 * 0.25**2)
    in_chunks, _ = run(chunk_loans=7)
    assert figures(in_chunks) == figures(result)


def test_nothing_is_said_of_the_us() -> None:
    result, host = run(dimensions=["RateOfRegion"], mapping=MAPPING | {"dimensions": {"RateOfRegion": "Rate"}})
    shown = visible(host.s3.objects["runs/r/report.html"].decode()) + format_table(ResultView.of(result))
    for word in ("Federal", "Fed ", "ZIP", "US$ million", "$ million"):
        assert word not in shown.replace("US$ 0", ""), word
    for word in ("3-month Euribor", "Losses by region", "Bayern", "€", "By region"):
        assert word in shown, word


def test_the_rate_and_the_regions_are_those_of_the_us_unless_they_are_named() -> None:
    result, host = run(mapping={"columns": {"ZipCode": {"constant": "TX"}}}, parameters=None)
    assert "benchmark_rate" not in result["parameters"]
    shown = visible(host.s3.objects["runs/r/report.html"].decode())
    assert "Federal Funds rate" in shown
    assert "Losses by ZIP region" in shown


def test_eight_dimensions_beside_the_region() -> None:
    names = [f"D{i}" for i in range(8)]
    mapping = MAPPING | {"dimensions": dict.fromkeys(names, "AccountID")}
    result, _ = run(mapping=mapping, dimensions=names, scenarios=5)
    assert {found["told"] for found in result["portfolio"]["dimensions"].values()} == {"all"}
    assert json.loads(json.dumps(result)) == result


def test_a_missing_region_and_wrong_names_are_refused() -> None:
    with pytest.raises(InvalidPortfolio, match="has no column 'state' for the region"):
        run(mapping={"region": "state"})
    with pytest.raises(InvalidInput, match="mapping of the dimension region"):
        ColumnMapping.parse({"region": {"scale": 2}})
    with pytest.raises(InvalidInput, match="benchmark_rate must be the name of a rate such as '3-month Euribor'"):
        load({"benchmark_rate": 7})
