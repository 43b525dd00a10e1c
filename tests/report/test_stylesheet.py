"""Colours that everyone can read."""

import re

import pytest

from montecarlo.report.figures import COMPARED
from montecarlo.report.stylesheet import STYLE


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_colours_have_contrast(scheme: str) -> None:
    light, dark = STYLE.split("@media screen", 1)
    colours = dict(re.findall(r"--([a-z0-9]+): #([0-9a-f]{6})", light if scheme == "light" else dark))
    texts = ["text", "soft", "warning", *(f"case{index}" for index in range(COMPARED))]
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
