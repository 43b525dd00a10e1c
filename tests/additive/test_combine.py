"""Sums of runs: equal to the bit to one run over all those loans, and a sentence for whatever is no such sum."""

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from additive.combine import Combined, combine
from additive.operands import Folder, parse
from additive.price import Pricer
from additive.replay import Replay
from montecarlo.errors import InvalidInput, InvalidPortfolio, RunTaken
from montecarlo.report.page import render
from montecarlo.report.view import ResultView
from montecarlo.run import plan, publication, sums
from montecarlo.storage import keys
from montecarlo.storage.sealed import seal_document, unseal_document
from montecarlo.storage.store import Store
from tests.additive.conftest import LOANS, put
from tests.memory_run import MemoryHost, figures, simulate
from tests.memory_s3 import MemoryS3
from tests.portfolio.helpers import SEGMENTS

pytestmark = pytest.mark.usefixtures("quick")

REQUEST: dict[str, Any] = {
    "scenarios": 100,
    "dimensions": ["RateType", "LoanTerm"],
    "as_of": "2026-01-01",
    "capital_available": 1e5,
}
ORDER = np.arange(len(LOANS))


def run(host: MemoryHost, name: str, rows: Any, **request: Any) -> dict[str, Any]:
    return simulate(host, **{"run": name, "portfolio": put(host, name, rows), **REQUEST, **request})


def pinned(host: MemoryHost, name: str, rows: Any, **request: Any) -> dict[str, Any]:
    return run(host, name, rows, **{"scenarios_from": "A", "scenarios": None, **request})


def add(host: MemoryHost, expression: str, name: str = "SUM") -> Combined:
    return combine(parse([expression]), name, host.store, lambda _: host.store)


def told(result: dict[str, Any]) -> dict[str, Any]:
    """What a sum and a run have in common: all but how they were made."""
    found = figures({name: value for name, value in result.items() if name not in ("scenarios_from", "combined")})
    found["portfolio"] = {**found["portfolio"], "source": None}
    return found


@pytest.fixture(scope="module")
def _runs(quick: None) -> dict[str, bytes]:
    host = MemoryHost()
    run(host, "A", ORDER[:150], chunk_loans=40)
    pinned(host, "B", ORDER[150:], chunk_loans=50)
    pinned(host, "C", ORDER[:30])
    pinned(host, "ALL", ORDER)
    run(host, "own", ORDER[150:])
    return host.s3.objects


@pytest.fixture
def host(_runs: dict[str, bytes]) -> MemoryHost:
    """With A and B, which make up ALL, C, which is a part of A, and a run of its own scenarios."""
    return MemoryHost(MemoryS3(dict(_runs)))


