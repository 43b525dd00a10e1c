"""CloudFormation templates as text: read with the short forms spelled out, and written with them again.

The one reader of templates for what publishes them and for the tests. Imports PyYAML and the standard library.
"""

import textwrap
from collections.abc import Mapping
from typing import Any

import yaml


class TemplateError(Exception):
    """A template cannot be written so that it reads back the same."""


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms spelled out: `!Ref X` is {"Ref": "X"}, `!Sub x` is {"Fn::Sub": "x"}."""


class _Dumper(yaml.SafeDumper):
    """YAML with CloudFormation's short forms."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def _spell_out(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if name == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


def _shorten(dumper: _Dumper, value: dict[str, Any]) -> yaml.Node:
    if len(value) == 1:
        ((name, argument),) = value.items()
        # A function of a function is written in its long form: no two short forms may follow each other.
        if (name == "Ref" or name.startswith("Fn::")) and not isinstance(argument, dict):
            tag = f"!{name.removeprefix('Fn::')}"
            if name == "Fn::GetAtt":
                argument = ".".join(argument)
            if isinstance(argument, str):
                style = "|" if "\n" in argument else None
                return dumper.represent_scalar(tag, argument, style=style)
            return dumper.represent_sequence(tag, argument)
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items())


_Loader.add_multi_constructor("!", _spell_out)
_Dumper.add_representer(dict, _shorten)


def read(text: str) -> dict[str, Any]:
    """A template as CloudFormation reads it."""
    loaded: dict[str, Any] = yaml.load(text, Loader=_Loader)
    return loaded


def write(template: Mapping[str, Any]) -> str:
    """A template as YAML that reads back the same."""
    text: str = yaml.dump(dict(template), Dumper=_Dumper, sort_keys=False, width=116, default_flow_style=False)
    if read(text) != template:
        raise TemplateError("A nested template does not read back from YAML as it was written.")
    return text


def literal(text: str, indent: int, step: int = 2) -> str:
    """A text as a YAML literal block that reads back the same, its lines `step` columns to the right of its key."""
    begins = str(step) if text[:1].isspace() else ""
    ends = "" if text.endswith("\n") else "\n"
    chomping = "-" if ends else "+" if text.endswith("\n\n") or not text.strip() else ""
    block = f"|{begins}{chomping}\n{textwrap.indent(text, indent * ' ')}{ends}"
    key = (indent - step) * " "
    if yaml.safe_load(f"{key}text: {block}{key}next: 1\n")["text"] != text:
        raise TemplateError(f"A file cannot stand in a YAML literal block: it begins with {text[:60]!r}.")
    return block
