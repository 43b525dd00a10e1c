"""Templates are read with their short forms spelled out, and come back from YAML as they were written."""

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from publishing import templates

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\x85\u2028\u2029"))
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,8}", fullmatch=True)
FUNCTIONS = st.one_of(
    st.builds(lambda name: {"Ref": name}, NAMES),
    st.builds(lambda name, attribute: {"Fn::GetAtt": [name, attribute]}, NAMES, NAMES),
    st.builds(lambda text: {"Fn::Sub": text}, TEXTS),
    st.builds(lambda parts: {"Fn::Join": ["", parts]}, st.lists(TEXTS, max_size=3)),
)
TREES = st.recursive(
    st.one_of(TEXTS, st.integers(), st.booleans(), FUNCTIONS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, min_size=2, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, TREES, min_size=2, max_size=4))
def test_what_is_written_reads_back_the_same(template: dict[str, Any]) -> None:
    assert templates.read(templates.write(template)) == template


def test_short_forms_are_spelled_out() -> None:
    text = (
        "A: !Ref X\nB: !GetAtt X.Arn.y\nC: !If [Is, !Sub 'a${B}', !Ref AWS::NoValue]\nD: {Condition: !Condition Is}\n"
    )
    assert templates.read(text) == {
        "A": {"Ref": "X"},
        "B": {"Fn::GetAtt": ["X", "Arn.y"]},
        "C": {"Fn::If": ["Is", {"Fn::Sub": "a${B}"}, {"Ref": "AWS::NoValue"}]},
        "D": {"Condition": {"Condition": "Is"}},
    }


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.just("\n")), st.integers(1, 6))
def test_a_literal_block_reads_back_the_same_or_is_refused(text: str, depth: int) -> None:
    try:
        block = templates.literal(text, 2 * depth)
    except (templates.TemplateError, yaml.YAMLError):
        return
    assert yaml.safe_load(f"{(2 * depth - 2) * ' '}text: {block}")["text"] == text
