"""The worked example of "Losses that add up" is what its command prints."""

from tests.docs.sums import example
from tests.docs.tables import ROOT


def test_the_document_shows_what_the_command_prints() -> None:
    text = (ROOT / "docs" / "additive.md").read_text(encoding="utf-8")
    printed = "\n".join(example())
    assert f"<!-- output of python -m tests.docs.sums -->\n```\n{printed}\n```" in text
    assert printed.count("the same bytes") == 1
