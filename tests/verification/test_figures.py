"""Every figure of docs/verification.md lies within its bound."""

import pytest

from cli.deployment import PROJECT

pytest.importorskip("scipy", reason="the exact values need scipy, of the test extra")

from tests.verification.checks import CHECKS

DOCUMENT = (PROJECT / "docs" / "verification.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("check", CHECKS)
def test_every_figure_holds(check: str) -> None:
    try:
        figures = CHECKS[check]()
    except ModuleNotFoundError as missing:
        pytest.skip(f"{missing.name} is not installed")
    assert figures
    assert [figure for figure in figures if not figure.holds] == []
    section = DOCUMENT.split(f"<!-- {check} -->")[1].split("<!-- end -->")[0]
    assert [figure.name for figure in figures if f"| {figure.name} |" not in section] == [], (
        "docs/verification.md is behind: run python benchmarks/verify.py --document docs/verification.md"
    )


def test_a_figure_outside_its_bound_does_not_hold() -> None:
    from tests.verification.figures import at_most, near, p_value, simulated, within

    assert near("x", 1.0, 1.1, 0.1000001).holds
    assert not near("x", 1.0, 1.1, 0.09).holds
    assert not simulated("x", 1.0, 1.5, 0.1).holds
    assert simulated("x", 1.0, 1.5, 0.1, bias=0.1).holds
    assert not p_value("x", 1e-5).holds
    assert not at_most("x", 2, 1).holds
    assert not within("x", float("nan"), 0, 1).holds