@settings(max_examples=3, deadline=None)
@given(
    st.lists(st.sampled_from("AB"), min_size=60, max_size=60),
    st.integers(1, 20),
    st.booleans(),
)
def test_a_sum_is_one_run_over_all_loans_to_the_bit(dealt: list[str], taken: int, aimed: bool) -> None:
    host = MemoryHost()
    rows = {name: [row for row, one in enumerate(dealt) if one == name] or [60] for name in "AB"}
    both = [*rows["A"], *rows["B"]]
    few = both[:: -(-len(both) // taken)]
    seed = len(rows["A"])
    request: dict[str, Any] = {"scenarios": 100, "tail_sampling": aimed, "seed": seed}
    run(host, "A", rows["A"], **request)
    pinned(host, "B", rows["B"], tail_sampling=aimed, chunk_loans=9)
    union = pinned(host, "UNION", both, chunk_loans=17)
    made = add(host, "A + B")
    assert told(host.json(keys.result("SUM"))) == told(union)
    assert host.s3.objects[keys.losses("SUM")] == host.s3.objects[keys.losses("UNION")]
    assert host.s3.objects[keys.segments("SUM")] == host.s3.objects[keys.segments("UNION")]
    assert made.result["combined"]["not_told"] == {}
    if len(few) < len(both):
        pinned(host, "C", few)
        left = pinned(host, "LEFT", [row for row in both if row not in few])
        less = add(host, "A + B - C", "LESS").result
        assert {name: value for name, value in told(less).items() if name != "input"} == {
            name: value for name, value in told(left).items() if name != "input"
        }
        assert set(less["combined"]["not_told"]) == {"input"}
        assert host.s3.objects[keys.losses("LESS")] == host.s3.objects[keys.losses("LEFT")]


def test_a_sum_is_a_term_of_further_sums_and_lends_its_scenarios(host: MemoryHost) -> None:
    add(host, "A + B")
    add(host, "SUM - B", "AGAIN")
    assert host.s3.objects[keys.losses("AGAIN")] == host.s3.objects[keys.losses("A")]
    pinned(host, "D", ORDER[150:], scenarios_from="SUM")
    assert host.s3.objects[keys.losses("D")] == host.s3.objects[keys.losses("B")]
    assert sums.waves(host.store, "SUM") == sums.waves(host.store, "A")
    assert {"loans/", "groups/"} & {
        key.split("/")[2] for key in host.s3.objects if key.startswith("runs/SUM/")
    } == set()


def test_a_run_that_is_in_a_sum_already_is_not_added_again(host: MemoryHost) -> None:
    add(host, "A + B")
    add(host, "A - C", "LESS")
    for expression in ("SUM + A", "A + SUM", "LESS - C", "SUM + LESS", "A - C - LESS + A"):
        with pytest.raises(InvalidInput, match="have a run in common"):
            add(host, expression, "MORE")
    add(host, "LESS + C", "BACK")
    assert host.s3.objects[keys.losses("BACK")] == host.s3.objects[keys.losses("A")]
    with pytest.raises(InvalidInput, match="A and BACK have a run in common"):
        add(host, "BACK + A", "MORE")
    with pytest.raises(InvalidInput, match="no loan is left"):
        add(host, "SUM - A - B", "MORE")


def test_all_waves_are_added(host: MemoryHost) -> None:
    waves = {"target_error": 0.0001, "max_scenarios": 300, "scenarios": 100}
    run(host, "W", ORDER[:150], **waves)
    pinned(host, "V", ORDER[150:], scenarios_from="W")
    union = pinned(host, "WV", ORDER, scenarios_from="W")
    made = add(host, "W + V")
    assert made.result["scenarios"] == 300
    assert told(made.result) == told(union)
    pinned(host, "X", ORDER[:9], scenarios_from="SUM")
    assert host.json(keys.result("X"))["scenarios"] == 300


def test_what_is_published_can_be_read_and_says_what_it_is(host: MemoryHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "render", render)
    made = add(host, "A + B - C")
    assert ResultView.of(made.result).combined.expression == "A + B - C"
    report = host.s3.objects[keys.report("SUM")].decode()
    assert "This is A + B - C, added up from what those runs left." in report
    assert "It does not tell: input, as what single loans are like" in report
    assert pq.read_table(host.store.open(keys.losses("SUM"))).num_rows == 100
    assert host.json(keys.plan("SUM"))["portfolio"] == "A + B - C"
    assert [each["sign"] for each in made.result["combined"]["runs"]] == [1, 1, -1]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("A", "one run alone is no sum"),
        ("A B", r"a \+ or - is missing before 'B'"),
        ("A +", "a run is missing at the end"),
        ("- A + B", "a run is missing before '-'"),
        ("", "a run is missing"),
        ("A + A", "A and A have a run in common: a loan counts once"),
        ("A - A", "A and A have a run in common: a loan counts once"),
        ("A + none", "there is no run none: s3://bucket/runs/none/plan.json does not exist"),
        ("A+B", r"there is no run A\+B: .* Write RUN \+ RUN with a space at each sign\."),
        ("A + ../B", r"there is no run \.\./B: name a run, s3://bucket/runs/NAME/, or a folder"),
        (
            "A + own",
            r"own and A do not add up: own differs in scenarios \(1 waves of its own: run it with scenarios_f",
        ),
        ("B - A", "A cannot be taken out: it is no part of the rest, as it has more rows"),
        ("B - C", "C cannot be taken out: it is no part of the rest, as it has"),
        ("A + B - ALL", "ALL is|no loan is left"),
    ],
)
def test_what_is_no_sum_is_refused(host: MemoryHost, expression: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        add(host, expression)
    assert not [key for key in host.s3.objects if key.startswith("runs/SUM/")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"as_of": "2026-02-28"}, 'another reporting date \\("2026-02-28", and not "2026-01-01"\\)'),
        ({"mapping": {"currency": "EUR"}}, 'another currency \\("EUR", and not "USD"\\)'),
    ],
)
def test_what_differs_is_named(host: MemoryHost, change: dict[str, Any], message: str) -> None:
    pinned(host, "D", ORDER[150:], **change)
    with pytest.raises(InvalidInput, match=f"D and A do not add up: D differs in .*{message.split(' ', 1)[1]}"):
        add(host, "A + D")


