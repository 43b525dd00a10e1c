"""The worked examples of "Losses that add up" are what their commands print."""

from collections.abc import Callable, Iterator

import pytest

from tests.docs.sums import example, pin, reuse
from tests.docs.tables import ROOT


@pytest.mark.parametrize(
    ("typed", "made", "same"),
    [("", example, "the same bytes"), (" pin", pin, " 0 of 9,900"), (" reuse", reuse, "taken over: 9 of 10\n")],
)
def test_the_document_shows_what_the_command_prints(typed: str, made: Callable[[], Iterator[str]], same: str) -> None:
    text = (ROOT / "docs" / "additive.md").read_text(encoding="utf-8")
    printed = "\n".join(made())
    assert f"<!-- output of python -m tests.docs.sums{typed} -->\n```\n{printed}\n```" in text
    assert printed.count(same) == 1
