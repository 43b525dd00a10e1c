"""Sums of a run, sealed by whoever changed them: what no run adds up to is refused, whatever it is asked for."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from additive import reverse_stress
from additive.combine import combine
from additive.operands import parse
from additive.price import Pricer
from additive.replay import Replay
from additive.what_if import what_if
from montecarlo.errors import IncompleteRun, InvalidInput
from montecarlo.portfolio import synthetic
from montecarlo.run import publication, sums
from montecarlo.run.earlier import figures
from montecarlo.run.pinned import find_source
from montecarlo.run.sums import RunSums
from montecarlo.storage import keys
from tests.memory_run import TODAY, MemoryHost, simulate
from tests.memory_s3 import MemoryS3

DEALS = synthetic.to_csv(synthetic.generate(500, 2, 42, TODAY))


@pytest.fixture(scope="module")
def made() -> Iterator[MemoryHost]:
    """Two runs under the same scenarios, and one under its own."""
    host = MemoryHost()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publication, "render", lambda result, distributions: "")
        for run, (first, count) in {"june": (0, 60), "branch": (60, 40), "own": (60, 40)}.items():
            place = f"portfolios/{run}/loans.csv"
            host.store.put(place, synthetic.to_csv(synthetic.generate(first, count, 42, TODAY)))
            pinned = {"scenarios_from": "june"} if run == "branch" else {"scenarios": 64, "seed": len(run)}
            simulate(host, run=run, portfolio=place, capital_available=1e5, **pinned)
        yield host


@pytest.fixture
def host(made: MemoryHost) -> MemoryHost:
    """A copy of the bucket."""
    return MemoryHost(MemoryS3(dict(made.s3.objects)))


def asked(host: MemoryHost, tmp_path: Path) -> dict[str, Callable[[], Any]]:
    """What reads the sums of june."""
    (tmp_path / "deals.csv").write_bytes(DEALS)
    return {
        "reverse-stress": lambda: reverse_stress.find(Replay.open(host.store, "june")),
        "what-if": lambda: what_if(Replay.open(host.store, "june"), [tmp_path / "deals.csv"]),
        "combine": lambda: combine(parse(["june + branch"]), "all", host.store, lambda _: host.store),
        "compare_with": lambda: figures("june", host.store),
    }


def less(found: RunSums) -> None:
    found.total.segments.losses[:] -= 10**9


def more(found: RunSums) -> None:
    found.total.segments.losses[:] = 1 << 62


def none(found: RunSums) -> None:
    found.total.segments.losses = found.total.segments.losses * np.nan  # type: ignore[assignment]


def fewer_scenarios(found: RunSums) -> None:
    found.total.segments.losses = found.total.segments.losses[:, :, :5]


def one_case(found: RunSums) -> None:
    found.total.regions.losses = found.total.regions.losses[:1]


def other_words(found: RunSums) -> None:
    found.total.pd_sum = found.total.pd_sum[:, :1]


def negative_loans(found: RunSums) -> None:
    found.total.counts.simulated = -5


def text(found: RunSums) -> None:
    found.total.counts.simulated = "60"  # type: ignore[assignment]


def other_factor(found: RunSums) -> None:
    assert found.total.thresholds
    found.total.thresholds.key[-1] |= 127 << 28


def higher_thresholds(found: RunSums) -> None:
    assert found.total.thresholds
    found.total.thresholds.loss[0] = 1 << 62


def half_of_the_thresholds(found: RunSums) -> None:
    vars(found.total.thresholds).pop("key")


def more_waves(found: RunSums) -> RunSums:
    return replace(found, scenarios=found.scenarios * 3)


def no_waves(found: RunSums) -> RunSums:
    return replace(found, scenarios=())


def made_of_words(found: RunSums) -> RunSums:
    return replace(found, made_of={"june": "twice"})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "lie",
    [
        less,
        more,
        none,
        fewer_scenarios,
        one_case,
        other_words,
        negative_loans,
        text,
        other_factor,
        higher_thresholds,
        half_of_the_thresholds,
        more_waves,
        no_waves,
        made_of_words,
    ],
)
def test_what_no_run_adds_up_to_is_refused(host: MemoryHost, tmp_path: Path, lie: Callable[[RunSums], Any]) -> None:
    found = sums.read(host.store, "june")
    host.store.put(keys.sums("june"), (lie(found) or found).to_bytes())
    for name, do in asked(host, tmp_path).items():
        with pytest.raises((IncompleteRun, InvalidInput)) as error:
            do()
        assert "june" in str(error.value), name
        assert "sums.npz is damaged" in str(error.value), name


@pytest.mark.parametrize("other", ["branch", "own"])
def test_the_sums_of_another_run_are_not_taken_for_the_runs(host: MemoryHost, tmp_path: Path, other: str) -> None:
    host.store.put(keys.sums("june"), host.s3.objects[keys.sums(other)])
    for do in asked(host, tmp_path).values():
        with pytest.raises((IncompleteRun, InvalidInput), match="of another run than plan"):
            do()


def test_what_was_published_is_what_deals_are_added_to(host: MemoryHost, tmp_path: Path) -> None:
    """Sums of other loans that could be the run's."""
    theirs, ours = (sums.read(host.store, run) for run in ("branch", "june"))
    host.store.put(keys.sums("june"), replace(theirs, plan=ours.plan).to_bytes())
    with pytest.raises(IncompleteRun, match=r"sums.npz and .*losses.parquet are of different losses"):
        asked(host, tmp_path)["what-if"]()
    with pytest.raises(IncompleteRun, match=r"sums.npz and .*losses.parquet are of different losses"):
        Pricer.open(host.store, "june")


def test_scenarios_of_no_wave_are_nobodys(host: MemoryHost) -> None:
    host.store.put(keys.sums("june"), no_waves(sums.read(host.store, "june")).to_bytes())
    with pytest.raises(InvalidInput, match="of no scenarios"):
        find_source("june", "july", host.store, host.find_store)