def test_loans_that_are_in_two_runs_are_found(host: MemoryHost) -> None:
    with pytest.raises(InvalidPortfolio, match=r"60 rows, 33\.333% of all, have an AccountID that another row has"):
        add(host, "A + C")
    pinned(host, "D", ORDER[:30], max_duplicate_share=1)
    twice = pinned(host, "TWICE", [*ORDER[:150], *ORDER[:30]], max_duplicate_share=1)
    assert told(add(host, "A + D").result)["duplicates"] == twice["duplicates"]
    pinned(host, "E", ORDER[200:230])
    with pytest.raises(InvalidInput, match="E cannot be taken out: "):
        add(host, "A - E", "LESS")


def test_a_run_that_fits_in_but_has_other_loans_is_found_by_its_keys(host: MemoryHost) -> None:
    names = [f"X{number}" for number in range(30)]
    others = LOANS.set_column(0, "AccountID", pa.array([*names, *LOANS["AccountID"].to_pylist()[30:]]))
    key = put(host, "D", ORDER[:30], others)
    parts = {"personal": {"pd": 1}}
    assert parts
    simulate(host, run="D", portfolio=key, scenarios_from="A", **{**REQUEST, "scenarios": None})
    with pytest.raises(InvalidInput, match=r"D cannot be taken out: (30 of its AccountIDs are not in the rest|it is)"):
        add(host, "A - D")


def test_without_keys_it_says_that_none_was_looked_for(host: MemoryHost) -> None:
    for key in [key for key in host.s3.objects if key.startswith("runs/C/groups/")]:
        del host.s3.objects[key]
    made = add(host, "A + C")
    assert made.result["duplicates"] is None
    assert "none was looked for" in made.result["combined"]["not_told"]["duplicates"]


def test_a_name_that_is_taken_is_refused_and_an_attempt_that_was_cut_off_is_not(host: MemoryHost) -> None:
    with pytest.raises(RunTaken, match="there is a run C already: choose another name"):
        add(host, "A + B", "C")
    add(host, "A + B")
    with pytest.raises(RunTaken, match="there is a run SUM already"):
        add(host, "A + B")
    whole = dict(host.s3.objects)
    for name in (keys.result("SUM"), keys.sums("SUM"), keys.scenarios("SUM")):
        del host.s3.objects[name]
    add(host, "A + B")
    assert host.s3.objects == whole
    del host.s3.objects[keys.result("SUM")]
    with pytest.raises(RunTaken, match="there is a run SUM already"):
        add(host, "ALL - C", "SUM")
    for name in ("", "../x", "a/b"):
        with pytest.raises(InvalidInput, match="name must be 1 to 80 letters"):
            add(host, "A + B", name)
    with pytest.raises(RunTaken, match="run SUM exists already"):
        run(host, "SUM", ORDER[:9])


def test_a_run_and_a_sum_are_told_apart(host: MemoryHost) -> None:
    add(host, "A + B")
    with pytest.raises(InvalidInput, match=r"run SUM is the sum A \+ B of other runs: no loan is in it"):
        Replay.open(host.store, "SUM").chunks()


# ---------------------------------------------------------------------------------------------------------------------
# What somebody has sent


