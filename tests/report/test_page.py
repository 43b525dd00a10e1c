"""The report: what users write is never markup, degenerate runs still give a page, and every figure is on it."""

import copy
import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montecarlo.report import charts, stylesheet
from montecarlo.report import words as figures
from montecarlo.report.page import Distribution, format_table, render

HOSTILE = "</title><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>\x00\x1b[2J\ud800"
SVG = "{http://www.w3.org/2000/svg}"


def case(fed_rate: float, scale: float) -> dict[str, Any]:
    def interval(value: float) -> list[float]:
        return [value * 0.9, value * 1.2]

    el, ul, worst = 12.3456e6 * scale, 6.5432e6 * scale, 66.6654e6 * scale
    var = {"95": 23.4567e6 * scale, "99": 34.5678e6 * scale, "99.9": 56.789e6 * scale}
    es = {"97.5": 33.3312e6 * scale, "99": 44.4423e6 * scale, "99.9": 66.6634e6 * scale}
    capital = {"99.9": var["99.9"] - el}
    return {
        "fed_rate": fed_rate,
        "mean_pd": 0.0123 * min(scale, 2),
        "analytic_el": 12.4e6 * scale,
        "el": el,
        "ul": ul,
        "var": var,
        "es": es,
        "economic_capital": capital,
        "worst": worst,
        "interval_95": {
            "el": interval(el),
            "ul": interval(ul),
            "var": {level: interval(value) for level, value in var.items()},
            "es": {level: interval(value) for level, value in es.items()},
            "economic_capital": {"99.9": interval(capital["99.9"])},
        },
        "capital": 88.1234e6 * scale,
        "ecl": {"twelve_month": 11.2345e6 * scale, "lifetime": 47.1234e6 * scale},
        "effective_sample_size": {"all": 1100, "99.9": 150},
        "convergence": [
            {"scenarios": 2000, "el": [el, 0.01 * el], "var_99.9": [var["99.9"], 0.02 * var["99.9"]]},
            {"scenarios": 1000, "el": [1.05 * el, 0.02 * el], "var_99.9": [0.9 * var["99.9"], 0.04 * var["99.9"]]},
        ],
        "segments": {
            "credit_card": {
                "el": el * 0.25,
                "es_99_contribution": es["99"] * 0.4,
                "capital": 20.1111e6 * scale,
                "twelve_month_ecl": 2.2222e6 * scale,
                "lifetime_ecl": 7.3333e6 * scale,
            },
            "auto": {"el": el * 0.75},
        },
        "regions": {"unknown": {"el": el * 0.5}, "9": {"el": el * 0.5, "es_99_contribution": 1.0}},
    }


@pytest.fixture
def result() -> dict[str, Any]:
    return {
        "schema": 1,
        "run": "quarter-end",
        "seed": 4711,
        "scenarios": 2000,
        "sampling": {"method": "mixture", "shift": [-2.5, 0.0], "one_in": 1, "relative_error": 0.0},
        "parameters": {"segments": {"auto": {"lgd": 0.4375}}},
        "versions": {"montecarlo": "0.1.0", "numpy": "2.9.9"},
        "portfolio": {
            "source": "portfolios/default/",
            "as_of": "2026-01-01",
            "concentration": {"hhi": 0.0005, "effective_loans": 2000, "hhi_segments": 0.625, "hhi_regions": 0.82},
            "segments": {"credit_card": {"loans": 1111, "exposure": 2.5e8}, "auto": {"loans": 2222, "exposure": 7.5e8}},
            "regions": {"9": {"loans": 3000, "exposure": 9e8}, "unknown": {"loans": 333, "exposure": 1e8}},
        },
        "loans": {"read": 3340, "simulated": 3333, "rejected": 7, "not_sampled": 0},
        "rejected_by_reason": {"LoanTerm is empty": 2, "GrossIncome must not be negative": 5},
        "exposure": 1e9,
        "cases": {"base": case(3.63, 1.0), "stressed": case(8.0, 1.5)},
        "timings": {"wall_seconds": 83.4, "kernel_seconds": 0.25, "peak_memory_mb": 612},
        "cost": {
            "usd": 0.0431,
            "estimated_usd": 0.0525,
            "gb_seconds": 2476.5,
            "estimated_gb_seconds": 3001.2,
            "requests": {"lambda": 27, "s3_put": 31},
            "usd_by_item": {"state transitions": 0.000225},
            "prices": {"date": "2026-01", "region": "us-east-1", "source": "public price lists"},
        },
    }


