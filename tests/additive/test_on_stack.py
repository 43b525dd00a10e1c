"""Combine, what-if, price, compare and verify as they are typed, on a deployed stack."""

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from montecarlo.portfolio import synthetic
from montecarlo.storage import keys
from montecarlo.storage.sealed import unseal_document
from tests.deployed import Cloud, Montecarlo


def loans(first: int, count: int) -> pa.Table:
    return synthetic.generate(first, count, 1, date(2026, 1, 1))


@pytest.fixture(scope="module")
def runs(cloud: Cloud) -> None:
    """The runs may and june, of which the second has the first's scenarios."""
    request = {"scenarios": 200, "as_of": "2026-01-01"}
    cloud.simulate(cloud.upload("portfolios/may/loans.parquet", loans(0, 80)), run="add-may", **request)
    june = pa.concat_tables([loans(5, 75), loans(500, 9)])
    cloud.simulate(
        cloud.upload("portfolios/june/loans.parquet", june),
        run="add-june",
        scenarios_from="add-may",
        as_of="2026-01-01",
    )


def test_combine_and_what_if(
    runs: None, cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    new, sold = loans(900, 30), loans(0, 5).select(["AccountID"])
    portfolio = cloud.upload("portfolios/new/loans.parquet", new)
    cloud.simulate(portfolio, run="add-new", scenarios_from="add-may", as_of="2026-01-01")
    Path("new.csv").write_bytes(synthetic.to_csv(new))
    Path("sold.csv").write_bytes(synthetic.to_csv(sold))

    status, out, err = montecarlo("combine", "add-may", "+", "add-new", "--name", "add-all")
    assert status == 0, err
    assert "Run add-all: 200 scenarios" in out
    assert "110 read = 110 simulated" in out
    assert "This is add-may + add-new, added up" in out
    summed = json.loads(cloud.read(keys.result("add-all")))
    assert montecarlo("what-if", "add-may", "--add", "new.csv", "--out", "grown")[0] == 0
    grown = json.loads(Path("grown/what-if.json").read_text())
    assert grown["after"]["cases"] == summed["cases"]
    assert Path("grown/report.html").is_file()
    for command in (("what-if", "add-all", "--add", "new.csv"), ("price", "add-all", "new.csv")):
        status, _, err = montecarlo(*command)
        assert (status, "no AccountID was looked for in it" in err) == (0, True), err
    status, out, err = montecarlo("what-if", "add-may", "--remove", "sold.csv", "--json")
    assert status == 0, err
    assert json.loads(out)["removed"]["loans"] == 5

    assert "add-all" in montecarlo("list", "--most", 10_000)[1]
    assert "Run add-all is done" in montecarlo("show", "add-all")[1]
    assert montecarlo("download", "add-all", "--out", "all")[0] == 0
    assert montecarlo("export", "all", "all.xlsx")[0] == 0
    assert "add-all" in montecarlo("open", "add-all")[1]
    assert montecarlo("resume", "add-all")[0] == 0
    for wrong, said in (
        (("combine", "add-may", "+", "add-new", "--name", "add-all"), "there is a run add-all already"),
        (("compare", "add-may", "add-all"), "add-all"),
        (("verify", "add-all"), "add-all"),
        (("run", "--portfolio", "new.csv", "--reuse", "nope"), "there is no run nope"),
        (("run", "--portfolio", "new.csv", "--name", "add-all"), "there is a run add-all already"),
    ):
        status, _, err = montecarlo(*wrong)
        assert (status, said in err, "Traceback" in err) == (2, True, False), (wrong, err)


def test_price(runs: None, montecarlo: Montecarlo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("deals.csv").write_bytes(synthetic.to_csv(pa.concat_tables([loans(900, 30), loans(7, 1)])))

    status, out, err = montecarlo("price", "add-june", "deals.csv", "--funding", 3, "--json", "quotes.json")

    assert status == 0
    assert len(out.splitlines()) == 21
    assert "11 more loans in quotes.json" in err
    assert "the AccountID of 1 loan here, such as LN-0000000007" in err
    quotes = json.loads(Path("quotes.json").read_text())["quotes"]
    assert [quote["case"] for quote in quotes] == ["base", "stressed"] * 31
    for wrong, said in (
        (("price", "add-june", "none.csv"), "none.csv cannot be read"),
        (("price", "add-june", "quotes.json"), "must end in .csv"),
        (("price", "none", "deals.csv"), "there is no run none"),
        (("price", "add-june", "deals.csv", "--hurdle", 101), "--hurdle is 101"),
        (("price", "add-june", "deals.csv", "--level", 100), "level is 100"),
        (("price", "add-june", "deals.csv", "--case", "crisis"), "no case crisis: it has base, stressed"),
    ):
        status, _, err = montecarlo(*wrong)
        assert (status, said in err, "Traceback" in err) == (2, True, False), err


def test_compare(runs: None, montecarlo: Montecarlo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    status, out, _ = montecarlo("compare", "add-may", "add-june", "--top", 3)

    assert status == 0
    assert "In every scenario the steps leave 0.00 of the loss's change." in out
    said = json.loads(Path("compare/compare.json").read_text())
    for case in said["cases"].values():
        loss = case["expected_loss"]
        assert (loss["residual"], case["largest_residual_of_a_scenario"], len(case["movers"])) == (0, 0, 3)
        assert loss["steps"]["new"]["loans"] == 9
        assert loss["steps"]["repaid"]["loans"] == 5
    assert Path("compare/scenarios.parquet").is_file()
    assert montecarlo("download", "add-may", "--out", "may")[0] == 0
    assert montecarlo("compare", "may", "add-june", "--top", 3, "--out", "again")[0] == 0  # a folder of a run there
    assert json.loads(Path("again/compare.json").read_text()) == said
    for wrong, said_of_it in (
        (("compare", "add-may", "none"), "no run none"),
        (("compare", "add-may", "add-june", "--top", "-1"), "--top is -1"),
        (("compare", "add-may", "add-june", "--out", "."), "current folder"),
    ):
        status, _, err = montecarlo(*wrong)
        assert (status, said_of_it in err, "Traceback" in err) == (2, True, False), err


def test_verify(
    runs: None, cloud: Cloud, montecarlo: Montecarlo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    status, out, _ = montecarlo("verify", "add-june", "--seed", 5, "--record", "record.json")

    assert status == 0, out
    assert "Nothing is wrong" in out
    record = unseal_document(Path("record.json").read_bytes())
    assert (record["intact"], record["seed"], record["findings"]) == (True, 5, [])
    key = keys.chunk_loans("add-june", 0, 0)
    data = cloud.read(key)
    cloud.upload(key, data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    status, out, _ = montecarlo("verify", "add-june", "--record", "record.json")
    assert status == 1
    assert f"WRONG    {key}" in out
    assert unseal_document(Path("record.json").read_bytes())["intact"] is False
    cloud.upload(key, data)
    for wrong, said in (
        (("verify", "none"), "there is no run none"),
        (("verify", "add-june", "--chunks", 0), "chunks is 0"),
        (("verify", "add-june", "--seed", "-1"), "--seed is -1"),
        (("verify", "../x"), "no run can be called"),
    ):
        status, _, err = montecarlo(*wrong)
        assert (status, said in err, "Traceback" in err) == (2, True, False), err
