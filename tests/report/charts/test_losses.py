"""The loss distribution and the exceedance curve: what they draw, and that nothing leaves the picture."""

from typing import Any

import numpy as np
import pytest

from montecarlo.report.charts.frame import LETTER
from montecarlo.report.charts.losses import CURVE_POINTS, Curve, Distribution, thinned
from montecarlo.report.page import render
from montecarlo.report.view import ResultView
from tests.report.reading import SVG, drawn_numbers, parsed, visible
from tests.report.sample import case


def test_charts_have_title_and_description(result: dict[str, Any], distributions: dict[str, Distribution]) -> None:
    root = parsed(render(result, distributions))
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    drawings = [svg for svg in root.iter(f"{SVG}svg") if svg.get("role") == "img"]
    assert len(drawings) == 4
    for drawing, said in zip(
        drawings, ("VaR 99.9 % $56.8M", "99.9 % VaR $56.8M", "99.9 % VaR $56.8M", "VaR 99.9 % ±3.9 %"), strict=True
    ):
        assert set(drawing.get("aria-labelledby", "").split()) <= set(ids)
        assert drawing.findtext(f"{SVG}title")
        assert said in (drawing.findtext(f"{SVG}desc") or "").replace("\u00a0", " ")


@pytest.mark.parametrize("loss", [1, 123, 10**9, 9 * 10**18])
def test_one_scenario(loss: int) -> None:
    amount = loss / 100
    result: dict[str, Any] = {"schema": 1, "cases": {"base": {"el": amount, "var": {"99.9": amount}}}}
    numbers = drawn_numbers(render(result, {"base": Distribution(np.array([loss]), np.ones(1))}))
    assert max(numbers) <= 960


def test_markers_far_from_the_losses(distributions: dict[str, Distribution]) -> None:
    result: dict[str, Any] = {"schema": 1, "cases": {"base": {"el": -5.0, "var": {"99.9": 1e15}}}}
    drawn_numbers(render(result, {"base": distributions["base"]}))


def test_unequal_weights_with_almost_none_in_the_tail() -> None:
    losses = np.arange(1, 5001, dtype=np.int64) * 100_000
    weights = np.exp(-np.arange(5000) / 100.0)
    result: dict[str, Any] = {"schema": 1, "cases": {"base": {"el": 1e5, "var": {"99": 4.6e5, "99.9": 6.9e5}}}}
    numbers = drawn_numbers(render(result, {"base": Distribution(losses, weights / weights.sum())}))
    assert min(numbers) >= -1
    assert max(numbers) <= 960


def test_an_outlier_does_not_squeeze_the_curves() -> None:
    losses = np.append(np.arange(1, 10_000, dtype=np.int64) * 100, 10**12)
    weights = np.append(np.full(9_999, 1 / 9_999), 2e-5)
    figures_of_case = {"el": 5e3, "var": {"99.9": 9_990.0}}
    page = render({"schema": 1, "cases": {"base": figures_of_case}}, {"base": Distribution(losses, weights)})
    drawings = [svg for svg in parsed(page).iter(f"{SVG}svg") if svg.get("role") == "img"]
    for drawing in drawings:
        labels = [text.text or "" for text in drawing.iter(f"{SVG}text")]
        assert any(label.startswith("$10") and label.endswith("K") for label in labels), labels
        assert not any(label.endswith(("M", "B")) for label in labels), labels


def test_vectors_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one length.*\(2,\).*\(3,\)"):
        Distribution(np.zeros(2, np.int64), np.zeros(3))


def test_exceedance_is_the_weight_beyond_each_loss() -> None:
    distribution = Distribution(np.array([300, 100, 200]), np.array([0.1, 0.6, 0.3]))
    curve = Curve.of(ResultView.of({"schema": 1, "cases": {"base": {}}}).cases[0], distribution)
    np.testing.assert_array_equal(curve.amounts, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(curve.exceedance(), [0.4, 0.1, 0.0])
    assert [curve.exceeded_by(share) for share in (0.5, 0.4, 0.2, 0.1, 0.01)] == [1.0, 1.0, 2.0, 2.0, 3.0]


def test_thinning_keeps_the_tail_whole() -> None:
    tail = 1 - np.arange(1, 10_001) / 10_000
    kept = thinned(tail, 5e-5)
    assert len(kept) <= CURVE_POINTS + 1
    assert set(range(9_980, 10_000)) <= set(kept.tolist())


def test_the_tail_is_drawn_again_as_high_as_it_needs(
    result: dict[str, Any], distributions: dict[str, Distribution]
) -> None:
    """Twice the paths: the whole distribution, and the worst 1 % from its own VaR 99 on."""
    page = render(result, distributions)
    outlines = [path.get("d", "") for path in parsed(page).iter(f"{SVG}path") if "outline" in path.get("class", "")]
    assert len(outlines) == 4
    assert "The worst 1 % of each case," in visible(page)
    starts = [float(outline[1:].split(",")[0]) for outline in outlines]
    assert starts[0] == starts[1] == 76.0
    assert 76.0 < starts[2] < starts[3]


def test_a_tail_that_can_be_seen_is_not_drawn_again() -> None:
    """One loan of equal odds: the worst 1 % is as likely as anything."""
    result: dict[str, Any] = {"schema": 1, "cases": {"base": {"el": 0.5, "var": {"99.9": 1.0}}}}
    page = render(result, {"base": Distribution(np.array([0, 100]), np.full(2, 0.5))})
    assert "The worst 1 %" not in visible(page)


def test_every_drawn_case_is_named_with_its_var(result: dict[str, Any], distributions: dict[str, Distribution]) -> None:
    text = visible(render(result, distributions))
    assert "Base: VaR 99.9 % $56.8M Stressed: VaR 99.9 % $85.2M" in text


@pytest.mark.parametrize("name", ["b", "a_case_of_a_name_that_is_as_long_as_names_may_be_and_longer"])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_text_stays_inside_each_chart(
    result: dict[str, Any], distributions: dict[str, Distribution], name: str, scale: float
) -> None:
    cases = {f"{name}_{index}": case(3.63 + index, scale * (1 + index / 10)) for index in range(7)}
    losses = {
        key: Distribution((distributions["base"].losses * scale).astype(np.int64), distributions["base"].weights)
        for key in cases
    }
    root = parsed(render(result | {"cases": cases, "currency": "CHF"}, losses))
    drawings = [svg for svg in root.iter(f"{SVG}svg") if svg.get("role") == "img"]
    assert len(drawings) == 5
    for drawing in drawings:
        width, height = (float(size) for size in drawing.get("viewBox", "").split()[2:])
        for text in drawing.iter(f"{SVG}text"):
            x, y, wide = float(text.get("x", "")), float(text.get("y", "")), LETTER * len(text.text or "")
            left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[text.get("text-anchor", "start")]
            assert left >= -1, text.text
            assert left + wide <= width + 1, text.text
            assert 10 <= y <= height, text.text