@pytest.fixture
def distributions() -> dict[str, Distribution]:
    losses = np.random.Generator(np.random.Philox(7)).gamma(2.0, 6e8, 2000).astype(np.int64)
    weights = np.full(2000, 1 / 2000)
    return {"base": Distribution(losses, weights), "stressed": Distribution(losses * 3 // 2, weights)}


def parsed(page: str) -> ET.Element:
    """The page as XML: fails on any tag that does not nest or character that is not escaped."""
    assert page.startswith("<!DOCTYPE html>")
    page.encode()
    return ET.fromstring(page)


def visible(page: str) -> str:
    root = parsed(page)
    body = root.find("body")
    assert body is not None
    return " ".join(part.strip() for part in body.itertext() if part.strip()).replace("\u00a0", " ")


def notices(page: str) -> list[str]:
    found = ("".join(element.itertext()) for element in parsed(page).iter("p") if element.get("class") == "notice")
    return [text.replace("\u00a0", " ") for text in found]


def elements(page: str) -> list[str]:
    return [element.tag.removeprefix(SVG) for element in parsed(page).iter()]


def drawn_numbers(page: str) -> list[float]:
    """All coordinates and sizes in the page's charts."""
    texts = [
        element.get(name, "")
        for svg in parsed(page).iter(f"{SVG}svg")
        for element in svg.iter()
        for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "d", "width", "height")
    ]
    assert not any(word in text.lower() for text in texts for word in ("nan", "inf"))
    return [float(number) for text in texts for number in re.findall(r"-?[\d.]+", text)]


class TestPage:
    def test_every_figure_is_there(self, result: dict[str, Any], distributions: dict[str, Distribution]) -> None:
        text = visible(render(result, distributions))
        for figure in (
            *("12,345.60", "11,111.04", "14,814.72", "18,518.40", "+50.0 %", "+6,172.80"),  # EL, interval, stressed
            *("6,543.20", "23,456.70", "34,567.80", "56,789.00", "33,331.20", "44,442.30", "66,663.40"),
            *("66,665.40", "44,443.40", "12,400.00", "1.23 %", "3.63 %", "8.00 %", "+4.37 pp"),
            *("1,111", "2,222", "$250M", "$750M", "3,086.40", "17,776.92", "1.23 %"),  # segments
            *("quarter-end", "4711", "2,000", "2.9.9", "0.4375", "portfolios/default/", "2026-01-01"),
            *("1 min 23 s", "0.25 s", "612 MB"),
            "US$ 0.043; US$ 0.052 estimated before the run",
            "2,476.5 GB-seconds; 3,001.2 GB-seconds estimated before the run",
            *("us-east-1, 2026-01, public price lists", "0.000225", "27", "31"),
            *("88.12", "1,101.54", "132.19", "1,652.31", "110.15 %", "0.50", "+50.0 %"),  # capital, RWA, ratio
            *("20,111.10", "100.56 %", "30,166.65"),  # of a segment
            *("11,234.50", "47,123.40", "16,851.75", "70,685.10", "1.12 %", "4.71 %"),  # expected credit losses
            *("2,222.20", "7,333.30", "3,333.30", "10,999.95", "2.93 %"),
            *("0.0005", "2,000", "0.62", "1.6", "0.82", "1.2"),  # concentration
            "3,340 read = 3,333 simulated + 7 rejected + 0 not sampled",
        ):
            assert figure in text, figure

    def test_the_headline_is_one_sentence_with_el_and_var_before_and_after(self, result: dict[str, Any]) -> None:
        headline = parsed(render(result, {})).find(".//p[@class='headline']")
        assert headline is not None
        assert "".join(headline.itertext()).replace("\u00a0", " ") == (
            "Today the portfolio of $1.00B is expected to lose $12.3M and, with 99.9 % probability, loses no more than"
            " $56.8M (VaR); after a shock of the Federal Funds rate to 8.00 %, $18.5M and $85.2M."
        )

    def test_rejects_are_sorted_by_number(self, result: dict[str, Any]) -> None:
        text = visible(render(result, {}))
        assert text.index("GrossIncome must not be negative 5") < text.index("LoanTerm is empty 2")

    def test_counts_that_do_not_add_up_are_called_out(self, result: dict[str, Any]) -> None:
        assert "do not add up" not in visible(render(result, {}))
        result["loans"]["read"] = 3345
        assert "These counts do not add up: they differ by 5." in visible(render(result, {}))

    def test_a_sample_is_said_to_be_one(self, result: dict[str, Any]) -> None:
        assert not notices(render(result, {}))
        result["loans"] |= {"read": 33340, "not_sampled": 30000}
        assert "The run simulated a sample of the loans" in notices(render(result, {}))[0]
        result["sampling"] |= {"one_in": 10, "relative_error": 0.01}
        notice = "One loan in 10 was simulated and amounts are scaled up to all loans; that adds ±2 %, which the"
        assert notices(render(result, {})) == [f"{notice} intervals include."]
        assert notice in format_table(result)

    def test_a_precision_that_was_missed_is_called_out(self, result: dict[str, Any]) -> None:
        result["waves"] = {
            "count": 8,
            "target_measure": "var_99.9",
            "target_error": 0.01,
            "relative_error": 0.0098,
            "reached": True,
        }
        page = render(result, {})
        assert not notices(page)
        told = "They came in 8 waves, to bring the relative standard error of VaR 99.9 % below 1.00 %; it is 0.98 % in"
        assert told in visible(page)
        result["waves"] |= {"reached": False, "relative_error": 0.013}
        assert notices(render(result, {})) == [
            "The run ended before it reached the precision of 1.00 % asked for: allow more scenarios."
        ]

    def test_a_tail_without_an_error_is_called_out(self, result: dict[str, Any]) -> None:
        result["cases"]["stressed"]["interval_95"]["var"]["99.9"] = [None, None]
        page = render(result, {})
        assert notices(page) == ["Too few scenarios reach VaR 99.9 % to tell how precise it is: use more."]
        assert "VaR 99.9 % is known to ±15 % (Base), with 95 % confidence." in visible(page)

    def test_how_scenarios_were_drawn(self, result: dict[str, Any]) -> None:
        text = visible(render(result, {}))
        assert "Half of the 2,000 scenarios were drawn as they would occur, and half where the portfolio" in text
        assert "count as 1,100 equally likely ones" in text
        assert "At or beyond VaR 99.9 % lie 150 (Base), 150 (Stressed); of as many plain ones, about 2." in text
        assert "VaR 99.9 % is known to ±15 % (Base), ±15 % (Stressed), with 95 % confidence." in text
        result["sampling"]["method"] = "plain"
        assert "The 2,000 scenarios were drawn as they would occur, all alike." in visible(render(result, {}))

    def test_a_result_of_an_older_version(self, result: dict[str, Any]) -> None:
        for key in ("sampling", "cost", "timings"):
            del result[key]
        del result["portfolio"]["concentration"]
        for older in result["cases"].values():
            for key in ("capital", "ecl", "effective_sample_size", "convergence"):
                del older[key]
            for part in older["segments"].values():
                for key in ("capital", "twelve_month_ecl", "lifetime_ecl"):
                    part.pop(key, None)
        page = render(result, {})
        headings = ["".join(heading.itertext()) for heading in parsed(page).iter("h2")]
        assert headings == [
            *("Measures", "Losses by segment", "Losses by ZIP region", "Precision", "Loans"),
            *("Run record", "How to read this"),
        ]
        assert "IRB" not in format_table(result)

    def test_figures_of_later_versions_are_shown(self, result: dict[str, Any]) -> None:
        result["cases"]["base"] |= {
            "effective_sample_size": 1234.0,
            "irb": {"capital": 321.5, "by_segment": {"auto": 17.25}},
            "ecl": {"stage_1": 55.125},
            "note": "not a number",
        }
        text = visible(render(result, {}))
        assert "count as 1,234 equally likely ones" in text
        for figure in ("Irb, Capital 321.5 –", "Irb, By segment, Auto 17.25", "Ecl, Stage 1 55.125"):
            assert figure in text

    def test_regions_stand_in_order_with_their_states(self, result: dict[str, Any]) -> None:
        text = visible(render(result, {}))
        assert text.index("9xxxx AK AP AS CA GU HI MP OR WA") < text.index("Unknown 333")

    def test_the_page_needs_nothing_from_elsewhere(
        self, result: dict[str, Any], distributions: dict[str, Distribution]
    ) -> None:
        page = render(result, distributions)
        assert not {"script", "link", "img", "iframe", "object"} & set(elements(page))
        assert "url(" not in page
        assert "@import" not in page
        assert set(re.findall(r"https?://[^\s\"]+", page)) == {"http://www.w3.org/2000/svg"}

    def test_the_same_result_gives_the_same_page(
        self, result: dict[str, Any], distributions: dict[str, Distribution]
    ) -> None:
        assert render(result, distributions) == render(copy.deepcopy(result), dict(distributions))


class TestAccessibility:
    def test_charts_have_title_and_description(
        self, result: dict[str, Any], distributions: dict[str, Distribution]
    ) -> None:
        root = parsed(render(result, distributions))
        ids = [element.get("id") for element in root.iter() if element.get("id")]
        assert len(ids) == len(set(ids))
        drawings = [svg for svg in root.iter(f"{SVG}svg") if svg.get("role") == "img"]
        assert len(drawings) == 3
        for drawing, said in zip(
            drawings, ("99.9 % VaR $56.8M", "99.9 % VaR $56.8M", "VaR 99.9 % ±3.9 %"), strict=True
        ):
            assert set(drawing.get("aria-labelledby", "").split()) <= set(ids)
            assert drawing.findtext(f"{SVG}title")
            assert said in (drawing.findtext(f"{SVG}desc") or "").replace("\u00a0", " ")

    def test_every_heading_cell_has_a_scope(
        self, result: dict[str, Any], distributions: dict[str, Distribution]
    ) -> None:
        root = parsed(render(result, distributions))
        assert {cell.get("scope") for cell in root.iter("th")} == {"row", "col"}
        for table in root.iter("table"):
            assert table.findtext("caption")
            assert len({len(row) for row in table.iter("tr")}) == 1, "rows of different length"

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_text_colours_have_contrast(self, scheme: str) -> None:
        light, dark = stylesheet.STYLE.split("@media screen", 1)
        colours = dict(re.findall(r"--([a-z0-9]+): #([0-9a-f]{6})", light if scheme == "light" else dark))
        texts = ["text", "soft", "warning", *(f"case{index}" for index in range(figures.COMPARED))]
        for name in texts:
            assert contrast(colours[name], colours["page"]) >= 4.5, name


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two RRGGBB colours (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        channels = (int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


class TestEscaping:
    def test_no_text_of_a_user_becomes_markup(
        self, result: dict[str, Any], distributions: dict[str, Distribution]
    ) -> None:
        harmless = elements(render(renamed(result, "plain"), {"plain": distributions["base"]}))
        page = render(renamed(result, HOSTILE), {HOSTILE: distributions["base"]})
        assert elements(page) == harmless
        assert not [name for element in parsed(page).iter() for name in element.attrib if name.startswith("on")]
        assert visible(page).count("alert(1)") > 10

    @given(text=st.text(st.characters(codec=None, exclude_categories=()), max_size=30))
    def test_any_text_gives_well_formed_markup(self, text: str) -> None:
        page = render(
            {"run": text, "rejected_by_reason": {text: 1}, "loans": {"read": 1}, "cases": {text: {"el": 1}}}, {}
        )
        parsed(page)

    def test_text_cannot_steer_a_terminal(self, result: dict[str, Any]) -> None:
        table = format_table(renamed(result, HOSTILE + "\r\n\x9b2J"))
        assert all(char.isprintable() for char in table.replace("\n", ""))


def renamed(result: dict[str, Any], text: str) -> dict[str, Any]:
    """The result with `text` wherever a user's text can stand, and one case only."""
    result = copy.deepcopy(result)
    figures = result["cases"]["base"] | {"segments": {text: {"el": 1.0}}, "regions": {text: {"el": 1.0}}, text: 1.0}
    return result | {
        "run": text,
        "seed": text,
        "parameters": {text: text},
        "versions": {text: text},
        "portfolio": {"source": text, "as_of": text, "segments": {text: {"loans": 1}}},
        "rejected_by_reason": {text: 1},
        "cases": {text: figures},
        "timings": {text: text},
        "cost": {text: [text]},
    }


class TestDegenerateRuns:
    @pytest.mark.parametrize("empty", [{}, {"cases": {}}, {"cases": {"base": {}}}, {"cases": None, "loans": []}])
    def test_missing_keys(self, empty: dict[str, Any]) -> None:
        parsed(render(empty, {}))
        assert format_table(empty)

    def test_every_key_may_be_missing_or_null(
        self, result: dict[str, Any], distributions: dict[str, Distribution]
    ) -> None:
        result["waves"] = {"count": 2, "target_measure": "el", "target_error": 0.1, "reached": False}
        stressed = result["cases"]["stressed"]
        targets = [result, stressed, stressed["convergence"][0], stressed["ecl"], stressed["segments"]["credit_card"]]
        targets += [result[key] for key in ("portfolio", "loans", "sampling", "waves", "cost", "timings")]
        for target in [*targets, result["portfolio"]["concentration"]]:
            for key in list(target):
                kept = target[key]
                replacements: list[Any] = [None, math.nan, 0, "text", [], [1, None], {}]
                for value in replacements:
                    target[key] = value
                    parsed(render(result, distributions))
                    format_table(result)
                del target[key]
                parsed(render(result, distributions))
                format_table(result)
                target[key] = kept

    def test_an_interval_without_numbers_is_left_out(self, result: dict[str, Any]) -> None:
        result["cases"]["base"]["interval_95"]["el"] = [None, None]
        assert "Expected loss (EL) 12,345.60 18,518.40" in visible(render(result, {}))

    @pytest.mark.parametrize("scenarios", [1, 2, 50])
    def test_zero_losses(self, result: dict[str, Any], scenarios: int) -> None:
        zero = {"el": 0.0, "ul": 0.0, "var": {"99.9": 0.0}, "worst": 0.0, "segments": {"auto": {"el": 0.0}}}
        result["cases"] = {"base": zero, "stressed": zero}
        none = Distribution(np.zeros(scenarios, np.int64), np.full(scenarios, 1 / scenarios))
        page = render(result, {"base": none, "stressed": none})
        assert "No scenario lost anything" in visible(page)
        assert "Expected loss (EL) 0.00 0.00 –" in visible(page)

    def test_losses_after_the_shock_only(self, result: dict[str, Any]) -> None:
        none = Distribution(np.zeros(4, np.int64), np.full(4, 0.25))
        some = Distribution(np.array([0, 0, 5, 10]), np.full(4, 0.25))
        drawn_numbers(render(result, {"base": none, "stressed": some}))

    def test_no_scenario_and_no_weight(self, result: dict[str, Any]) -> None:
        empty = Distribution(np.zeros(0, np.int64), np.zeros(0))
        weightless = Distribution(np.array([1, 2]), np.zeros(2))
        assert "Exceedance" not in visible(render(result, {"base": empty, "stressed": weightless}))

    @pytest.mark.parametrize("loss", [1, 123, 10**9, 9 * 10**18])
    def test_one_scenario(self, loss: int) -> None:
        amount = loss / 100
        result = {"cases": {"base": {"el": amount, "var": {"99.9": amount}}}}
        numbers = drawn_numbers(render(result, {"base": Distribution(np.array([loss]), np.ones(1))}))
        assert max(numbers) <= 960

    @pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6, 1e30, 1e290])
    def test_tiny_and_huge_amounts(self, scale: float) -> None:
        result = {"exposure": scale, "cases": {"base": case(3.63, scale), "stressed": case(8.0, 2 * scale)}}
        parsed(render(result, {}))
        assert max(len(line) for line in format_table(result).splitlines()) <= 100

    def test_a_change_beyond_measure(self) -> None:
        table = format_table({"cases": {"base": {"el": 1e-300}, "stressed": {"el": 1e300}}})
        assert max(len(line) for line in table.splitlines()) <= 100

    def test_markers_far_from_the_losses(self, distributions: dict[str, Distribution]) -> None:
        result = {"cases": {"base": {"el": -5.0, "var": {"99.9": 1e15}}}}
        drawn_numbers(render(result, {"base": distributions["base"]}))

    def test_unequal_weights_with_almost_none_in_the_tail(self) -> None:
        losses = np.arange(1, 5001, dtype=np.int64) * 100_000
        weights = np.exp(-np.arange(5000) / 100.0)
        result = {"cases": {"base": {"el": 1e5, "var": {"99": 4.6e5, "99.9": 6.9e5}}}}
        numbers = drawn_numbers(render(result, {"base": Distribution(losses, weights / weights.sum())}))
        assert min(numbers) >= -1
        assert max(numbers) <= 960

    def test_an_outlier_does_not_squeeze_the_curves(self) -> None:
        losses = np.append(np.arange(1, 10_000, dtype=np.int64) * 100, 10**12)
        weights = np.append(np.full(9_999, 1 / 9_999), 2e-5)
        figures_of_case = {"el": 5e3, "var": {"99.9": 9_990.0}}
        page = render({"cases": {"base": figures_of_case}}, {"base": Distribution(losses, weights)})
        drawings = [svg for svg in parsed(page).iter(f"{SVG}svg") if svg.get("role") == "img"]
        for drawing in drawings:
            labels = [text.text or "" for text in drawing.iter(f"{SVG}text")]
            assert any(label.startswith("$10") and label.endswith("K") for label in labels), labels
            assert not any(label.endswith(("M", "B")) for label in labels), labels

    def test_vectors_of_different_lengths_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"one length.*\(2,\).*\(3,\)"):
            Distribution(np.zeros(2, np.int64), np.zeros(3))