def send(host: MemoryHost, run: str, folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        file = folder / run / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(host.s3.objects[f"runs/{run}/{name}"])
    return folder / run


def test_a_folder_with_plan_and_sums_is_enough_and_holds_no_loan(host: MemoryHost, tmp_path: Path) -> None:
    sent = send(host, "B", tmp_path, ("plan.json", "sums.npz"))
    accounts = LOANS["AccountID"].to_pylist()[150:]
    for file in sent.iterdir():
        assert not any(account.encode() in file.read_bytes() for account in accounts)
    meta, arrays = sums.read(Folder(sent), "B").total.parts()
    text = json.dumps(meta) + "".join(name + str(array) for name, array in arrays.items())
    assert not any(account in text for account in accounts)
    for key in [key for key in host.s3.objects if key.startswith("runs/B/")]:
        del host.s3.objects[key]
    made = add(host, f"A + {sent}")
    union = host.json(keys.result("ALL"))
    assert made.result["cases"] == union["cases"]
    assert made.result["loans"] == union["loans"]
    assert set(made.result["combined"]["not_told"]) == {"duplicates", "input.largest"}
    assert made.result["combined"]["expression"] == "A + B"


def test_folders_alone_need_the_scenarios_once(host: MemoryHost, tmp_path: Path) -> None:
    folders = [send(host, run, tmp_path, ("plan.json", "sums.npz", "result.json")) for run in "AB"]
    expression = f"{folders[0]} + {folders[1]}"
    empty = MemoryHost()
    with pytest.raises(InvalidInput, match="none of the runs has its scenarios at hand"):
        add(empty, expression)
    send(host, "B", tmp_path, ("scenarios.npz",))
    made = add(empty, expression)
    assert {**told(made.result), "duplicates": 0} == {**told(host.json(keys.result("ALL"))), "duplicates": 0}
    assert made.result["input"]["largest"] == host.json(keys.result("ALL"))["input"]["largest"]


def middle(path: Path) -> int:
    """A place in a file where something is said: of an .npz file, in its largest array."""
    if path.suffix != ".npz":
        return path.stat().st_size // 2
    with ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda member: member.compress_size)
    return largest.header_offset + 1_000 + (largest.compress_size - 1_000) // 2


def test_what_was_changed_on_the_way_is_refused(host: MemoryHost, tmp_path: Path) -> None:
    names = ("plan.json", "sums.npz", "scenarios.npz")
    for number, name in enumerate(names):
        sent = send(host, "B", tmp_path / str(number), names)
        data = bytearray((sent / name).read_bytes())
        data[middle(sent / name)] ^= 1
        (sent / name).write_bytes(bytes(data))
        with pytest.raises(InvalidInput, match=r"cannot be read: .* (damaged|was changed)"):
            add(MemoryHost(), f"{sent} + {send(host, 'C', tmp_path / str(number), names[:2])}")
    sent = send(host, "B", tmp_path / "other", names)
    (sent / "sums.npz").write_bytes(host.s3.objects[keys.sums("C")])
    with pytest.raises(InvalidInput, match=r"sums\.npz is damaged: it is of another run than plan\.json"):
        add(host, f"A + {sent}")
    (sent / "sums.npz").unlink()
    with pytest.raises(InvalidInput, match="has no sums"):
        add(host, f"A + {sent}")
    (sent / "sums.npz").mkdir()
    with pytest.raises(InvalidInput, match=r"sums\.npz cannot be read"):
        add(host, f"A + {sent}")


def test_other_buckets_are_read_and_not_written(host: MemoryHost) -> None:
    theirs = MemoryHost(MemoryS3({key: data for key, data in host.s3.objects.items() if key.startswith("runs/B/")}))
    before = dict(theirs.s3.objects)
    client: Any = theirs.s3
    made = combine(parse(["A", "+", "s3://other/runs/B/"]), "SUM", host.store, lambda name: Store(name, client))
    assert told(made.result) == told(host.json(keys.result("ALL")))
    assert theirs.s3.objects == before


# ---------------------------------------------------------------------------------------------------------------------
# What sums cannot tell


def test_borrowers_are_not_told_but_their_losses_are(host: MemoryHost) -> None:
    mapping = {"columns": {"ObligorID": "ZipCode"}}
    pinned(host, "D", ORDER[:150], mapping=mapping)
    pinned(host, "E", ORDER[150:], mapping=mapping)
    union = pinned(host, "DE", ORDER, mapping=mapping)
    made = add(host, "D + E").result
    assert union["portfolio"].pop("borrowers")
    assert made["portfolio"].pop("borrowers") is None
    assert made["combined"]["not_told"] == {
        "portfolio.borrowers": "a borrower may owe in several of the runs, and their sums do not say who"
    }
    assert told(made) == told(union)


def test_samples_add_up_unless_they_are_of_borrowers(host: MemoryHost) -> None:
    run(host, "S", ORDER[:150], sample=2)
    pinned(host, "T", ORDER[150:], scenarios_from="S")
    union = pinned(host, "ST", ORDER, scenarios_from="S")
    assert told(add(host, "S + T").result) == told(union)
    mapping = {"columns": {"ObligorID": "ZipCode"}}
    pinned(host, "V", ORDER[150:], scenarios_from="S", mapping=mapping)
    with pytest.raises(InvalidInput, match="a sample of their borrowers do not add up"):
        add(host, "S + V", "SV")


