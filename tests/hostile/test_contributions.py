"""Portfolios that may upset what each loan and each borrower contributes: it adds up, and is what the command finds."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from additive import contributions
from additive.replay import Replay
from montecarlo.model import tail_shift
from montecarlo.run import publication
from montecarlo.storage.parquet import to_parquet
from tests.memory_run import MemoryHost, simulate


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publication, "render", lambda result, distributions: "")
        patch.setattr(tail_shift, "_DRAWS", 1_000)
        yield


def loan(i: int, **more: Any) -> dict[str, Any]:
    return {"AccountID": f"L{i}", "PD": 0.05, "EAD": 1_000.0 * (i + 1), **more}


SHIFTED = {"cases": {"falling": {"collateral_shift": {"auto": -0.3, "personal": -0.3}}}}


@pytest.mark.parametrize(
    ("rows", "request_"),
    [
        ([loan(0, PD=0.0), loan(1, PD=0.0)], {}),
        ([loan(i, PD=1.0) for i in range(25)], {}),
        ([loan(i) for i in range(25)], {"scenarios": 1}),
        ([loan(i, PD=5.0 if i < 10 else 0.1) for i in range(25)], {"max_rejected_share": 1}),  # a chunk without a loan
        ([loan(i % 5, ObligorID=f"B{i % 3}") for i in range(25)], {"max_duplicate_share": 1}),
        ([loan(i, ObligorID=f"L{i % 3}" if i > 5 else None) for i in range(25)], {}),  # called like other loans
        ([loan(i, EAD=9e10, ObligorID="one") for i in range(300)], {"chunk_loans": 100}),  # more than a loan may owe
        ([loan(i, CollateralValue=500.0 * i if i < 10 else None) for i in range(25)], SHIFTED),  # LGDs of some chunks
        ([loan(i, AccountID=f"\u202e{i}<b>\x1b[2J", ObligorID=f"\x9b{i % 2}") for i in range(25)], {}),
    ],
)
def test_it_adds_up_to_the_cent_and_is_what_the_command_finds(rows: list[dict[str, Any]], request_: Any) -> None:
    host = MemoryHost()
    host.s3.objects["portfolios/p/a.parquet"] = to_parquet(pa.Table.from_pylist(rows))
    asked = {"scenarios": 64, "chunk_loans": 10, "contributions": True, **request_}

    result = simulate(host, run="june", portfolio="portfolios/p/", **asked)

    told = result["contributions"]
    found = contributions.find(Replay.open(host.store, "june"), lambda _: None)
    assert told == {name: found[name] for name in told}
    for name, case in told["cases"].items():
        assert case["es"] == result["cases"][name]["es"]["99"]
        for kind, others in (("loans", "others"), ("borrowers", "other_borrowers")):
            for measure in ("es", "economic_capital") if kind in case else ():
                dealt = [part[measure] for part in (*case[kind], case[others])]
                assert sum(round(100 * part) for part in dealt) == round(100 * case[measure])
