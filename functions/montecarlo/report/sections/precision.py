"""How scenarios were drawn, how many count, and how the estimates settled."""

from collections.abc import Callable, Sequence

from montecarlo.report.charts.bars import legend
from montecarlo.report.charts.convergence import convergence_chart
from montecarlo.report.figures import case_title, compared, tail_measure
from montecarlo.report.markup import Html, scrolling, section, tag
from montecarlo.report.view import LEVEL, CaseView, ResultView
from montecarlo.report.words import count, percent, plus_minus


def precision_section(result: ResultView) -> Html:
    """What is known of the simulation's precision in words, and the convergence chart."""
    cases = compared(result.cases)
    sentences = [
        *drawing(result),
        *source_sentences(result),
        *wave_sentences(result),
        *effective_scenarios(result, cases),
    ]
    chart = convergence_chart(cases)
    if not sentences and chart is None:
        return Html()
    parts = [tag("p", " ".join(sentences))] if sentences else []
    if chart is not None:
        caption = (
            "What all scenarios, a half of them, a quarter and so on estimate, each with its 95 % interval: the more"
            " scenarios, the narrower."
        )
        figure = (legend(cases, "bar"), scrolling(chart, "Chart: convergence", more=True), tag("figcaption", caption))
        parts += [tag("h3", "Convergence"), tag("figure", *figure)]
    return section("Precision", *parts)


def drawing(result: ResultView) -> list[str]:
    """How scenarios were drawn."""
    method, scenarios = result.sampling.method, count(result.scenarios)
    if method == "mixture":
        return [
            f"Half of the {scenarios} scenarios were drawn as they would occur, and half where the portfolio loses"
            " much; weights put all of them back to their true probability."
        ]
    return [f"The {scenarios} scenarios were drawn as they would occur, all alike."] if method else []


def source_sentences(result: ResultView) -> list[str]:
    """Whose scenarios these are, if not the run's own, and what that costs in precision."""
    source = result.source
    if source.run is None:
        return []
    sentences = [f"They are those of the run {source.run}, so that the losses of both runs add up and compare."]
    if source.pinned is not None and source.own:
        sentences.append(
            f"By a look at some of the loans, {count(source.pinned)} equally likely scenarios would tell as much of the"
            f" worst 0.1 %; of scenarios of the portfolio's own, {count(source.own)}."
        )
    return sentences


def wave_sentences(result: ResultView) -> list[str]:
    """How many waves of scenarios a precision took, if one was asked for."""
    waves = result.waves
    if waves.count is None or waves.target_error is None:
        return []
    name, _, level = waves.target_measure.partition("_")
    name = {"el": "EL", "ul": "UL", "var": "VaR", "es": "ES"}.get(name, name)
    measure = f"{name} {level} %" if level else name
    times = "one wave" if waves.count == 1 else f"{count(waves.count)} waves"
    ended = "" if waves.relative_error is None else f"; it is {percent(waves.relative_error)} in the end"
    below = percent(waves.target_error)
    return [f"They came in {times}, to bring the relative standard error of {measure} below {below}{ended}."]


def effective_scenarios(result: ResultView, cases: Sequence[CaseView]) -> list[str]:
    """Kish's effective number of scenarios, beside what plain Monte Carlo has, and how sharp VaR is."""
    sentences = []
    whole = next((case.effective_sizes["all"] for case in cases if "all" in case.effective_sizes), None)
    if whole is not None:
        sentences.append(f"By their weights they count as {count(whole)} equally likely ones.")
    tail = tail_measure(cases)
    levels = {level for case in cases for level in case.effective_sizes if LEVEL.fullmatch(level)}
    for level in sorted(levels, key=float):
        beyond = per_case(cases, [case.effective_sizes.get(level) for case in cases], count)
        usual = None if result.scenarios is None else result.scenarios * (1 - float(level) / 100)
        plain = "" if usual is None else f"; of as many plain ones, about {count(usual)}"
        sentences.append(f"At or beyond VaR {level} % lie {beyond}{plain}.")
    sharp = per_case(cases, [tail.half_width(case) or None for case in cases], plus_minus)
    if sharp:
        sentences.append(f"{tail.short} is known to {sharp}, with 95 % confidence.")
    return sentences


def per_case(cases: Sequence[CaseView], values: Sequence[float | None], text: Callable[[float], str]) -> str:
    """586 (Base), 592 (Stressed)"""
    known = zip(cases, values, strict=True)
    return ", ".join(f"{text(value)} ({case_title(case)})" for case, value in known if value is not None)
