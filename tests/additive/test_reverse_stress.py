"""The nearest economy that costs an amount: by a closed form, by brute force, and what cannot be reached is said."""

import io
import math
from collections import defaultdict
from importlib import import_module
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from additive import reverse_stress, reverse_stress_page
from additive.replay import Replay
from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.model import parameters
from montecarlo.model.cases import Case
from montecarlo.model.credit import loan_risks
from montecarlo.model.reverse_stress import Thresholds
from montecarlo.model.tables import model_tables
from montecarlo.report.sections import reverse_stress as words
from montecarlo.steps import simulate_chunk
from tests.additive.test_slices import PLACE, REQUEST
from tests.memory_run import MemoryHost, dataproc, simulate

integrate: Any = import_module("scipy.integrate")  # of the test extra, and untyped
stats: Any = import_module("scipy.stats")

pytestmark = pytest.mark.usefixtures("quick")

SEGMENTS = ["personal", "mortgage", "commercial"]


def host_of(**columns: Any) -> MemoryHost:
    """A host with a portfolio of one file."""
    host, buffer, many = MemoryHost(), io.BytesIO(), len(columns["PD"])
    rows = {"AccountID": [f"L{loan}" for loan in range(many)], **columns}
    pq.write_table(pa.table(rows), buffer)
    host.s3.objects[f"{PLACE}part-0.parquet"] = buffer.getvalue()
    return host


def found(host: MemoryHost, loss: float | None = None, **request: Any) -> dict[str, Any]:
    simulate(host, **{**REQUEST, "run": "june", **request})
    return reverse_stress.find(Replay.open(host.store, "june"), loss)


@pytest.mark.parametrize(("rho", "share"), [(0.05, 0.03), (0.05, 0.2), (0.2, 0.2), (0.6, 0.7)])
def test_one_factor_and_equal_loans_have_a_closed_form(rho: float, share: float) -> None:
    """PD 1 %, LGD 50 %: z = (Phi^-1(PD) - sqrt(1 - rho) * Phi^-1(share)) / sqrt(rho) loses that share of the LGD."""
    host = host_of(PD=[0.01] * 50, LGD=[0.5] * 50, EAD=[2_000.0] * 50, Segment=["mortgage"] * 50)
    figures = found(host, share * 50_000, parameters={"segments": {"mortgage": {"asset_correlation": rho}}})
    sensitivity = parameters.load().segments["mortgage"].rate_sensitivity
    for case, shift in (("base", 0.0), ("stressed", sensitivity * (8.0 - parameters.load().base_fed_rate))):
        z = (stats.norm.ppf(0.01) + shift - math.sqrt(1 - rho) * stats.norm.ppf(share)) / math.sqrt(rho)
        of_case = figures["cases"][case]
        assert of_case["shift"] == pytest.approx(-z, abs=2e-5)
        assert of_case["probability"] == pytest.approx(stats.norm.cdf(z), rel=2e-4)
        assert of_case["sectors"]["mortgage"] == pytest.approx(z, abs=2e-5)
        assert of_case["segments"]["mortgage"]["loss"] == pytest.approx(share * 50_000, abs=0.02)


def a_book() -> dict[str, Any]:
    draw = np.random.default_rng(5)
    return {
        "PD": draw.choice([0.0, 1.0, 0.002, 0.01, 0.07], 200, p=[0.02, 0.005, 0.3, 0.475, 0.2]).tolist(),
        "LGD": draw.choice([0.2, 0.45, 0.9], 200).tolist(),
        "EAD": draw.choice([1_000.0, 25_000.0, 400_000.0], 200, p=[0.5, 0.4, 0.1]).tolist(),
        "Segment": draw.choice(SEGMENTS, 200).tolist(),
    }


