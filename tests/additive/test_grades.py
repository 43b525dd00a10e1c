"""What is asked of finished runs reads grades as the runs do, and follows PDs by grade that change."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from additive import slices
from additive.compare import Side, compare
from additive.price import Pricer
from additive.replay import Replay
from additive.what_if import what_if
from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio import synthetic
from montecarlo.storage.parquet import to_parquet
from tests.memory_run import MemoryHost
from tests.run.test_grades import AS_OF, GRADES, MATRIX, NEEDLESS, book, run

pytestmark = pytest.mark.usefixtures("quick")


def test_what_is_asked_of_a_finished_run_reads_grades_as_the_run_does(tmp_path: Path) -> None:
    """What-if to the bit, a price, and a comparison that adds up; in memory."""
    host = MemoryHost()
    request: dict[str, Any] = {"parameters": {"migration": MATRIX}, "tail_sampling": False, "chunk_loans": 30}
    run(book().slice(0, 100), host, "june", **request)
    july, _ = run(book().slice(10), host, "july", **request)
    coming, going = tmp_path / "coming.parquet", tmp_path / "going.parquet"
    coming.write_bytes(to_parquet(book().slice(100)))
    going.write_bytes(to_parquet(book().slice(0, 10).select(["AccountID", "Grade"])))
    replay = Replay.open(host.store, "june")
    found = what_if(replay, [coming], [going])
    for name, case in july["cases"].items():
        assert found.after["cases"][name]["ecl"] == case["ecl"]
        assert found.after["cases"][name]["es"] == case["es"]
    (deal,) = synthetic.generate(120, 1, 3, AS_OF).drop(NEEDLESS).to_pylist()
    pricer = Pricer.open(host.store, "june")
    prices = [pricer.price({**deal, "Grade": grade})[0].marginal.el for grade in ("AAA", "Aaa", "B")]
    assert 0 == prices[0] < prices[1] == pytest.approx(prices[2] / 10, rel=1e-5)
    pinned, _ = run(book().slice(0, 100), host, "again", scenarios_from="june", dimensions=["Grade"])
    part = slices.find(replay, by="Grade").figures
    assert {*part["parts"]} == {*MATRIX["grades"]}
    for name, case in pinned["cases"].items():
        assert case["dimensions"]["Grade"] == part["cases"][name]["parts"]
    coming.write_bytes(to_parquet(book(3, Grade=pa.array(["A", "B", "B"]))))
    with pytest.raises(InvalidPortfolio, match="Grade is none of AAA, Aaa, B"):
        what_if(replay, [coming], [])


def test_a_comparison_tells_what_other_pds_by_grade_change(tmp_path: Path) -> None:
    """As a change of parameters, also in each scenario; and of a grade that is gone, of the loans."""
    host = MemoryHost()
    request: dict[str, Any] = {"tail_sampling": False, "chunk_loans": 50}
    table = book(PD=None)
    for name, grades in (("june", GRADES), ("july", GRADES | {"B": [0.03]}), ("august", GRADES | {"C": [0.1]})):
        run(table, host, name, parameters={"grades": grades}, **request)
    gone = pa.array(["C" if name == "B" else name for name in table["Grade"].to_pylist()])
    run(book(PD=None, Grade=gone), host, "september", parameters={"grades": GRADES | {"C": [0.1]}}, **request)

    remarks: list[str] = []

    def steps(first: str, second: str) -> dict[str, int]:
        scratch = tmp_path / f"{first}-{second}"
        scratch.mkdir()

        def side(name: str) -> Side:
            for key in [key for key in host.s3.objects if key.startswith(f"runs/{name}/")]:
                path = scratch / key.removeprefix("runs/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(host.s3.objects[key])
            return Side.read(scratch / name, Replay.open(host.store, name))

        (scratch / "work").mkdir()
        made = compare(side(first), side(second), scratch / "work")
        assert made.same_scenarios
        assert not made.largest_residual
        remarks.extend(made.remarks)
        return {step.name: step.cents for step in made.waterfalls[0].steps if step.cents}

    assert [*steps("june", "july")] == ["parameters"]
    assert steps("june", "august") == {}
    assert [*steps("june", "september")] == ["pd"]
    assert any("not all of the second's segments, sectors and grades" in each for each in remarks)
    run(book(PD=pa.array([0.02] * 120)), host, "plain", **request)
    assert [*steps("plain", "june")] == ["pd"]
    assert [*steps("june", "plain")] == ["pd"]