def test_only_dimensions_that_all_runs_have_are_told(host: MemoryHost) -> None:
    pinned(host, "D", ORDER[150:], dimensions=["RateType"], mapping={"filter": {"ZipCode": {"missing": False}}})
    made = add(host, "A + D").result
    assert made["combined"]["not_told"] == {"dimensions.LoanTerm": "not every run is broken down by it"}
    union = host.json(keys.result("ALL"))
    for case, values in union["cases"].items():
        assert made["cases"][case]["dimensions"] == {"RateType": values["dimensions"]["RateType"]}
    assert made["loans"] == {**union["loans"], "filtered": 0}
    pinned(host, "E", ORDER[150:], dimensions=None, mapping={"region": "ZipCode"})
    made = add(host, "A + E", "AE").result
    assert set(made["combined"]["not_told"]) == {"regions", "dimensions.RateType", "dimensions.LoanTerm"}
    assert made["cases"]["base"]["regions"] == made["portfolio"]["regions"] == {}
    assert made["portfolio"]["concentration"]["hhi_regions"] is None
    assert ResultView.of(made).combined.not_told["regions"].startswith("some runs have those of ZIP codes")


def test_own_regions_add_up(host: MemoryHost) -> None:
    mapping = {"region": {"from": "ZipCode"}, "currency": "USD"}
    pinned(host, "D", ORDER[:150], mapping=mapping)
    pinned(host, "E", ORDER[150:], mapping={**mapping, "missing": ["NA"]})
    union = pinned(host, "DE", ORDER, mapping=mapping)
    assert told(add(host, "D + E").result) == told(union)


def test_a_plan_that_lies_about_its_sums_is_refused(host: MemoryHost, tmp_path: Path) -> None:
    sent = send(host, "B", tmp_path, ("plan.json", "sums.npz"))
    document = unseal_document((sent / "plan.json").read_bytes())
    (sent / "plan.json").write_bytes(seal_document({**document, "seed": 1}))
    with pytest.raises(InvalidInput, match="of another run than"):
        add(host, f"A + {sent}")
    assert json.loads(host.s3.objects[keys.plan("B")])["seed"] == plan.read(host.store, "B").seed


def test_what_a_filter_chose_is_taken_out_of_the_whole(host: MemoryHost) -> None:
    chosen, others = ([["Segment", how, "auto"]] for how in ("==", "!="))
    pinned(host, "AUTO", ORDER, filter=chosen)
    pinned(host, "OTHERS", ORDER, filter=others)
    add(host, "ALL - AUTO", "REST")
    rest, run = (host.json(keys.result(name)) for name in ("REST", "OTHERS"))
    assert rest["cases"]["base"]["var"] == run["cases"]["base"]["var"]
    assert rest["cases"]["base"]["segments"] == run["cases"]["base"]["segments"]
    assert rest["loans"]["read"] == rest["loans"]["simulated"] == run["loans"]["simulated"] > 0
    assert host.s3.objects[keys.losses("REST")] == host.s3.objects[keys.losses("OTHERS")]


def test_a_sum_holds_what_any_of_its_runs_holds(host: MemoryHost) -> None:
    """And so is priced against: each run's filter is one more alternative, and one without a filter leaves none."""
    autos: list[Any] = ["Segment", "==", "auto"]
    homes = [["Segment", "==", "mortgage"], ["Rate", "<", 99]]
    pinned(host, "autos", ORDER[150:], filter=[autos])
    pinned(host, "homes", ORDER[150:], filter=homes)
    made = add(host, "autos + homes").result
    assert made["portfolio"]["filter"] == [[autos], homes]
    rows = made["loans"]
    assert rows["read"] == 180 == rows["simulated"] + rows["filtered"]
    pricer = Pricer.open(host.store, "SUM")
    deals = {
        segment: {**LOANS.slice(3, 1).to_pylist()[0], "AccountID": "new", "Segment": segment} for segment in SEGMENTS
    }
    assert pricer.price([deals["auto"], deals["mortgage"]])
    with pytest.raises(InvalidPortfolio, match="filter of the run or its mapping leaves out 1 of its rows"):
        pricer.price(deals["personal"])
    assert add(host, "SUM - autos", "left").result["portfolio"]["filter"] == [[autos], homes]
    whole = add(host, "A + homes", "whole").result
    assert "filter" not in whole["portfolio"]
    assert whole["loans"]["filtered"] == host.json(keys.result("homes"))["loans"]["filtered"]