def conditional_loss(
    book: dict[str, Any], z: npt.NDArray[np.float64], rho: dict[str, float], shift: dict[str, float]
) -> npt.NDArray[np.float64]:
    """E[L | Z] from the loans, by SciPy, for the factors of SEGMENTS (3, S)."""
    total, alike = np.zeros(z.shape[1]), defaultdict[tuple[float, str], float](float)
    for pd, lgd, ead, segment in zip(*book.values(), strict=True):
        alike[pd, segment] += ead * lgd
    for (pd, segment), lost in alike.items():
        r, of_segment = rho[segment], z[SEGMENTS.index(segment)]
        probit = stats.norm.ppf(pd) + (shift[segment] if 0 < pd < 1 else 0.0)
        total += lost * stats.norm.cdf((probit - math.sqrt(r) * of_segment) / math.sqrt(1 - r))
    return total


@pytest.mark.parametrize(
    ("changes", "matrix"),
    [
        ({"global_factor_share": 0.2}, [[1, 0.2, 0.2], [0.2, 1, 0.2], [0.2, 0.2, 1]]),
        (
            {
                "global_factor_share": 0,
                "sector_correlations": {"personal": {"mortgage": -0.4, "commercial": 0.7}},
            },
            [[1, -0.4, 0.7], [-0.4, 1, 0.0], [0.7, 0.0, 1]],
        ),
    ],
)
@pytest.mark.parametrize("part", [0.08, 0.35])
def test_no_economy_of_many_thousands_is_nearer(changes: dict[str, Any], matrix: Any, part: float) -> None:
    """Brute force over directions with SciPy: none reaches the amount sooner, and some nearly as soon."""
    book, defaults = a_book(), parameters.load()
    goal = part * sum(ead * lgd for ead, lgd in zip(book["EAD"], book["LGD"], strict=True))
    figures = found(host_of(**book), goal, parameters=changes, chunk_loans=40)
    rho = {name: defaults.segments[name].asset_correlation for name in SEGMENTS}
    draw = np.random.default_rng(11)
    directions = draw.standard_normal((3, 4_000))
    directions /= np.linalg.norm(directions, axis=0)
    mix = np.linalg.cholesky(np.array(matrix, dtype=float))
    lengths = np.arange(0.5, 8.01, 0.5)
    for name, rate in (("base", defaults.base_fed_rate), ("stressed", 8.0)):
        shift = {
            segment: defaults.segments[segment].rate_sensitivity * (rate - defaults.base_fed_rate)
            for segment in SEGMENTS
        }
        of_case = figures["cases"][name]
        z = np.array([of_case["sectors"][segment] for segment in SEGMENTS])
        assert conditional_loss(book, z[:, None], rho, shift)[0] == pytest.approx(goal, rel=2e-5)
        y = np.linalg.solve(mix, z)
        assert np.linalg.norm(y) == pytest.approx(of_case["shift"], abs=1e-6)
        inside = conditional_loss(book, mix @ (directions * (of_case["shift"] - 1e-3)), rho, shift)
        assert inside.max() < goal, "another direction reaches it sooner"
        outside = conditional_loss(book, mix @ (directions * (of_case["shift"] + 0.05)), rho, shift)
        assert outside.max() > goal, "the bound above could not fail"
        nearer = [length for length in lengths if length < of_case["shift"] - 1e-3]
        for length in nearer:
            assert conditional_loss(book, mix @ (directions * length), rho, shift).max() < goal
        assert of_case["loss_in_average_economy"] == pytest.approx(
            conditional_loss(book, np.zeros((3, 1)), rho, shift)[0], rel=2e-5
        )


