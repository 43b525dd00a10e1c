"""A page as its readers meet it: as XML, as text, as drawings."""

import re
import xml.etree.ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"


def parsed(page: str) -> ET.Element:
    """The page as XML: fails on any tag that does not nest or character that is not escaped."""
    assert page.startswith("<!DOCTYPE html>")
    page.encode()
    return ET.fromstring(page)


def visible(page: str) -> str:
    root = parsed(page)
    body = root.find("body")
    assert body is not None
    for script in body.findall("script"):
        body.remove(script)
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