class TestManyCases:
    NAMES = ("base", *(f"shock_{index}" for index in range(1, 16)), "the_longest_of_names." * 3 + "0123456789")

    @pytest.fixture
    def many(self) -> dict[str, Any]:
        return {"run": "many", "cases": {name: case(3.63 + i, 1 + i % 9 / 10) for i, name in enumerate(self.NAMES)}}

    def test_all_cases_have_their_measures(self, many: dict[str, Any]) -> None:
        text = visible(render(many, {}))
        for index, name in enumerate(self.NAMES):
            words = name.capitalize().replace("_", " ")
            assert f"{words} {3.63 + index:.2f} %" in text
        assert "in the worst of the 16 other cases, Shock 8 (11.63 %), $22.2M and $102M" in text

    def test_the_first_and_the_worst_are_compared(
        self, many: dict[str, Any], distributions: dict[str, Distribution]
    ) -> None:
        page = render(many, dict.fromkeys(self.NAMES, distributions["base"]))
        assert "Charts and breakdowns compare Base, Shock 7 and Shock 8" in visible(page)
        assert "Other cases (14)" in visible(page)
        classes = [element.get("class", "") for element in parsed(page).iter(f"{SVG}path")]
        assert sum("outline" in name for name in classes) == 3
        assert {name: classes.count(f"curve {name}") for name in ("case0", "case1", "case2", "other")} == {
            **dict.fromkeys(("case0", "case1", "case2"), 1),
            "other": 14,
        }
        assert max(len(row) for row in parsed(page).iter("tr")) <= 12

    def test_the_first_case_is_the_reference(self, result: dict[str, Any]) -> None:
        result["cases"] = {"stressed": result["cases"]["stressed"], "base": result["cases"]["base"]}
        assert "−6,172.80" in visible(render(result, {}))
        assert "−33.3 %" in format_table(result)


