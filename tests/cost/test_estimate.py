"""The estimate adds up, keeps to the quotas, and moves the way it must."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import plan, request
from cli.place import Place
from montecarlo import limits
from montecarlo.cost import estimate as cost
from montecarlo.cost.estimate import Setup, Speed, Work, actual, estimate, hired
from montecarlo.cost.schedule import TRANSITIONS_PER_CHILD
from montecarlo.model.parameters import load
from montecarlo.portfolio.regions import REGIONS
from montecarlo.source.grouping import deal
from montecarlo.source.objects import InputObject
from montecarlo.storage import keys
from tests.memory_run import MemoryHost, dataproc, generate
from tests.memory_s3 import MemoryS3

BILLION = Work(loans=10**9, objects=20_000, size=45 * 10**9)
THOUSAND_FUNCTIONS = Setup(max_concurrency=1_000)
FORTY_GROUPS_USD = 0.02
"""What the most groups that run at once cost more than one."""
PLACES_LEFT = limits.INLINE_ITERATIONS / Setup.max_concurrency
"""Of all places, at most one a group stays empty as shares are whole numbers; the others then wait less for S3."""


@pytest.mark.parametrize("children", ["STANDARD", "EXPRESS"])
@pytest.mark.parametrize("chunk_loans", [50_000, 100_000, 200_000])
def test_a_billion_loans_take_less_than_ten_minutes_and_ten_dollars(children: str, chunk_loans: int) -> None:
    made = estimate(
        Work(loans=10**9, objects=20_000, chunk_loans=chunk_loans), Setup(max_concurrency=1_000, children=children)
    )
    assert made.duration < 600
    assert made.usd < 10
    assert all(used <= quota for used, quota in made.quotas().values()), made.quotas()
    assert cost.one_object_per_loan(10**9) > 5_000


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_a_billion_loans_take_less_than_ninety_seconds_and_a_dollar_and_a_half(region: str) -> None:
    work = Work(loans=10**9, chunk_loans=200_000, objects=5_000, size=45 * 10**9)
    made = estimate(work, Setup(max_concurrency=1_000, region=region))
    assert made.duration < 90
    assert made.usd < 1.5


class CountedS3(MemoryS3):
    """A bucket that counts its requests by S3's price classes."""

    def __init__(self) -> None:
        super().__init__()
        self.puts = self.gets = 0

    def put_object(self, **request: Any) -> None:
        self.puts += 1
        super().put_object(**request)

    def get_paginator(self, operation: str) -> MemoryS3:
        self.puts += 1  # a listing costs what a write costs
        return super().get_paginator(operation)

    def get_object(self, **request: Any) -> dict[str, Any]:
        self.gets += 1
        return super().get_object(**request)

    def head_object(self, **request: Any) -> dict[str, Any]:
        self.gets += 1
        return super().head_object(**request)


@pytest.mark.parametrize("borrowers", [False, True])
def test_a_run_makes_the_requests_to_s3_that_were_estimated(borrowers: bool) -> None:
    """80 chunks in four groups, each step in an environment of its own."""
    host = MemoryHost(s3 := CountedS3())
    portfolio = generate(host, name="eighty", loans=1_600, part_loans=20)
    mapping = {"columns": {"ObligorID": "AccountID"}} if borrowers else None
    s3.puts = s3.gets = 0
    steps = Counter[str]()

    def call(module: Any, event: dict[str, Any]) -> dict[str, Any]:
        steps[module.__name__.rpartition(".")[2]] += 1
        return MemoryHost(s3).call(module, event)

    request = {"run": "r", "portfolio": portfolio, "chunk_loans": 20, "scenarios": 100, "mapping": mapping}
    dataproc(host, call, **request, max_concurrency=80, max_groups=4)
    assert (steps["simulate_chunk"], steps["plan_group"]) == (80, 4)
    estimated = host.json("runs/r/estimate.json")["requests"]
    of_step_functions = 4 * cost.MAP_RUN_PUTS, 4 * cost.MAP_RUN_GETS
    assert estimated["s3_put"] == pytest.approx(s3.puts + of_step_functions[0], rel=0.1)
    assert estimated["s3_get"] == pytest.approx(s3.gets + of_step_functions[1], rel=0.1)


