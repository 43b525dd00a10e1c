"""Duplicates of AccountIDs are found in the whole portfolio, whatever the chunks, and told apart from equal keys."""

import io
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from montecarlo.errors import IncompleteRun, InvalidPortfolio
from montecarlo.portfolio.loans import hash_ids
from montecarlo.run import duplicates
from montecarlo.storage import keys
from tests.memory_run import MemoryHost, figures, simulate

COLLIDING = ("8yn0iYCKYHlIj4-BwPqk", "GReLUrM4wMqfg9yzV3KQ")
"""Two texts of one 64-bit FNV-1a hash."""


def run_of(*files: list[str], **changes: Any) -> tuple[dict[str, Any], MemoryHost]:
    """The result of a run over files of these AccountIDs."""
    host = MemoryHost()
    for number, accounts in enumerate(files):
        rows = "".join(f"{account},0.1,5\n" for account in accounts)
        host.s3.objects[f"portfolios/p/{number}.csv"] = f"AccountID,PD,EAD\n{rows}".encode()
    request = {"run": "r", "portfolio": "portfolios/p/", "scenarios": 5, "max_duplicate_share": 1, **changes}
    return simulate(host, **request), host


def listed(host: MemoryHost) -> dict[str, int]:
    table = pq.read_table(io.BytesIO(host.s3.objects[keys.duplicates("r")]))
    return dict(zip(table["AccountID"].to_pylist(), table["rows"].to_pylist(), strict=True))


def accounts(number: int, seed: int) -> list[str]:
    """AccountIDs, of which many come more than once."""
    return [f"A{word}" for word in np.random.default_rng(seed).integers(0, 2 * number, number)]


@pytest.mark.parametrize("chunk_loans", [1, 3, 17, 1000])
def test_duplicates_are_counted_in_the_whole_portfolio_whatever_the_chunks(chunk_loans: int) -> None:
    files = [accounts(30, 1), accounts(40, 2)]
    found, host = run_of(*files, chunk_loans=chunk_loans)
    repeated = {name: rows for name, rows in Counter(files[0] + files[1]).items() if rows > 1}
    assert found["loans"]["simulated"] == 70, "every row is simulated"
    assert found["duplicates"] == {
        "rows": sum(repeated.values()), "accounts": len(repeated), "share": sum(repeated.values()) / 70, "one_in": 1,
        "interval_95": [sum(repeated.values())] * 2, "exact": True,
    }  # fmt: skip
    assert listed(host) == repeated
    assert figures(found) == figures(run_of(*files)[0])


def test_groups_and_ranges_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a large portfolio: many groups, batches of a few chunks, many ranges of keys."""
    files = [accounts(40, seed) for seed in range(6)]
    small, small_host = run_of(*files, chunk_loans=10)
    monkeypatch.setattr("montecarlo.cost.estimate.best_groups", lambda *arguments: 4)
    monkeypatch.setattr(duplicates, "RANGE_KEYS", 7)
    monkeypatch.setattr(duplicates, "BATCH_KEYS", 25)
    cut, host = run_of(*files, chunk_loans=10)
    assert len(host.json(keys.plan("r"))["group_chunks"]) > 2
    assert host.json(keys.plan("r"))["count_ranges"] > 2
    assert cut["duplicates"] == small["duplicates"]
    assert listed(host) == listed(small_host)


@pytest.mark.parametrize("chunk_loans", [1, 100])
def test_accounts_that_only_share_a_key_are_no_duplicates(chunk_loans: int) -> None:
    first, second = hash_ids(pa.array(COLLIDING))
    assert first == second
    found, host = run_of([*COLLIDING, "A", "B"], chunk_loans=chunk_loans)
    assert (found["duplicates"]["rows"], found["duplicates"]["accounts"]) == (0, 0)
    assert keys.duplicates("r") not in host.s3.objects
    found, host = run_of([*COLLIDING, COLLIDING[0], "A"], chunk_loans=chunk_loans)
    assert (found["duplicates"]["rows"], found["duplicates"]["accounts"]) == (2, 1)
    assert listed(host) == {COLLIDING[0]: 2}


def test_more_than_are_compared_are_counted_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [accounts(60, 3)]
    exact, _ = run_of(*files)
    monkeypatch.setattr(duplicates, "MOST_COMPARED", 4)
    found, host = run_of(*files)
    assert found["duplicates"] == exact["duplicates"]
    assert len(listed(host)) == 4


def test_too_many_fail_the_run_with_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidPortfolio, match=r"2 rows, 66\.667% of all, .* max_duplicate_share 10\.000%"):
        run_of(["A", "B", "A"], max_duplicate_share=0.1)
    assert run_of(["A", "B", "A"], max_duplicate_share=0.7)[0]["duplicates"]["rows"] == 2


def test_a_large_portfolio_is_estimated_from_a_slice_and_counted_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "EXACT_LOANS", 50)
    files = [[f"A{n}" for n in range(1500)] + [f"A{n}" for n in range(300)]]
    estimated, _ = run_of(*files)
    exact, _ = run_of(*files, exact_duplicates=True)
    assert (exact["duplicates"]["rows"], exact["duplicates"]["exact"]) == (600, True)
    found = estimated["duplicates"]
    assert not found["exact"]
    assert found["one_in"] > 1
    assert found["rows"] % found["one_in"] == 0
    low, high = found["interval_95"]
    assert low <= 600 <= high
    assert estimated["cases"] == exact["cases"]


def test_a_sample_estimates_the_portfolios_duplicates() -> None:
    found, _ = run_of([f"A{n // 2}" for n in range(2000)], sample=4)
    assert found["duplicates"]["one_in"] == 4
    assert found["duplicates"]["share"] == 1.0
    assert found["duplicates"]["rows"] == 4 * found["loans"]["simulated"]
    low, high = found["duplicates"]["interval_95"]
    assert low <= 2000 <= high


def test_intervals_hold_what_they_promise() -> None:
    """Of 2,000 draws of a slice, about 95 % of the intervals hold the truth."""
    random = np.random.default_rng(5)
    sizes = random.integers(2, 5, 300)
    truth, one_in, inside = int(sizes.sum()), 10, 0
    for _ in range(2000):
        drawn = sizes[random.random(sizes.size) < 1 / one_in]
        low, high = duplicates._interval(int(drawn.sum()), int((drawn**2).sum()), one_in)
        inside += low <= truth <= high
    assert 0.93 <= inside / 2000 <= 0.99


def test_lost_tallies_are_found() -> None:
    _, host = run_of(["A", "B", "A"], chunk_loans=2)
    for key in (keys.group_tally("r", 0, 0, 0), keys.group_tallies("r", 0)):
        data = host.s3.objects.pop(key)
        with pytest.raises(IncompleteRun, match=r"keys.* does not exist"):
            run_again_from_aggregate(host)
        host.s3.objects[key] = data
    run_again_from_aggregate(host)


def run_again_from_aggregate(host: MemoryHost) -> None:
    from montecarlo.steps import aggregate

    aggregate.step({"run": "r", "wave": 0}, host)