class TestFormatTable:
    def test_the_whole_table(self, result: dict[str, Any]) -> None:
        assert format_table(result) == (
            "Run quarter-end: 2,000 scenarios, seed 4711\n"
            "\n"
            "                                   base  stressed    change\n"
            "-----------------------------------------------------------\n"
            "Federal Funds rate               3.63 %    8.00 %  +4.37 pp\n"
            "Mean probability of default      1.23 %    1.85 %  +0.62 pp\n"
            "Expected loss (EL)                12.35     18.52   +50.0 %\n"
            "EL, analytic                      12.40     18.60   +50.0 %\n"
            "Unexpected loss (UL)               6.54      9.81   +50.0 %\n"
            "Value at risk (VaR), 95 %         23.46     35.19   +50.0 %\n"
            "Value at risk (VaR), 99 %         34.57     51.85   +50.0 %\n"
            "Value at risk (VaR), 99.9 %       56.79     85.18   +50.0 %\n"
            "  95 % interval                   ±15 %     ±15 %\n"
            "Expected shortfall (ES), 97.5 %   33.33     50.00   +50.0 %\n"
            "Expected shortfall (ES), 99 %     44.44     66.66   +50.0 %\n"
            "Expected shortfall (ES), 99.9 %   66.66    100.00   +50.0 %\n"
            "Economic capital, 99.9 %          44.44     66.67   +50.0 %\n"
            "Worst scenario                    66.67    100.00   +50.0 %\n"
            "Basel IRB capital                 88.12    132.19   +50.0 %\n"
            "ECL, 12 months (stage 1)          11.23     16.85   +50.0 %\n"
            "ECL, lifetime (stage 2, CECL)     47.12     70.69   +50.0 %\n"
            "\n"
            "Amounts in $ million; exposure $1.00B.\n"
            "Loans: 3,340 read = 3,333 simulated + 7 rejected + 0 not sampled"
        )

    @pytest.mark.parametrize("others", [2, 3, 16])
    @pytest.mark.parametrize("name", ["change", "fed", "a_rather_long_name_of_a_case"])
    def test_at_most_100_columns(self, others: int, name: str) -> None:
        names = ["base", *(f"{name}_{index}" for index in range(others))]
        table = format_table({"run": "r" * 300, "cases": {name: case(3.63, 1e3) for name in names}})
        lines = table.splitlines()
        assert max(len(line) for line in lines) <= 100
        assert all(name[:15] in table for name in names)

    def test_many_cases_have_a_line_each(self) -> None:
        names = ["base", "adverse", "severe", *(f"fed_{rate}" for rate in range(4, 17))]
        lines = format_table({"cases": {name: case(3.63, 1.0) for name in names}}).splitlines()
        blocks = sum(line.startswith("base") for line in lines)
        assert blocks <= 3
        assert len(lines) <= 4 + blocks * (len(names) + 3)
        assert sum("56,789.00 ±15 %" in line for line in lines) == len(names)