def test_one_object_for_each_loan_waits_for_s3() -> None:
    """A prefix serves 5,500 reads a second: half a day for a quarter of a billion, paid for in functions that wait."""
    work = Work(loans=250_000_000, objects=250_000_000, size=250_000_000 * 400)
    made = estimate(work, Setup(max_concurrency=1_000))
    assert made.duration > 250_000_000 / 5_500
    assert made.gb_seconds > 0.9 * 1_000 * 250_000_000 / 5_500 * 1_769 / 1_024
    used, quota = made.quotas()["S3 reads a second of a prefix"]
    assert used == pytest.approx(quota)


def test_every_step_of_the_arithmetic_can_be_followed() -> None:
    made = estimate(BILLION, THOUSAND_FUNCTIONS)
    speed, usd = Speed(), cost.prices()["usd"]
    assert made.chunks == 10**9 / 50_000
    kernel = 10**9 * 10_000 * sum(speed.kernel_ns["compiled"]) * 1e-9
    reading = 10**9 * speed.loan_us * 1e-6 + 20_000 * speed.object_ms * 1e-3
    assert made.chunk_seconds == pytest.approx((kernel + reading) / made.chunks + speed.chunk_seconds)
    assert made.requests["transitions"] == 2 * made.chunks + 4 * len(made.groups) + 4
    assert made.dollars["state transitions"] == pytest.approx(made.requests["transitions"] / 1_000 * 0.025)
    assert made.dollars["Lambda GB-seconds"] == pytest.approx(made.gb_seconds * usd["lambda_gb_second"]["arm64"])
    assert made.usd == sum(made.dollars.values())
    assert made.duration == sum(made.seconds.values())
    text = made.format()
    for figure in ("1,000,000,000 loans", "20,000 chunks of 50,000", f"{made.usd:,.2f}", f"{made.duration:,.0f} s"):
        assert figure in text


@given(
    st.lists(st.integers(0, 500), min_size=1, max_size=300),
    st.integers(1, 40),
    st.integers(1, 10_000),
    st.integers(1, 400_000),
)
def test_none_of_the_three_limits_is_ever_exceeded(chunks: list[int], at_once: int, each: int, total: int) -> None:
    pace = Setup(max_groups=at_once, max_group_concurrency=each, max_concurrency=total).pace(chunks)
    assert 1 <= pace.groups <= min(at_once, len(chunks))
    assert all(1 <= share <= each for share in pace.shares)
    assert len(pace.shares) == len(chunks)
    # whichever groups happen to run at the same time
    assert pace.chunks == sum(sorted(pace.shares)[-pace.groups :]) <= total


works = st.builds(
    Work,
    loans=st.integers(1, 10**10),
    scenarios=st.integers(1, 10**6),
    cases=st.integers(2, 16),
    chunk_loans=st.integers(1_000, 10**6),
    sample=st.integers(1, 1_000),
    objects=st.integers(1, 10**6),
)


@settings(max_examples=30)  # an estimate of many objects takes some 30 ms
@given(works, st.sampled_from(["STANDARD", "EXPRESS"]))
def test_more_work_never_costs_less(work: Work, children: str) -> None:
    setup = Setup(children=children)
    made = estimate(work, setup)
    for more in ("scenarios", "cases"):
        grown = {**vars(work), more: 2 * getattr(work, more)}
        assert estimate(Work(**grown), setup, groups=made.groups).usd >= made.usd, more
    fewer = Work(**{**vars(work), "sample": 10 * work.sample})
    assert estimate(fewer, setup, groups=made.groups).usd <= made.usd
    for more in ("loans", "objects"):  # which are dealt out anew, to more groups or to fewer
        grown = {**vars(work), more: 2 * getattr(work, more)}
        assert estimate(Work(**grown), setup).usd >= made.usd * (1 - PLACES_LEFT) - FORTY_GROUPS_USD, more


def test_express_children_cost_less_where_chunks_are_many_and_start_sooner_where_the_account_is_slow() -> None:
    many = Work(loans=10**9, chunk_loans=5_000)
    standard, express = (
        estimate(many, Setup(max_concurrency=1_000, children=kind, region="eu-central-1"))
        for kind in ("STANDARD", "EXPRESS")
    )
    assert express.usd < standard.usd / 2
    assert express.duration < 0.8 * standard.duration


