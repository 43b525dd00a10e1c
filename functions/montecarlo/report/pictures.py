"""The charts of a report as files of their own, which any program draws. Imports the page's look and the standard
library.
"""

import re
import xml.etree.ElementTree as ET
from functools import cache
from xml.etree.ElementTree import Element

from montecarlo.errors import InvalidResult
from montecarlo.report.stylesheet import CHARTS, LIGHT

SVG = "http://www.w3.org/2000/svg"
FONT = 'text { font-family: "Segoe UI", "Helvetica Neue", Helvetica, "Liberation Sans", Arial, sans-serif; }'


def pictures(page: str) -> dict[str, str]:
    """Each chart of a report as an SVG file, light on white, by its name: cases, distribution, exceedance ...

    page: as `render` made it. Raises InvalidResult where it is no such page.
    """
    if "<!ENTITY" in page:
        raise InvalidResult("report.html is no page of this project.")
    try:
        root = ET.fromstring(page)
    except ET.ParseError:
        raise InvalidResult("report.html is damaged, or no page of this project: take it from the run again.") from None
    ET.register_namespace("", SVG)
    found = {}
    for chart in root.iter(f"{{{SVG}}}svg"):
        title = chart.find(f"{{{SVG}}}title")
        if chart.get("role") == "img" and title is not None:
            name = title.get("id", "").removesuffix("-title")
            if re.fullmatch("[a-z]+", name):
                found[name] = _alone(chart)
    return found


def _alone(chart: Element) -> str:
    width, height = chart.get("viewBox", "0 0 960 400").split()[2:]
    chart.set("width", width)
    chart.set("height", height)
    style = Element(f"{{{SVG}}}style")
    style.text = f"{FONT}\n{_resolved()}"
    paper = Element(f"{{{SVG}}}rect", {"width": width, "height": height, "fill": "#ffffff"})
    chart.insert(2, style)
    chart.insert(3, paper)
    return ET.tostring(chart, encoding="unicode") + "\n"


@cache
def _resolved() -> str:
    """The look of charts with every variable written out: browsers alone know variables."""
    values = dict(re.findall(r"(--\w+): (#\w+)", LIGHT))
    cases = {"case0": "--case0", "case1": "--case1", "case2": "--case2", "other": "--others"}
    rules = []
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", CHARTS):
        if "--case:" in body:
            continue
        for case, name in cases.items() if "var(--case)" in body else [("", "")]:
            chosen = ", ".join(f"{part.strip()}.{case}" if case else part.strip() for part in selector.split(","))
            written = body.replace("var(--case)", values.get(name, ""))
            rules.append(f"{chosen} {{{re.sub(r'var[(](--[a-z0-9]+)[)]', lambda found: values[found[1]], written)}}}")
    return "\n".join(rules)