def test_lgds_that_follow_the_economy_are_taken_as_they_are_there() -> None:
    """E[LGD | z] by adaptive quadrature over the Beta distribution."""
    rho, volatility, c, lgd, pd, z = 0.15, 0.4, 0.25, 0.37, 0.02, -2.1
    changes = {"asset_correlation": rho, "lgd_volatility": volatility, "lgd_correlation": c}
    beta = stats.beta(lgd * (1 / volatility**2 - 1), (1 - lgd) * (1 / volatility**2 - 1))

    def lost(xi: float) -> float:
        y = stats.norm.cdf(-math.sqrt(c) * z + math.sqrt(1 - c) * xi)
        return float(beta.ppf(y) * stats.norm.pdf(xi))

    severity = integrate.quad(lost, -8, 8, limit=200)[0]
    default = stats.norm.cdf((stats.norm.ppf(pd) - math.sqrt(rho) * z) / math.sqrt(1 - rho))
    goal = float(100 * 10_000 * default * severity)
    host = host_of(PD=[pd] * 100, LGD=[lgd] * 100, EAD=[10_000.0] * 100, Segment=["mortgage"] * 100)
    figures = found(host, goal, parameters={"segments": {"mortgage": changes}})
    assert figures["cases"]["base"]["shift"] == pytest.approx(-z, abs=3e-3)


@pytest.mark.parametrize("volatility", [0.0, 0.3])
def test_collateral_counts_as_the_case_has_it(volatility: float) -> None:
    """A case of cheaper houses is as near as today is where houses are that cheap."""
    linked = {"lgd_volatility": volatility, "lgd_correlation": volatility / 3}
    request = {"parameters": {"segments": {"mortgage": linked}}}
    loans = {"PD": [0.02] * 20, "EAD": [1_000.0] * 20, "Segment": ["mortgage"] * 20}
    shifts = {"houses": {"collateral_shift": {"mortgage": -0.25}}}
    falling = found(host_of(**loans, CollateralValue=[1_000.0] * 20), 3_000, cases=shifts, **request)["cases"]
    cheap = found(host_of(**loans, CollateralValue=[750.0] * 20), 3_000, **request)["cases"]
    assert falling["houses"]["shift"] == pytest.approx(cheap["base"]["shift"], abs=1e-6)
    assert falling["houses"]["shift"] < falling["base"]["shift"]


def test_chunks_do_not_matter_and_a_sample_counts_for_all() -> None:
    book = a_book()
    whole = found(host_of(**book), 1e6)
    assert found(host_of(**book), 1e6, chunk_loans=7) == whole
    host = host_of(**book)
    half = found(host, 1e6, sample=2)
    simulated = Replay.open(host.store, "june").result
    assert half["cases"]["base"]["el"] == pytest.approx(simulated["cases"]["base"]["el"], abs=0.02)
    segments = half["cases"]["base"]["segments"]
    assert sum(held["exposure"] for held in segments.values()) == pytest.approx(simulated["exposure"], abs=0.02)
    assert sum(held["loss"] for held in segments.values()) == pytest.approx(1e6, abs=0.05)


def test_the_capital_available_is_what_is_lost_unless_another_amount_is_given() -> None:
    host = host_of(**a_book())
    figures = found(host, capital_available=900_000.0)
    assert figures["loss"] == 900_000
    assert figures["is_capital_available"]
    assert "the capital available" in words.headline(reverse_stress_page.view_of(figures))
    another = reverse_stress.find(Replay.open(host.store, "june"), 1_000_000)
    assert not another["is_capital_available"]
    assert another["cases"]["base"]["shift"] > figures["cases"]["base"]["shift"]
    page = reverse_stress_page.render(figures)
    assert "Federal Funds rate 8.00" in page.replace("\u00a0", " ")
    assert "once in" in page


def test_a_run_with_a_capital_tells_it_and_answers_any_amount_from_its_sums() -> None:
    """To the bit, however it is cut, and as one that reads the loans."""
    book = a_book()
    asked = found(host_of(**book), 1e6)["cases"]
    host = host_of(**book)
    result = simulate(host, **{**REQUEST, "run": "june", "capital_available": 9e5, "chunk_loans": 7})
    again = simulate(host, **{**REQUEST, "run": "july", "capital_available": 9e5})
    assert result["reverse_stress"] == again["reverse_stress"]
    del host.s3.objects[f"{PLACE}part-0.parquet"]  # no loan is read
    replay = Replay.open(host.store, "june")
    assert reverse_stress.find(replay)["cases"] == result["reverse_stress"]["cases"]
    assert reverse_stress.find(replay, 1e6)["cases"] == asked