@pytest.mark.parametrize("chunks", [1, 39, 250, 10_001])
def test_groups_are_guessed_as_they_are_dealt(chunks: int) -> None:
    work = Work(loans=100 * chunks, objects=chunks, chunk_loans=100)
    objects = (InputObject("a.parquet", 1, 100) for _ in range(chunks))
    dealt = deal(objects, 100, lambda sizes: cost.best_groups(sizes, work, Setup()))
    assert [len(group) for group, _ in dealt] == list(estimate(work).groups)


def test_what_a_run_took_is_priced_as_the_estimate_was() -> None:
    made = estimate(Work(loans=10**6), groups=[20])
    as_estimated = cost.actual(made.to_json(), made.chunks, made.chunks * made.chunk_seconds)
    assert as_estimated["usd"] == pytest.approx(made.to_json()["usd"], abs=1e-3)
    assert as_estimated["estimated_usd"] == made.to_json()["usd"]
    twice = cost.actual(made.to_json(), made.chunks, 2 * made.chunks * made.chunk_seconds)
    assert twice["usd"] > as_estimated["usd"]
    more_chunks = cost.actual(made.to_json(), made.chunks + 1_000, made.chunks * made.chunk_seconds)
    assert more_chunks["requests"]["transitions"] == made.requests["transitions"] + 2_000


def test_prices_say_when_and_where_they_hold() -> None:
    table = cost.prices()
    assert table["date"]
    assert table["source"]
    assert table["region"] == "us-east-1"


def test_what_a_run_keeps_to_is_below_the_limits_of_step_functions() -> None:
    assert limits.HISTORY_EVENTS > limits.MAX_GROUPS * limits.EVENTS_PER_GROUP + 30
    assert limits.PAYLOAD_BYTES > limits.CHUNK_BYTES


def test_the_parts_of_a_partial_are_the_segments_and_regions() -> None:
    parameters = load()
    assert Work(1).parts == len(parameters.segments) + len(REGIONS)
    assert cost.partial_mb(Work(1, parts=34)) == 2 * cost.partial_mb(Work(1))

    segment = dict(vars(parameters.segments["auto"]))
    more: dict[str, Any] = {"parameters": {"segments": {"boats": segment}}}
    host = MemoryHost(MemoryS3())
    portfolio = generate(host, name="boats", loans=100)
    dataproc(host, portfolio=portfolio, run="boats", scenarios=10, **more)
    assert host.json(keys.estimate("boats"))["work"]["parts"] == Work(1).parts + 1
    assert plan.work(request.checked(more)[0], 1, 100, Place()).parts == Work(1).parts + 1


# Workers --------------------------------------------------------------------------------------------------------------

WORKERS = Setup(workers=25, worker_cores=4, worker_memory_mb=8192, max_concurrency=100)


def test_workers_are_paid_by_the_hour_and_functions_not_for_chunks() -> None:
    work = Work(loans=100_000_000)
    here, there = estimate(work, WORKERS), estimate(work, replace(WORKERS, workers=0))
    hours = here.worker_seconds / 3600
    assert here.workers == 25
    assert here.dollars["worker vCPU-hours"] == pytest.approx(hours * 4 * 0.03238 * 0.3)
    assert here.dollars["worker GB-hours"] == pytest.approx(hours * 8 * 0.00356 * 0.3)
    assert here.dollars["public addresses"] == pytest.approx(hours * 0.005)
    assert here.requests["lambda"] == 2 + 2 * len(here.groups) + 2 < there.requests["lambda"]
    assert here.gb_seconds < there.gb_seconds / 10
    assert hours * 4 >= here.chunks * here.chunk_seconds / 3600, "less than the chunks take"
    assert set(there.dollars) < set(here.dollars)
    assert here.usd < there.usd
    assert "25 workers with 4 each" in here.format()


def test_on_demand_costs_more_and_a_stack_with_functions_says_nothing_of_workers() -> None:
    work = Work(loans=1_000_000)
    assert estimate(work, replace(WORKERS, spot=0.0)).usd > estimate(work, WORKERS).usd
    assert not [name for name in estimate(work).to_json()["setup"] if name.startswith("worker")]
    assert "worker_hours" not in estimate(work).to_json()


