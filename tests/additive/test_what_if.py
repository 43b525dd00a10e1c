"""What-ifs: equal to the bit to a run over the changed portfolio, and a sentence for whatever cannot come or go."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from additive import candidates, what_if_page
from additive.combine import combine
from additive.operands import parse
from additive.price import Pricer
from additive.replay import Replay
from additive.what_if import WhatIf, what_if
from montecarlo.errors import IncompleteRun, InvalidInput, MonteCarloError
from montecarlo.portfolio import synthetic
from montecarlo.storage import keys
from montecarlo.storage.parquet import to_parquet
from tests.additive.conftest import LOANS, put
from tests.memory_run import MemoryHost, simulate
from tests.memory_s3 import MemoryS3
from tests.run.test_products import HOUSES, book

pytestmark = pytest.mark.usefixtures("quick")

REQUEST: dict[str, Any] = {
    "scenarios": 200,
    "dimensions": ["RateType"],
    "as_of": "2026-01-01",
    "chunk_loans": 40,
    "capital_available": 1e5,
}
ORDER = np.arange(len(LOANS))
ACCOUNTS = LOANS["AccountID"].to_pylist()


def run(host: MemoryHost, name: str, rows: Any, **request: Any) -> dict[str, Any]:
    return simulate(host, **{"run": name, "portfolio": put(host, name, rows), **REQUEST, **request})


def deals(folder: Path, rows: Any, name: str = "deals.csv", table: pa.Table = LOANS) -> Path:
    (folder / name).write_bytes(synthetic.to_csv(table.take(pa.array(rows, pa.int64()))))
    return folder / name


def sold(folder: Path, rows: Any, name: str = "sold.csv") -> Path:
    (folder / name).write_text("\n".join(["AccountID", *(ACCOUNTS[row] for row in rows)]) + "\n")
    return folder / name


@pytest.fixture(scope="module")
def _runs(quick: None) -> dict[str, bytes]:
    host = MemoryHost()
    run(host, "A", ORDER[:150])
    return host.s3.objects


@pytest.fixture
def host(_runs: dict[str, bytes]) -> MemoryHost:
    """With the run A over the first 150 loans, in four chunks."""
    return MemoryHost(MemoryS3(dict(_runs)))


def ask(host: MemoryHost, add: Any = (), remove: Any = (), name: str = "A", **more: Any) -> WhatIf:
    return what_if(Replay.open(host.store, name), add, remove, **more)


def compare(found: WhatIf, host: MemoryHost, before: str, after: str) -> None:
    """Both ends are what runs over both portfolios say, but for what sums do not know."""
    for mine, name in ((found.before, before), (found.after, after)):
        theirs = host.json(keys.result(name))
        mine = json.loads(json.dumps(mine))
        mine["portfolio"]["source"] = theirs["portfolio"]["source"]
        mine["versions"]["portfolio"] = theirs["versions"]["portfolio"]
        assert mine == {**{key: theirs[key] for key in mine}, "run": mine["run"]}
    losses = [host.s3.objects[keys.losses(name)] for name in (before, after)]
    assert losses[0] != losses[1]


@settings(max_examples=3, deadline=None)
@given(st.sets(st.integers(0, 99), max_size=40), st.sets(st.integers(100, 139), max_size=20), st.booleans())
def test_it_is_a_run_over_the_changed_portfolio_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, going: set[int], coming: set[int], aimed: bool
) -> None:
    going, coming = going or {0}, coming or {139}
    folder, host = tmp_path_factory.mktemp("deals"), MemoryHost()
    run(host, "A", ORDER[:100], tail_sampling=aimed, scenarios=150)
    changed = [*(row for row in range(100) if row not in going), *sorted(coming)]
    run(host, "AFTER", changed, scenarios_from="A", scenarios=None, tail_sampling=None)
    found = ask(host, [deals(folder, sorted(coming))], [sold(folder, sorted(going))])
    compare(found, host, "A", "AFTER")
    assert (found.added["loans"], found.removed["loans"]) == (len(coming), len(going))


def test_all_waves_count(host: MemoryHost, tmp_path: Path) -> None:
    run(host, "W", ORDER[:90], scenarios=100, target_error=0.0001, max_scenarios=200)
    run(host, "AFTER", [*ORDER[5:90], *ORDER[150:160]], scenarios_from="W", scenarios=None)
    found = ask(host, [deals(tmp_path, ORDER[150:160])], [sold(tmp_path, ORDER[:5])], "W")
    compare(found, host, "W", "AFTER")
    assert found.before["scenarios"] == 200


def test_a_loan_that_changes_goes_and_comes(host: MemoryHost, tmp_path: Path) -> None:
    worse = LOANS.set_column(
        LOANS.column_names.index("Rate"), "Rate", pa.array([rate + 5 for rate in LOANS["Rate"].to_pylist()])
    )
    with pytest.raises(InvalidInput, match=f"has the loan {ACCOUNTS[3]}, {ACCOUNTS[4]} already: remove it, too"):
        ask(host, [deals(tmp_path, [3, 4], table=worse)])
    found = ask(host, [deals(tmp_path, [3, 4], table=worse)], [sold(tmp_path, [3, 4])])
    assert found.difference["base"]["el"] > 0
    assert found.before["loans"] == found.after["loans"]


def test_the_difference_is_that_of_the_ends_with_an_error(host: MemoryHost, tmp_path: Path) -> None:
    found = ask(host, [deals(tmp_path, ORDER[150:160])])
    document = found.to_json()
    for case, difference in document["difference"].items():
        ends = [document[name]["cases"][case] for name in ("before", "after")]
        for measure in ("var", "es", "economic_capital"):
            for level, value in difference[measure].items():
                assert value == pytest.approx(ends[1][measure][level] - ends[0][measure][level], abs=0.011)
                assert difference["standard_error"][measure][level] is None or (
                    difference["standard_error"][measure][level] >= 0
                )
        assert difference["el"] == pytest.approx(ends[1]["el"] - ends[0]["el"])
        assert difference["interval_95"]["el"] == [pytest.approx(difference["el"], abs=0.011)] * 2
        parts = difference["segments"].values()
        assert sum(part["loans"] for part in parts) == 10
        assert sum(part["el"] for part in parts) == pytest.approx(difference["el"], abs=0.05)
        assert sum(part["es_99_contribution"] for part in parts) == pytest.approx(difference["es"]["99"], abs=0.05)


def test_only_chunks_that_hold_such_loans_are_read(host: MemoryHost, tmp_path: Path) -> None:
    part = "portfolios/A/loans.csv"
    ask(host, [], [sold(tmp_path, [149])])
    once = host.s3.reads[part]
    host.s3.reads.clear()
    ask(host, [], [sold(tmp_path, [0, 50, 100, 149])])
    assert host.s3.reads[part] > once
    host.s3.reads.clear()
    ask(host, [deals(tmp_path, ORDER[150:])])
    assert part not in host.s3.reads


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("AccountID\nnobody\nA0\nA1\nA2\n", "the run A has no loan nobody, A0, A1 and 1 more"),
        ("AccountID\n{0}\n{0}\n", "these AccountIDs are there more than once: {0}"),
        ("AccountID\n", "holds no AccountID"),
        ("", r"sold\.csv"),
        ("Loan\n{0}\n", r"sold\.csv has no column 'AccountID'"),
        ("AccountID,Rate\n,5\n", "row 1: AccountID is missing"),
        ("AccountID\nA\xff\n", r"sold\.csv"),
    ],
)
def test_what_cannot_go_is_refused_and_named(host: MemoryHost, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "sold.csv").write_bytes(text.format(ACCOUNTS[0]).encode("latin-1"))
    with pytest.raises(MonteCarloError, match=message.format(ACCOUNTS[0])):
        ask(host, [], [tmp_path / "sold.csv"])


def test_what_cannot_come_is_refused(host: MemoryHost, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="nothing would change"):
        ask(host)
    with pytest.raises(InvalidInput, match="no loan would be left"):
        ask(host, [], [sold(tmp_path, ORDER[:150])])
    with pytest.raises(InvalidInput, match="are there more than once"):
        ask(host, [deals(tmp_path, [200, 200])])
    with pytest.raises(InvalidInput, match="are there more than once"):
        ask(host, [deals(tmp_path, [200]), deals(tmp_path, [200], "again.csv")])
    with pytest.raises(InvalidInput, match=r"deals\.txt: the name must end in"):
        ask(host, [tmp_path / "deals.txt"])
    with pytest.raises(InvalidInput, match=r"none\.csv cannot be read: No such file"):
        ask(host, [tmp_path / "none.csv"])
    lines = deals(tmp_path, [200, 201]).read_text().splitlines()
    bad = tmp_path / "bad.csv"
    cells = lines[2].split(",")
    cells[lines[0].replace('"', "").split(",").index("LoanAmount")] = "secret"
    bad.write_text("\n".join([lines[0], lines[1], ",".join(cells)]) + "\n")
    with pytest.raises(MonteCarloError, match=r"bad\.csv: 1 of its rows cannot be used: row 2: ") as refused:
        ask(host, [bad])
    assert "secret" not in str(refused.value)
    bad.write_text(lines[0] + "\n")
    with pytest.raises(MonteCarloError, match="holds no loan"):
        ask(host, [bad])


def test_a_mapping_of_its_own_reads_deals_written_otherwise(host: MemoryHost, tmp_path: Path) -> None:
    plain = ask(host, [deals(tmp_path, ORDER[150:155])])
    renamed = LOANS.rename_columns([{"AccountID": "Vertrag"}.get(name, name) for name in LOANS.column_names])
    mapped = ask(host, [deals(tmp_path, ORDER[150:155], table=renamed)], mapping={"columns": {"AccountID": "Vertrag"}})
    assert mapped.to_json() == plain.to_json()


def test_a_sample_and_what_was_not_done_here_are_refused(host: MemoryHost, tmp_path: Path) -> None:
    run(host, "S", ORDER[:60], sample=2)
    with pytest.raises(InvalidInput, match="the run S simulated one loan in 2"):
        ask(host, [deals(tmp_path, [200])], name="S")
    with pytest.raises(InvalidInput, match="there is no run none"):
        ask(host, [deals(tmp_path, [200])], name="none")
    del host.s3.objects[keys.sums("A")]
    with pytest.raises(InvalidInput, match="earlier version of this project made the run A: run it again"):
        ask(host, [deals(tmp_path, [200])])


def test_a_portfolio_that_was_changed_since_is_found(host: MemoryHost, tmp_path: Path) -> None:
    put(host, "A", ORDER[1:151])
    with pytest.raises(MonteCarloError, match="was written again"):
        ask(host, [], [sold(tmp_path, [3])])
    host.s3.objects[keys.sums("A")] = host.s3.objects[keys.sums("A")][:-9]
    with pytest.raises(IncompleteRun, match=r"sums\.npz is damaged"):
        ask(host, [deals(tmp_path, [200])])


def test_deals_come_to_a_sum_of_runs_and_its_loans_do_not_go(host: MemoryHost, tmp_path: Path) -> None:
    run(host, "B", ORDER[150:200], scenarios_from="A", scenarios=None)
    combine(parse(["A + B"]), "SUM", host.store, lambda _: host.store)
    run(host, "AFTER", ORDER[:210], scenarios_from="A", scenarios=None)
    run(host, "BEFORE", ORDER[:200], scenarios_from="A", scenarios=None)
    compare(ask(host, [deals(tmp_path, ORDER[200:210])], name="SUM"), host, "BEFORE", "AFTER")
    with pytest.raises(InvalidInput, match=r"SUM is the sum A \+ B of other runs: no loan is in it"):
        ask(host, [], [sold(tmp_path, [3])], "SUM")


def test_accounts_go_from_a_portfolio_with_decimal_commas(host: MemoryHost, tmp_path: Path) -> None:
    rows = {"COMMA": ORDER[:60], "LESS": ORDER[3:60]}
    for name, some in rows.items():
        text = synthetic.to_csv(LOANS.take(pa.array(some, pa.int64()))).decode().replace(",", ";").replace(".", ",")
        host.s3.objects[f"portfolios/{name}/loans.csv"] = text.encode()
    dialect = {"dialect": {"delimiter": ";", "decimal": ",", "thousands": "."}}
    simulate(host, **{**REQUEST, "run": "COMMA", "portfolio": "portfolios/COMMA/", "mapping": dialect})
    pinned = {"scenarios_from": "COMMA", "scenarios": None, "mapping": dialect}
    simulate(host, **{**REQUEST, "run": "LESS", "portfolio": "portfolios/LESS/", **pinned})
    found = ask(host, [], [sold(tmp_path, ORDER[:3])], name="COMMA")
    assert found.after["cases"] == host.json(keys.result("LESS"))["cases"]


def test_borrowers_share_their_luck_and_are_not_told(host: MemoryHost, tmp_path: Path) -> None:
    mapping = {"columns": {"ObligorID": "ZipCode"}}
    run(host, "D", ORDER[:100], mapping=mapping)
    run(host, "AFTER", ORDER[:110], mapping=mapping, scenarios_from="D", scenarios=None)
    found = ask(host, [deals(tmp_path, ORDER[100:110])], name="D")
    assert found.after["portfolio"]["borrowers"] is None
    assert found.after["cases"] == host.json(keys.result("AFTER"))["cases"]


def test_a_borrower_of_a_sum_of_runs_takes_more_loans(host: MemoryHost, tmp_path: Path) -> None:
    mapping = {"columns": {"ObligorID": "ZipCode"}}
    run(host, "G", ORDER[:60], mapping=mapping)
    for name, loans in (("H", ORDER[60:100]), ("WHOLE", ORDER[:110])):
        run(host, name, loans, mapping=mapping, scenarios_from="G", scenarios=None)
    combine(parse(["G + H"]), "OWED", host.store, lambda _: host.store)
    found = ask(host, [deals(tmp_path, ORDER[100:110])], name="OWED")
    assert found.after["cases"] == host.json(keys.result("WHOLE"))["cases"]


def test_the_page_is_one_file_that_says_what_comes_and_goes(host: MemoryHost, tmp_path: Path) -> None:
    found = ask(host, [deals(tmp_path, ORDER[150:160])], [sold(tmp_path, ORDER[:5])])
    page = what_if_page.render(found)
    root = ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    text = "".join(root.itertext())
    assert "10 loans of" in text
    assert "5 loans of" in text
    assert {"link", "script", "img"}.isdisjoint(element.tag for element in root.iter())
    for measure in ("Value at risk (VaR), 99.9 %", "Expected shortfall (ES), 99 %", "Basel IRB capital"):
        assert measure.replace(" %", "\u00a0%") in text
    rows = what_if_page.rows(found, "stressed")
    assert [row[0] for row in rows if row[4] == "exact"] == ["Expected loss (EL)"]
    assert all(len(row) == 5 for row in rows)


def test_no_deal_is_left_out_in_silence(host: MemoryHost, tmp_path: Path) -> None:
    run(host, "autos", ORDER[:60], mapping={"filter": {"Segment": {"in": ["auto"]}}})
    with pytest.raises(MonteCarloError, match=r"filter of the run or its mapping leaves out \d+ of its rows"):
        ask(host, [deals(tmp_path, ORDER[150:190])], name="autos")
    run(host, "chosen", ORDER[:60], filter=[["Segment", "==", "auto"]])
    coming = deals(tmp_path, ORDER[150:190])
    refused = r"filter of the run or its mapping leaves out \d+ of its rows"
    for mapping in (None, {"currency": "USD"}):
        with pytest.raises(MonteCarloError, match=refused):
            what_if(Replay.open(host.store, "chosen"), [coming], mapping=mapping)
    pricer = Pricer.open(host.store, "chosen")
    with pytest.raises(MonteCarloError, match=refused):
        candidates.from_file(pricer.plan, coming)
    with pytest.raises(MonteCarloError, match=refused):
        pricer.price({**LOANS.slice(200, 1).to_pylist()[0], "Segment": "mortgage"})
    assert pricer.price({**LOANS.slice(200, 1).to_pylist()[0], "Segment": "Auto"})
    autos = [row for row in ORDER[:60] if LOANS["Segment"][int(row)].as_py() == "auto"]
    assert ask(host, [], [sold(tmp_path, autos[:1])], name="chosen").removed["loans"] == 1, "by the AccountID alone"
    owed = LOANS.append_column("ObligorID", pa.array(["O"] * len(LOANS)))
    with pytest.raises(MonteCarloError, match="has ObligorID, which the portfolio of the run A does not have"):
        ask(host, [deals(tmp_path, [200], table=owed)])


def test_what_a_deal_changes_is_its_price(host: MemoryHost, tmp_path: Path) -> None:
    pricer = Pricer.open(host.store, "A")
    for row in range(150, 153):
        file = deals(tmp_path, [row])
        difference = ask(host, [file]).difference
        for quote in pricer.price(candidates.from_file(pricer.plan, file)):
            change = difference[quote.case]
            assert quote.marginal.el / 100 == pytest.approx(change["el"], abs=0.011), "both ends are rounded to cents"
            for name in ("var", "es", "economic_capital"):
                assert getattr(quote.marginal, name) / 100 == pytest.approx(change[name]["99.9"], abs=0.011)


def test_loans_with_products_come_and_go_to_the_bit(tmp_path: Path) -> None:
    """Lines, bullets, and collateral that a case shifts, by stage and loan-to-value: as a run over them would say."""
    host, table, request = MemoryHost(), book(60), {"as_of": "2026-01-01", "dimensions": ["Stage", "LTV band"]}
    cases = {name: {**case, "probability": 0.25} for name, case in HOUSES["cases"].items()}
    host.s3.objects["portfolios/june/loans.parquet"] = to_parquet(table.slice(0, 50))
    host.s3.objects["portfolios/july/loans.parquet"] = to_parquet(table.slice(3))
    simulate(host, run="june", portfolio="portfolios/june/", scenarios=200, cases=cases, **request)
    july = simulate(host, run="july", portfolio="portfolios/july/", scenarios_from="june", **request)
    coming, going = tmp_path / "coming.parquet", tmp_path / "going.parquet"
    coming.write_bytes(to_parquet(table.slice(50)))
    going.write_bytes(to_parquet(table.slice(0, 3).select(["AccountID"])))
    found = what_if(Replay.open(host.store, "june"), [coming], [going])
    assert found.after["weighted_ecl"] == july["weighted_ecl"]
    for name, case in july["cases"].items():
        for figure in ("es", "ecl", "capital", "dimensions"):
            assert found.after["cases"][name][figure] == case[figure], (name, figure)
        assert set(found.difference[name]["ecl"]) == {"twelve_month", "lifetime", "allowance"}