def test_it_is_not_known_where_some_chunks_were_simulated_without_the_capital() -> None:
    host, simulated = host_of(**a_book()), []

    def cut_off(module: Any, event: dict[str, Any]) -> dict[str, Any]:
        if module is simulate_chunk:
            simulated.append(event)
            if len(simulated) == 3:
                raise KeyboardInterrupt
        return host.call(module, event)

    request = {**REQUEST, "run": "june", "chunk_loans": 40}
    with pytest.raises(KeyboardInterrupt):
        dataproc(host, cut_off, **request)
    result = simulate(host, **request, capital_available=9e5)
    assert result["reverse_stress"] is None
    whole = found(host_of(**a_book()), capital_available=9e5)
    assert reverse_stress.find(Replay.open(host.store, "june"))["cases"] == whole["cases"]


@pytest.mark.parametrize("volatility", [0.0, 0.3])
def test_parts_of_a_portfolio_add_up_and_come_out_again(volatility: float) -> None:
    linked = {"lgd_volatility": volatility, "lgd_correlation": volatility / 3}
    segments = dict.fromkeys(SEGMENTS, linked)
    changed = parameters.load({"segments": segments})
    cases = [Case("base", 3.63, {}), Case("stressed", 8.0, {})]
    tables = model_tables(changed, cases)
    host = host_of(**a_book())
    simulate(host, **{**REQUEST, "run": "june", "chunk_loans": 40, "parameters": {"segments": segments}})
    replay = Replay.open(host.store, "june")
    parts = [
        Thresholds.of(loan_risks(replay.read(chunk).loans, changed, cases, tables), tables) for chunk in replay.chunks()
    ]
    forwards, backwards = (Thresholds(np.empty(0, np.int64), np.empty(0, np.int64)) for _ in range(2))
    for part in parts:
        forwards.add(part)
    for part in reversed(parts):
        backwards.add(part)
    assert np.array_equal(forwards.key, backwards.key)
    assert np.array_equal(forwards.loss, backwards.loss)
    names, book = list(changed.segments), a_book()
    owed = np.bincount([names.index(name) for name in book["Segment"]], book["EAD"], len(names)).astype(np.float64)
    most = 100 * owed + 6 * 200
    assert forwards.fits(2, list(changed.segments.values()), len(changed.sectors), most)
    assert not forwards.fits(2, list(changed.segments.values()), len(changed.sectors), most / 10)
    for part in parts[1:]:
        forwards.take_out(part)
    assert np.array_equal(forwards.key, parts[0].key)
    assert np.array_equal(forwards.loss, parts[0].loss)


NODE, MEAN, LOADING, FACTOR, SEGMENT, CASE = (1 << bits for bits in (0, 14, 21, 28, 35, 42))
MIDDLE, OWN = (1 << 13) * NODE, 65 * MEAN
KEY = MIDDLE + OWN


