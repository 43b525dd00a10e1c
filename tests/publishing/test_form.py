"""The page that the console draws from the template, and the document that shows it."""

import re
from html import escape

from publishing import console, templates
from tests.publishing.form import render

TEMPLATE = templates.read((console.PROJECT / console.STACKS["lambda"]).read_text(encoding="utf-8"))
DOCUMENT = (console.PROJECT / "docs" / "deploy-console.md").read_text(encoding="utf-8")


def test_the_document_shows_every_group_field_and_default_in_order() -> None:
    interface = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]
    expected = []
    for group in interface["ParameterGroups"]:
        expected.append((f"**{group['Label']['default']}**", ""))
        for name in group["Parameters"]:
            default = TEMPLATE["Parameters"][name]["Default"]
            expected.append((interface["ParameterLabels"][name]["default"], str(default) or "empty"))
    _, _, section = DOCUMENT.partition("## The form\n")
    table, _, _ = section.partition("\n## ")
    rows = re.findall(r"^\| (.+?) \|(.*?)\|.*\|$", table, flags=re.MULTILINE)
    shown = [(field, default.strip()) for field, default in rows if field != "field"]
    assert shown == expected, 'docs/deploy-console.md, "The form": show the form as template.yaml has it'


def test_a_number_or_a_pattern_says_what_it_must_be() -> None:
    for name, parameter in TEMPLATE["Parameters"].items():
        if {"MinValue", "MaxValue", "AllowedPattern"} & parameter.keys():
            assert parameter["ConstraintDescription"].startswith("must be "), name
        else:
            assert parameter["AllowedValues"], name


def test_defaults_pass_their_own_constraints() -> None:
    for name, parameter in TEMPLATE["Parameters"].items():
        default = parameter["Default"]
        if "AllowedPattern" in parameter:
            assert re.fullmatch(parameter["AllowedPattern"], str(default)), name
        if "AllowedValues" in parameter:
            assert default in parameter["AllowedValues"], name
        assert parameter.get("MinValue", default) <= default <= parameter.get("MaxValue", default), name


def test_the_page_escapes_and_shows_everything() -> None:
    page = render(TEMPLATE)
    for parameter in TEMPLATE["Parameters"].values():
        assert escape(str(parameter["Default"])) in page
    assert page.count("<h3>") == len(TEMPLATE["Parameters"])


def test_the_document_names_files_and_commands_that_exist() -> None:
    for path in ("cloudformation/lambda/main.yml", "template.yaml"):
        assert path in DOCUMENT
        assert (console.PROJECT / path).is_file()
    assert re.search(r"^console:", (console.PROJECT / "Makefile").read_text(), flags=re.MULTILINE)
    code = (console.PROJECT / "publishing" / "publisher.py").read_text()
    assert 100 < len(code.splitlines()) < 140  # "a function of some 120 lines"
