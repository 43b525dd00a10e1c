"""A slice of a run: its figures are those of a run that had been broken down so, and of one over these loans alone."""

import io
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from additive import slices
from additive.replay import Replay
from montecarlo.errors import IncompleteRun, InvalidInput, InvalidPortfolio
from montecarlo.storage import keys
from montecarlo.storage.parquet import to_parquet
from tests.memory_run import MemoryHost, simulate

PLACE = "portfolios/mine/"
SEGMENTS = ["personal", "auto", "mortgage", "Auto", None]


def portfolio(seed: int, loans: int = 120) -> pa.Table:
    """Random loans, some of them bad rows, with a column `branch` that is none of the portfolio's."""
    draw = random.Random(seed)

    def column(make: Any) -> list[Any]:
        return [make() for _ in range(loans)]

    return pa.table(
        {
            "AccountID": [f"{seed}-{loan}" for loan in range(loans)],
            "PD": column(lambda: draw.choice([0.0, 1.0, 0.002, 0.03, 0.2])),
            "LGD": column(lambda: draw.choice([0.3, 0.75, 1.5] if draw.random() < 0.05 else [0.3, 0.75])),
            "EAD": column(lambda: draw.choice([10.0, 2500.5, 40_000.0, 1e6])),
            "Rate": column(lambda: draw.choice([None, 3.0, 9.0, 12.5])),
            "ZipCode": column(lambda: draw.choice(["02134", "94110", None, "TX"])),
            "Segment": pa.array(column(lambda: draw.choice(SEGMENTS)), pa.string()),
            "ObligorID": pa.array(column(lambda: draw.choice([None, "one", "two"])), pa.string()),
            "branch": column(lambda: draw.choice(["north", "south", "east", None, "7"])),
        }
    )


def host_with(table: pa.Table, files: int = 2) -> MemoryHost:
    host = MemoryHost()
    size = -(-len(table) // files)
    for number in range(files):
        buffer = io.BytesIO()
        pq.write_table(table.slice(number * size, size), buffer)
        host.s3.objects[f"{PLACE}part-{number}.parquet"] = buffer.getvalue()
    return host


REQUEST: dict[str, Any] = {
    "portfolio": PLACE,
    "scenarios": 60,
    "chunk_loans": 50,
    "max_rejected_share": 1,
    "max_duplicate_share": 1,
    "as_of": "2026-01-01",
}

FILTERS: list[Any] = [
    [["branch", "==", "north"]],
    [["branch", "!=", None], ["Rate", ">=", 9]],
    [["Segment", "in", ["auto", "personal"]], ["LGD", "<", 1]],
    [[["ZipCode", "==", "94110"]], [["PD", "==", 1], ["EAD", ">", 100]]],
]


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), chosen=st.sampled_from(FILTERS), by=st.sampled_from(["branch", "Segment", "Rate"]))
def test_a_slice_is_what_a_run_over_it_gives_and_its_parts_those_of_a_run_by_the_column(
    seed: int, chosen: Any, by: str
) -> None:
    host = host_with(portfolio(seed))
    pinned = {"scenarios_from": "whole"}
    simulate(host, run="whole", **REQUEST, target_error=0.0001, max_scenarios=120)
    grouped = simulate(host, run="grouped", **REQUEST | {"dimensions": [by]} | pinned)
    alone = simulate(host, run="alone", **REQUEST | {"filter": chosen, "dimensions": [by]} | pinned)

    replay = Replay.open(host.store, "whole")
    part = slices.find(replay, chosen, by)
    table = pq.read_table(io.BytesIO(host.s3.objects[keys.losses("alone")]))
    for c, case in enumerate(("base", "stressed")):
        assert np.array_equal(part.losses[c], table[f"{case}_cents"].to_numpy())
        ours, theirs = part.figures["cases"][case], alone["cases"][case]
        assert {name: theirs[name] for name in ours if name in theirs} == {
            name: figures for name, figures in ours.items() if name not in ("contribution", "own", "parts", "run")
        }
    assert part.figures["loans"] == alone["loans"]
    assert part.figures["exposure"] == alone["exposure"]
    assert part.figures["parts"] == alone["portfolio"]["dimensions"][by]["values"]

    everything = slices.find(replay, by=by).figures
    assert everything["parts"] == grouped["portfolio"]["dimensions"][by]["values"]
    for case, figures in grouped["cases"].items():
        assert everything["cases"][case]["parts"] == figures["dimensions"][by]