def test_what_workers_took_is_priced_as_the_estimate_was() -> None:
    planned = estimate(Work(loans=10_000_000), WORKERS)
    told = planned.to_json()
    took = planned.chunks * planned.chunk_seconds
    assert actual(told, planned.chunks, took)["usd"] == pytest.approx(planned.usd, abs=1e-4)
    slower = actual(told, planned.chunks, 2 * took)
    more = took / 4 / 3600 * (4 * 0.03238 * 0.3 + 8 * 0.00356 * 0.3 + 0.005)
    assert slower["usd"] - planned.usd == pytest.approx(more, abs=2e-4)


def test_instances_are_paid_with_their_disk_and_for_the_time_to_stop() -> None:
    ec2 = replace(WORKERS, compute="ec2", worker_memory_mb=7168, spot=0.75)
    work = Work(loans=100_000_000)
    here, there = estimate(work, ec2), estimate(work, WORKERS)
    hours = here.worker_seconds / 3600
    assert here.dollars["instance vCPU-hours"] == pytest.approx(hours * 4 * 0.03625 * (0.25 + 0.75 * 0.4))
    assert here.dollars["disk GB-hours"] == pytest.approx(hours * 30 * 0.08 / 730)
    assert here.dollars["public addresses"] == pytest.approx(hours * 0.005)
    speed = Speed()
    later = speed.instance_start_seconds - speed.worker_start_seconds
    assert here.duration - there.duration == pytest.approx(later, abs=5)
    more = (here.worker_seconds - there.worker_seconds) / 25
    assert more == pytest.approx(later + speed.instance_stop_seconds, abs=5)
    assert "c7g" in here.format()
    assert "Fargate" not in here.format()


def test_two_workers_of_one_core_share_an_instance_and_one_with_more_memory_has_a_dearer_one() -> None:
    ec2 = replace(WORKERS, compute="ec2", worker_memory_mb=7168)
    one_core = replace(ec2, worker_cores=1, worker_memory_mb=1792)
    for setup, vcpu, workers in (
        (ec2, 0.03625, 1),
        (one_core, 0.03625, 2),
        (replace(ec2, worker_memory_mb=14336), 0.0408, 1),
    ):
        cores, disk, address = hired(3600, setup)
        assert (cores.usd, cores.hours, disk.hours, address.hours) == (
            vcpu,
            setup.worker_cores,
            30 / workers,
            1 / workers,
        )
    assert hired(3600, replace(WORKERS, workers=0)) == []


def test_workers_keep_to_the_pollers_of_an_activity() -> None:
    used, quota = estimate(Work(loans=10**9), WORKERS).quotas()["workers that ask an activity at once"]
    assert (used, quota) == (25, 1000)


def test_quotas_show_what_the_run_uses_and_not_what_it_may() -> None:
    made = estimate(Work(loans=1_000, objects=1), Setup())
    used = {name: amount for name, (amount, _) in made.quotas().items()}
    assert made.chunks == 1
    assert used["children of a Map Run at once"] == used["concurrent Lambda executions"] == 1
    assert used["Standard children of a Map Run started a second"] <= 1
    assert used["state transitions a second"] <= TRANSITIONS_PER_CHILD
    assert "1 chunk of 50,000 loans in 1 group; 1 group and 1 chunk at once" in made.format()


def test_the_pass_over_the_tail_is_counted_and_what_it_takes_too() -> None:
    once = estimate(Work(loans=10**7))
    both = estimate(Work(loans=10**7, contributions=True))
    assert both.after
    assert both.chunks == once.chunks == both.after.chunks
    assert both.passed[0] == 2 * once.chunks
    kernel = 2 * (once.chunk_seconds - Speed().chunk_seconds - 50_000 * Speed().loan_us * 1e-6)
    assert both.after.chunk_seconds - once.chunk_seconds == pytest.approx(kernel / 2, rel=0.1)
    assert both.requests["children"] == 2 * once.requests["children"]
    assert 2 * once.usd < both.usd < 3 * once.usd
    assert "in the pass over the tail" in both.format()
    assert "contributions" not in once.to_json()["work"]
    document = both.to_json()
    assert Work(**document["work"]) == both.work
    chunks, seconds = both.passed
    took = actual(document, chunks, seconds)
    assert took["usd"] == pytest.approx(both.usd, rel=1e-3)
    assert took["requests"] == dict(both.requests)
