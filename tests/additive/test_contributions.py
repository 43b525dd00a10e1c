"""What every loan contributes: by its definition, adding up to the run, and the same whatever the chunks are."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from additive import contributions
from additive.replay import Replay
from montecarlo.errors import IncompleteRun, InvalidInput, InvalidPortfolio
from montecarlo.model.contributions import contributions as of_parts
from montecarlo.model.measures import LossSample
from montecarlo.run.dimensions import Labels
from montecarlo.run.result import error_of_sum
from montecarlo.run.weighed import TOP
from montecarlo.storage import keys
from tests.additive.test_slices import PLACE, REQUEST, host_with, portfolio
from tests.memory_run import MemoryHost, simulate


def found(host: MemoryHost, run: str, **options: Any) -> tuple[dict[str, Any], pa.Table]:
    tables: list[pa.Table] = []
    figures = contributions.find(Replay.open(host.store, run), tables.append, **options)
    return figures, pa.concat_tables(tables).sort_by("AccountID")


@settings(max_examples=3, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    more=st.sampled_from(
        [
            {"target_error": 0.0001, "max_scenarios": 120},
            {"scenarios": 200, "contribution_level": 95.0},
            {"sample": 2, "parameters": {"segments": {"auto": {"lgd_volatility": 0.2, "lgd_correlation": 0.2}}}},
        ]
    ),
)
def test_each_loan_has_what_it_would_have_as_a_part_of_its_own_and_all_add_up(seed: int, more: dict[str, Any]) -> None:
    host = host_with(portfolio(seed))
    request = REQUEST | more
    result = simulate(host, run="june", **request)
    figures, table = found(host, "june")
    own = simulate(host, run="june", contributions=True, **request)["contributions"]
    assert own == {name: figures[name] for name in own}
    assert_equal_tables(host, "june", table)
    replay = Replay.open(host.store, "june")
    level, sample_of = figures["level"] / 100, replay.plan.sample
    error = error_of_sum(replay.plan, len(replay.plans))
    for c, case in enumerate(("base", "stressed")):
        sample = LossSample(replay.losses[c], replay.weights, error)
        for chunk in replay.chunks():
            loans = replay.read(chunk).loans
            many = len(loans)
            labels = [Labels(tuple(map(str, range(many))), np.arange(many, dtype=np.int32), True)]
            losses = np.concatenate([each.simulation.by_row[c, :many] for each in replay.simulate(loans, labels)], 1)
            parts = of_parts(sample, losses * sample_of, level)
            expected = replay.simulate(loans, ())[0].valuation.expected_loss[c] / (100 << 16) * sample_of
            rows = [table["AccountID"].to_pylist().index(account) for account in loans.account_id.to_pylist()]
            es, capital = (table[f"{name}_{case}"].to_numpy()[rows] for name in ("ES", "EconomicCapital"))
            assert es == pytest.approx([part.value / 100 for part in parts.es], abs=0.001)
            assert capital == pytest.approx(
                [p.value / 100 - e for p, e in zip(parts.var, expected, strict=True)], abs=0.001
            )
        told, name = figures["cases"][case], f"{figures['level']:g}"
        assert sum(table[f"ES_{case}"].to_pylist()) == pytest.approx(told["es"], abs=0.01)
        assert sum(table[f"EconomicCapital_{case}"].to_pylist()) == pytest.approx(told["economic_capital"], abs=0.02)
        segments = result["cases"][case]["segments"].values()
        assert told["es"] == pytest.approx(sum(part[f"es_{name}_contribution"] for part in segments), abs=0.05)
        named = told["loans"]
        by_size = [loan["es"] for loan in named[1:]]  # the first has what rounding left
        assert by_size == sorted(by_size, reverse=True)
        place = {account: row for row, account in enumerate(table["AccountID"].to_pylist())}
        for loan in named:
            exact = table[f"ES_{case}"][place[loan["account"]]].as_py()
            rounding = told["rounding"]["es"] if loan is named[0] else 0
            assert loan["es"] - rounding == pytest.approx(exact, abs=0.0051)
        for kind, others in (("loans", "others"), ("borrowers", "other_borrowers")):
            for measure in ("es", "economic_capital"):
                dealt = [*(part[measure] for part in told[kind]), told[others][measure]]
                assert sum(round(100 * part) for part in dealt) == round(100 * told[measure])  # to the cent
        assert told["es"] == result["cases"][case]["es"].get(name, told["es"])


def assert_equal_tables(host: MemoryHost, run: str, expected: pa.Table) -> None:
    """Whether the tables that the run wrote are those of `montecarlo contributions`, to the bit."""
    prefix = keys.loans(keys.wave(run, keys.TAIL))
    parts = [pq.read_table(io.BytesIO(data)) for key, data in sorted(host.s3.objects.items()) if key.startswith(prefix)]
    assert pa.concat_tables(parts).sort_by("AccountID").equals(expected)


def test_chunks_and_kernels_do_not_matter() -> None:
    host = host_with(portfolio(1, 250))
    simulate(host, run="june", **REQUEST)
    simulate(host, run="other", **REQUEST | {"chunk_loans": 20, "scenarios_from": "june"})
    (june, first), (other, second) = (found(host, run) for run in ("june", "other"))
    whole = simulate(host, run="whole", contributions=True, **REQUEST)
    small = simulate(host, run="small", contributions=True, **REQUEST | {"chunk_loans": 20, "max_groups": 3})
    assert whole["contributions"] == small["contributions"] == {name: june[name] for name in whole["contributions"]}
    for run in ("whole", "small"):
        assert_equal_tables(host, run, first)
    assert june | {"run": ""} == other | {"run": ""}
    assert first.equals(second)
    tables: list[pa.Table] = []
    assert contributions.find(Replay.open(host.store, "june", kernel="numpy"), tables.append) == june
    assert pa.concat_tables(tables).sort_by("AccountID").equals(first)
    assert len(june["cases"]["base"]["loans"]) <= TOP


def test_what_cannot_be_told_is_said() -> None:
    host = host_with(portfolio(2))
    simulate(host, run="june", **REQUEST)
    with pytest.raises(InvalidInput, match="contribution_level is 100"):
        found(host, "june", level=100)
    good = host.s3.objects[keys.losses("june")]
    table = pq.read_table(io.BytesIO(good))
    buffer = io.BytesIO()
    pq.write_table(table.set_column(2, "base_cents", pa.array(table["base_cents"].to_numpy() * 2)), buffer)
    host.s3.objects[keys.losses("june")] = buffer.getvalue()
    with pytest.raises(IncompleteRun, match="its losses are not those of the run's loans"):
        found(host, "june")
    host.s3.objects[keys.losses("june")] = good
    del host.s3.objects[f"{PLACE}part-0.parquet"]
    with pytest.raises(InvalidPortfolio, match="part-0"):
        found(host, "june")
