"""Draws the page "Specify stack details" of the console from a template, to judge how it reads without an account.

.venv/bin/python -m tests.publishing.form cloudformation/lambda/main.yml > form.html
"""

import sys
from html import escape
from pathlib import Path
from typing import Any

from publishing.templates import read

STYLE = """
body { font: 14px/20px "Open Sans", "Helvetica Neue", Arial, sans-serif; color: #0f141a; background: #fff;
       margin: 2em auto; max-width: 820px }
section { border: 1px solid #c6c6cd; border-radius: 16px; padding: 0 20px 16px; margin: 20px 0 }
h2 { font-size: 18px; margin: 14px 0 } h3 { font-size: 14px; margin: 18px 0 0 }
p { margin: 0; color: #656871; font-size: 12px; line-height: 16px }
input, select { width: 100%; box-sizing: border-box; font: inherit; padding: 5px 12px; margin-top: 4px;
                border: 1px solid #8c8c94; border-radius: 8px; background: #fff }
"""


def render(template: dict[str, Any], stack_name: str = "montecarlo") -> str:
    """The page as HTML: groups and labels of AWS::CloudFormation::Interface, descriptions, defaults."""
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    labels = {name: label["default"] for name, label in interface["ParameterLabels"].items()}
    sections = [f"<section><h2>Provide a stack name</h2><input value='{escape(stack_name)}'></section>"]
    for group in interface["ParameterGroups"]:
        fields = "".join(_field(labels[name], template["Parameters"][name]) for name in group["Parameters"])
        sections.append(f"<section><h2>{escape(group['Label']['default'])}</h2>{fields}</section>")
    return f"<!doctype html><meta charset='utf-8'><style>{STYLE}</style><body>{''.join(sections)}"


def _field(label: str, parameter: dict[str, Any]) -> str:
    default = escape(str(parameter["Default"]))
    if "AllowedValues" in parameter:
        options = "".join(
            f"<option{' selected' if str(value) == default else ''}>{escape(str(value))}"
            for value in parameter["AllowedValues"]
        )
        entry = f"<select>{options}</select>"
    else:
        entry = f"<input value='{default}'>"
    return f"<h3>{escape(label)}</h3><p>{escape(parameter['Description'])}</p>{entry}"


if __name__ == "__main__":
    print(render(read(Path(sys.argv[1]).read_text(encoding="utf-8"))))