class TestFigures:
    @pytest.mark.parametrize(
        ("amount", "text"),
        [
            (0, "$0.00"),
            (0.05, "$0.05"),
            (999.5, "$999.50"),
            (999.999, "$1.00K"),
            (12_345_678, "$12.3M"),
            (999_600_000, "$1.00B"),
            (1.5e15, "$1,500T"),
            (-2_500, "−$2.50K"),
        ],
    )
    def test_money(self, amount: float, text: str) -> None:
        assert figures.money(amount) == text

    @pytest.mark.parametrize(
        ("low", "high", "labels"),
        [
            (0, 2.6e6, ["$0", "$0.5M", "$1.0M", "$1.5M", "$2.0M", "$2.5M"]),
            (0, 1.3e9, ["$0", "$0.2B", "$0.4B", "$0.6B", "$0.8B", "$1.0B", "$1.2B"]),
            (0, 0.01, ["$0", "$0.002", "$0.004", "$0.006", "$0.008", "$0.010"]),
        ],
    )
    def test_ticks_are_round(self, low: float, high: float, labels: list[str]) -> None:
        assert charts.tick_labels(charts.ticks(low, high)) == labels

    @given(st.lists(st.floats(0, 900), min_size=1, max_size=4))
    def test_labels_neither_overlap_nor_leave_the_chart(self, centres: list[float]) -> None:
        widths = [110.0] * len(centres)
        placed = charts.place(sorted(centres), widths, 0.0, 900.0)
        assert placed[0] >= 55 - 1e-9
        assert placed[-1] <= 845 + 1e-9
        assert all(right - left >= 110 for left, right in pairwise(placed))

    def test_exceedance_is_the_weight_beyond_each_loss(self) -> None:
        distribution = Distribution(np.array([300, 100, 200]), np.array([0.1, 0.6, 0.3]))
        curve = charts.Curve.of(figures.Case("base", 0, {}), distribution)
        np.testing.assert_array_equal(curve.amounts, [1.0, 2.0, 3.0])
        np.testing.assert_allclose(curve.exceedance(), [0.4, 0.1, 0.0])
        assert [curve.exceeded_by(share) for share in (0.5, 0.4, 0.2, 0.1, 0.01)] == [1.0, 1.0, 2.0, 2.0, 3.0]

    def test_thinning_keeps_the_tail_whole(self) -> None:
        tail = 1 - np.arange(1, 10_001) / 10_000
        kept = charts.thinned(tail, 5e-5)
        assert len(kept) <= charts.CURVE_POINTS + 1
        assert set(range(9_980, 10_000)) <= set(kept.tolist())