def test_slices_that_make_up_the_run_contribute_all_of_it() -> None:
    host = host_with(portfolio(1))
    whole = simulate(host, run="whole", **REQUEST)
    replay = Replay.open(host.store, "whole")
    parts = [slices.find(replay, [["branch", how, "north"]]) for how in ("==", "!=")]
    assert np.array_equal(parts[0].losses + parts[1].losses, replay.losses)
    for case, figures in whole["cases"].items():
        for measure in ("es", "var"):
            added = sum(part.figures["cases"][case]["contribution"][f"{measure}_99_contribution"] for part in parts)
            assert added == pytest.approx(figures[measure]["99"], abs=0.011)


def test_a_slice_of_a_sample_and_of_a_filtered_run_is_scaled_and_filtered_as_the_run() -> None:
    host = host_with(portfolio(2, 400))
    sampled = REQUEST | {"sample": 3, "filter": [["LGD", "<=", 1]]}
    simulate(host, run="whole", **sampled)
    grouped = simulate(host, run="grouped", **sampled | {"dimensions": ["branch"], "scenarios_from": "whole"})
    figures = slices.find(Replay.open(host.store, "whole"), by="branch").figures
    assert figures["loans"] == grouped["loans"]
    assert figures["parts"] == grouped["portfolio"]["dimensions"]["branch"]["values"]
    assert figures["cases"]["base"]["parts"] == grouped["cases"]["base"]["dimensions"]["branch"]


def test_regions_of_the_mapping_stay_regions() -> None:
    host = host_with(portfolio(3))
    request = REQUEST | {"mapping": {"region": "branch"}}
    simulate(host, run="whole", **request)
    grouped = simulate(host, run="grouped", **request | {"dimensions": ["Rate"], "scenarios_from": "whole"})
    figures = slices.find(Replay.open(host.store, "whole"), by="Rate").figures
    assert figures["cases"]["base"]["parts"] == grouped["cases"]["base"]["dimensions"]["Rate"]


@pytest.fixture(scope="module")
def replay() -> Replay:
    host = host_with(portfolio(4))
    simulate(host, run="whole", **REQUEST)
    return Replay.open(host.store, "whole")


def test_the_contributions_level_may_be_another(replay: Replay) -> None:
    figures = slices.find(replay, [["branch", "==", "north"]], level=97.5).figures
    assert "es_97.5_contribution" in figures["cases"]["base"]["contribution"]
    assert figures["contribution_level"] == 97.5


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"chosen": [["branch", "==", "west"]]}, InvalidInput, "no loan of the run whole meets the filter: 120 rows"),
        ({"chosen": [["branch", "like", "n"]]}, InvalidInput, "no operator"),
        ({"chosen": []}, InvalidInput, "must be a list of conditions"),
        ({"chosen": [["town", "==", "x"]]}, InvalidPortfolio, "no column 'town', which the filter names"),
        ({"by": "town"}, InvalidPortfolio, "no column 'town' for the dimension town"),
        ({"by": ""}, InvalidInput, "is no name for a dimension"),
        ({"by": "regions"}, InvalidInput, "is no name for a dimension"),
        ({"level": 100}, InvalidInput, "contribution_level is 100"),
        ({"level": 0}, InvalidInput, "contribution_level is 0"),
    ],
)
def test_what_cannot_be_sliced_is_said(
    replay: Replay, arguments: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        slices.find(replay, **arguments)


def test_a_portfolio_that_was_changed_has_no_slices() -> None:
    host = host_with(portfolio(6))
    simulate(host, run="whole", **REQUEST)
    host.s3.objects[f"{PLACE}part-1.parquet"] = host.s3.objects[f"{PLACE}part-0.parquet"]
    with pytest.raises(InvalidPortfolio, match=r"part-1.parquet was written again|has \d"):
        slices.find(Replay.open(host.store, "whole"), by="branch")


def test_losses_that_are_not_those_of_the_run_are_found() -> None:
    host = host_with(portfolio(9))
    simulate(host, run="whole", **REQUEST)
    key = keys.losses("whole")
    table = pq.read_table(io.BytesIO(host.s3.objects[key]))
    place = table.column_names.index("base_cents")
    cents = table["base_cents"].to_numpy().copy()
    cents[cents.argmax()] += 1
    host.s3.objects[key] = to_parquet(table.set_column(place, table.schema.field(place), pa.array(cents)))
    with pytest.raises(IncompleteRun, match="are of different losses"):
        slices.find(Replay.open(host.store, "whole"))
