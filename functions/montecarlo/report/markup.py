"""HTML made of escaped elements. Standard library only.

Names of runs, cases, segments and reject reasons come from users: all markup is made by `tag`, which escapes every
child and attribute that is not markup of its own making.
"""

import html
import re
from collections.abc import Iterable, Sequence


class Html(str):
    """Markup that is written as it is. Any other string is text."""


UNFIT = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u200d\u2010-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""What XML cannot hold, control characters, and marks that turn the direction of the text around them."""

VOID_ELEMENTS = ("meta",)


def escape(text: str) -> str:
    """Text without anything that could be markup or change how the text around it reads."""
    return html.escape(UNFIT.sub("\ufffd", text))


def tag(name: str, /, *children: str, **attributes: str | float | None) -> Html:
    """One element, its text escaped. `class_` stands for class, `text_anchor` for text-anchor; None leaves one out."""
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
            words.append(f'{key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    if name in VOID_ELEMENTS:
        return Html(f"<{' '.join(words)}/>")
    return Html(f"<{' '.join(words)}>{joined(children)}</{name}>")


def joined(children: Iterable[str]) -> Html:
    """Markup as it is, text escaped, with a number and its per cent sign on one line."""
    return Html(
        "".join(child if isinstance(child, Html) else escape(child.replace(" %", "\u00a0%")) for child in children)
    )


def cell(value: str, below: str | None = None) -> Html:
    """A table's cell, with a remark below in small print."""
    return tag("td", value, tag("small", below)) if below else tag("td", value)


NARROW = 4
"""Columns of a table that a telephone shows: the first, and three beside it."""


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], foot: Sequence[str] | None = None) -> Html:
    """A table whose first column names the row. Cells may be text or ready <td> and <th> elements."""

    def ready(value: str) -> bool:
        return isinstance(value, Html) and value.startswith(("<td", "<th"))

    def row(cells: Sequence[str]) -> Html:
        rest = (value if ready(value) else tag("td", value) for value in cells[1:])
        return tag("tr", tag("th", cells[0], scope="row"), *rest)

    made = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *(title if ready(title) else tag("th", title, scope="col") for title in head))),
        tag("tbody", *(row(cells) for cells in rows)),
        tag("tfoot", row(foot)) if foot else Html(),
    )
    return scrolling(made, f"Table: {caption}", more=len(head) > NARROW)


class Section(Html):
    """A part of the page under a heading."""

    heading: str
    anchor: str


def section(title: str, *children: str) -> Section:
    """A part of the page under a heading, which links can name by the words of its title."""
    anchor = re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")
    made = Section(tag("section", tag("h2", title), *children, id=anchor))
    made.heading, made.anchor = title, anchor
    return made


def contents(parts: Iterable[str], title: str = "Contents") -> Html:
    """Links to the sections among some parts of the page."""
    links = (tag("li", tag("a", part.heading, href=f"#{part.anchor}")) for part in parts if isinstance(part, Section))
    return tag("nav", tag("h2", title), tag("ol", *links), aria_label="Contents")


def scrolling(child: Html, label: str, more: bool = False) -> Html:
    """What may be wider than a narrow screen: it scrolls by itself, also with the keyboard.

    more: whether it is wider than any telephone, which then says so.
    """
    return tag("div", child, class_="wide more" if more else "wide", role="group", aria_label=label, tabindex="0")


def details(title: str, *children: str, on_paper: bool = True) -> Html:
    """What is folded away until it is asked for. on_paper: whether it is printed, unfolded."""
    return tag("details", tag("summary", title), *children, class_=None if on_paper else "on-screen")