@pytest.mark.parametrize(
    ("key", "loss"),
    [
        ([KEY, KEY], [1, 1]), ([KEY + 1, KEY], [1, 1]), ([-1], [1]), ([KEY], [0]), ([KEY], [1, 2]), ([1 << 62], [1]),
        ([KEY + 2 * CASE], [1]), ([KEY + 3 * SEGMENT], [1]), ([KEY + 3 * FACTOR], [1]), ([KEY + 34 * LOADING], [1]),
        ([KEY + MEAN], [1]), ([KEY - MEAN], [1]), ([KEY + SEGMENT], [1]), ([KEY - 4000], [1]), ([KEY + 4000], [1]),
        ([KEY], [107]), ([KEY], [1 << 62]), ([KEY], [-1]), ([KEY, KEY + 1], [1 << 62, -(1 << 62)]),
    ],
)  # fmt: skip
def test_what_no_loans_add_up_to_is_noticed(key: list[int], loss: list[int]) -> None:
    """Of two cases, three sectors, and three segments that owe 100 cents each; LGDs follow the factor in the second."""
    of = parameters.load({"segments": {"mortgage": {"lgd_volatility": 0.3, "lgd_correlation": 0.1}}}).segments
    segments, most = [of[name] for name in SEGMENTS], np.full(3, 106.0)

    def fits(key: list[int], loss: list[int], dtype: type = np.int64) -> bool:
        return Thresholds(np.array(key, dtype), np.array(loss, np.int64)).fits(2, segments, 3, most)

    assert fits([], [])
    assert fits([0 + OWN, KEY, KEY + CASE + 2 * SEGMENT + 2 * FACTOR + 33 * LOADING], [100, 1, 100])
    assert fits([KEY + SEGMENT - MEAN], [100])
    assert not fits(key, loss)
    assert not fits(key, loss, np.float64)


def test_what_an_average_economy_costs_needs_no_shift_and_what_none_costs_is_refused() -> None:
    host = host_of(**a_book())
    figures = found(host, 10.0)
    assert figures["cases"]["base"]["shift"] == 0
    assert any("already" in sentence for sentence in words.sentences(reverse_stress_page.view_of(figures), "base"))
    everything = sum(held["exposure"] for held in figures["cases"]["base"]["segments"].values())
    replay = Replay.open(host.store, "june")
    with pytest.raises(InvalidInput, match=r"no economy within 8 .* the most that can be lost is [\d,.]+, in the case"):
        reverse_stress.find(replay, everything)
    with pytest.raises(InvalidInput, match="give the amount"):
        reverse_stress.find(replay)
    for nonsense in (0.0, -5.0, math.inf, math.nan):
        with pytest.raises(InvalidInput, match="must be above 0"):
            reverse_stress.find(replay, nonsense)
    between = (figures["cases"]["base"]["most"] + figures["cases"]["stressed"]["most"]) / 2
    one = reverse_stress.find(replay, between)
    assert one["cases"]["base"]["shift"] is None
    assert one["cases"]["stressed"]["shift"] > 0
    assert any(
        "the most that can be lost" in sentence
        for sentence in words.sentences(reverse_stress_page.view_of(one), "base")
    )
    ElementTree.fromstring(reverse_stress_page.render(one).removeprefix("<!DOCTYPE html>"))


@pytest.mark.parametrize("pd", [0.0, 1.0, 0.02])
def test_loans_that_the_economy_does_not_move_are_no_fault(pd: float) -> None:
    """Impossible and certain defaults, and loans without correlation."""
    host = host_of(PD=[pd] * 5, LGD=[0.5] * 5, EAD=[100.0] * 5, AssetCorrelation=[0.0] * 5)
    with pytest.raises(InvalidInput, match="the most that can be lost is"):
        found(host, 251.0)
    if pd:
        assert reverse_stress.find(Replay.open(host.store, "june"), pd * 249)["cases"]["base"]["shift"] == 0


def test_what_is_lost_for_certain_is_lost_in_an_average_economy_to_the_cent() -> None:
    host = host_of(PD=[1.0] * 5, LGD=[0.5] * 5, EAD=[1_000.0] * 5)
    for case in found(host, 2_500.0)["cases"].values():
        assert (case["shift"], case["loss_in_average_economy"], case["most"]) == (0, 2_500, 2_500)


def test_a_portfolio_that_has_gone_is_named() -> None:
    host = host_of(**a_book())
    simulate(host, **{**REQUEST, "run": "june"})
    del host.s3.objects[f"{PLACE}part-0.parquet"]
    with pytest.raises(InvalidPortfolio, match="part-0"):
        reverse_stress.find(Replay.open(host.store, "june"), 1e5)
