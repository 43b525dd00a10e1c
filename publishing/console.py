"""Makes cloudformation/<stack>/main.yml: one file to upload in the CloudFormation console, and nothing else to do.

`python -m publishing.console` (`make console`) writes it, from the same sources that SAM deploys: template.yaml, the
nested templates, the state machines and the functions. It is committed, and a test fails when it is stale.

main.yml is template.yaml, word for word, but that its nested stacks are read from a bucket which the stack makes for
itself, where publishing/publisher.py puts what the file carries: the nested templates and the state machines as text,
and the sources of the functions, which are too long for that, compressed. The nested templates are expanded here, with
AWS's own SAM translator, so that deploying needs no macro: CloudFormation takes a template with macros and nested
stacks by CreateStack and UpdateStack only, not by change sets, and not in service-managed stack sets. One can also read
every role before it exists.

Imports the SAM translator, publishing.templates and the standard library.
"""

import argparse
import base64
import hashlib
import json
import logging
import os
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform  # type: ignore[import-untyped]

from publishing import STACKS as STACKS
from publishing import publisher
from publishing.templates import TemplateError, literal, read, write

PROJECT = Path(__file__).resolve().parent.parent

TEMPLATE_BYTES = 1_000_000
"""CloudFormation's limit for a template that is read from S3, where the console puts the one that is uploaded."""
INLINE_CODE_BYTES = 4_000_000
"""Its limit for the code of a function that stands in a template."""
EVENT_BYTES = 110_000
"""What a custom resource may carry here. Lambda takes events of 256 KiB, and an update holds old and new properties."""
PIECE_BYTES = 78_000
"""Of the packed sources in one such event, where Base64 and its line ends make 4 bytes and a little of 3."""


logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it warns at exit of metrics that nobody collects


class ConsoleError(Exception):
    """The sources cannot be put into one template."""


NESTED_TEMPLATE = (
    "    Metadata: {cfn-lint: {config: {ignore_checks: [E1029]}}} # its ${} are the nested template's own\n"
)


@dataclass(frozen=True)
class Artifact:
    """An object that the stack needs in its bucket."""

    logical_id: str
    key: str
    content: bytes
    made_of: str
    """How the publisher makes it: the YAML of the custom resource's property Text, Base64 or Parts."""
    needs: tuple[str, ...] = ()
    """Logical ids of the objects that must be there before."""

    @property
    def sha256(self) -> str:
        """The content's hash, in hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def is_piece(self) -> bool:
        """Whether it is there only for another object to be made from."""
        return self.made_of.startswith("Base64:")

    def resource(self) -> str:
        """The custom resource as YAML."""
        depends = f"    DependsOn: [{', '.join(self.needs)}]\n" if self.needs else ""
        properties = (
            "ServiceToken: !GetAtt Publisher.Arn\n"
            "ServiceTimeout: 300\n"
            "Bucket: !Ref Artifacts\n"
            f"Key: {self.key}\n"
            f"Sha256: {self.sha256}\n"
            f"{self.made_of}"
        )
        lint = NESTED_TEMPLATE if self.key.endswith(".yaml") else ""
        head = f"  {self.logical_id}:\n    Type: Custom::Artifact\n{lint}{depends}    Properties:\n"
        return head + textwrap.indent(properties, 6 * " ")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every main.yml, or say with --check which are stale. Exit status: 0 done, 1 stale, 2 cannot be made."""
    parser = argparse.ArgumentParser(
        prog="python -m publishing.console", description="Write cloudformation/*/main.yml."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    check = parser.parse_args(arguments).check
    stale = False
    for stack in STACKS:
        path = PROJECT / "cloudformation" / stack / "main.yml"
        try:
            text = self_contained(stack)
        except (ConsoleError, TemplateError) as error:
            print(f"console: {error}", file=sys.stderr)
            return 2
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale = True
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
        for line in sizes(text):
            print(f"cloudformation/{stack}/main.yml: {line}")
    if check and stale:
        print("console: a main.yml is older than what it is made of: run `make console`.", file=sys.stderr)
    return int(check and stale)


def sizes(text: str) -> Iterator[str]:
    """What stands in a generated template, with the limit that each part is held to."""
    yield f"template {len(text.encode()):,} of {TEMPLATE_BYTES:,} bytes"
    resources = read(text)["Resources"]
    for name, body in resources.items():
        if body["Type"] == "Custom::Artifact":
            yield f"event of {name} {len(json.dumps(body['Properties'])):,} of {EVENT_BYTES:,} bytes"
    code = resources["Publisher"]["Properties"]["Code"]["ZipFile"]
    yield f"publisher {len(code):,} of {INLINE_CODE_BYTES:,} bytes"


# ----------------------------------------------------------------------------------------------------------------------
# the root template


def self_contained(stack: str, project: Path = PROJECT) -> str:
    """The text of cloudformation/<stack>/main.yml, made from the sources in a copy of the project."""
    parts = artifacts(stack, project)
    resources, outputs = publisher_sections(project)
    carried = "\n".join(part.resource() for part in parts)
    text = root(stack, parts, "Artifacts", project=project)
    text = text.replace("\nOutputs:\n", f"\n{resources}\n{carried}\nOutputs:\n{outputs}", 1)
    text = (
        "# To deploy: CloudFormation console, Create stack, upload this file. docs/deploy-console.md shows the steps.\n"
        f"# Made by `make console` from {STACKS[stack]}, cloudformation/, statemachine/ and functions/: change those.\n"
        f"{text}"
    )
    if "{{resolve:" in text:
        raise ConsoleError("A source holds {{resolve: which CloudFormation would replace; write it in two parts.")
    if not text.isascii():
        raise ConsoleError(
            f"{STACKS[stack]} holds characters beyond ASCII, which CloudFormation shows as question marks."
        )
    if len(text) > TEMPLATE_BYTES:
        raise ConsoleError(f"main.yml would have {len(text):,} bytes, of {TEMPLATE_BYTES:,} that CloudFormation takes.")
    return text


def root(stack: str, parts: Sequence[Artifact], bucket: str, prefix: str = "", project: Path = PROJECT) -> str:
    """The root template with its nested stacks read from a bucket.

    Args:
        bucket: the logical id of a bucket in the template, or the name of one that there is.
        prefix: what stands before the keys there, such as `montecarlo/`.
    """
    keys = {part.logical_id: prefix + part.key for part in parts}
    own = bucket == "Artifacts"

    def nested_stack(match: re.Match[str]) -> str:
        name = match["name"]
        needs = [key for key in (f"{name}Template", f"{name}StateMachine") if key in keys]
        given = ""
        if f"{name}StateMachine" in keys:
            needs.append("Code")
            given = (
                f"        ArtifactBucketName: {'!Ref Artifacts' if own else bucket}\n"
                f"        CodeKey: {keys['Code']}\n"
                f"        StateMachineKey: {keys[f'{name}StateMachine']}\n"
            )
        depends = f"    DependsOn: [{', '.join(needs)}]\n" if own else ""
        place = f"{'${Artifacts}' if own else bucket}/{keys[f'{name}Template']}"
        return (
            f"  {name}:\n"
            "    Type: AWS::CloudFormation::Stack\n"
            f"{depends}"
            "    Properties:\n"
            f"      TemplateURL: !Sub https://s3.${{AWS::Region}}.${{AWS::URLSuffix}}/{place}\n"
            "      Parameters:\n"
            f"{given}"
        )

    text = (project / STACKS[stack]).read_text(encoding="utf-8").replace("Transform: AWS::Serverless-2016-10-31\n", "")
    text = TAGS.sub(tag_list, NESTED_STACK.sub(nested_stack, text))
    if "AWS::Serverless" in text:
        raise ConsoleError(
            f"{STACKS[stack]} has more of SAM than nested stacks written as publishing.console expects them."
        )
    return text


NESTED_STACK = re.compile(
    r"  (?P<name>\w+):\n"
    r"    Type: AWS::Serverless::Application\n"
    r"    Properties:\n"
    r"      Location: (?P<location>\S+)\n"
    r"      Parameters:\n"
)


TAGS = re.compile(r"^      Tags:(?: \{(?P<flow>.*)\}\n|\n(?P<block>(?:        \S.*\n)+))", re.MULTILINE)


def tag_list(match: re.Match[str]) -> str:
    """The tags of a nested stack as CloudFormation takes them, where SAM takes an object."""
    entries = match["flow"].split(", ") if match["flow"] else match["block"].strip().splitlines()
    tags = (entry.strip().split(": ", 1) for entry in entries)
    return "      Tags: [" + ", ".join(f"{{Key: {key}, Value: {value}}}" for key, value in tags) + "]\n"


def publisher_sections(project: Path) -> tuple[str, str]:
    """Resources and Outputs of cloudformation/publisher.yaml, with the function's code in its place."""
    text = (project / "cloudformation" / "publisher.yaml").read_text(encoding="utf-8")
    code = Path(publisher.__file__).read_text(encoding="utf-8")
    text = text.replace("        ZipFile: publishing/publisher.py\n", f"        ZipFile: {literal(code, 10)}")
    _, _, sections = text.partition("\nResources:\n")
    resources, _, outputs = sections.partition("\nOutputs:\n")
    return resources, outputs


# ----------------------------------------------------------------------------------------------------------------------
# what the stack needs in a bucket


def artifacts(stack: str, project: Path = PROJECT) -> list[Artifact]:
    """Everything that the root template's nested stacks are made from."""
    text = (project / STACKS[stack]).read_text(encoding="utf-8")
    found = code(project / "functions")
    for match in NESTED_STACK.finditer(text):
        name, path = match["name"], project / match["location"]
        template = read(path.read_text(encoding="utf-8"))
        for machine in sam_resources(template, "AWS::Serverless::StateMachine").values():
            definition = path.parent / machine["Properties"]["DefinitionUri"]
            found.append(text_artifact(f"{name}StateMachine", definition.name, definition.read_text(encoding="utf-8")))
        expanded = f"# Expanded from {match['location']}, where the comments are.\n{write(expand(template))}"
        found.append(text_artifact(f"{name}Template", path.name, expanded))
    return found


def text_artifact(logical_id: str, name: str, text: str) -> Artifact:
    """An object that is one text."""
    content = text.encode()
    return Artifact(logical_id, keyed(name, content), content, f"Text: {literal(ascii_only(text), 2)}")


def code(folder: Path) -> list[Artifact]:
    """The functions' deployment package, and before it the pieces of the packed sources that it is zipped from."""
    files = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in sources(folder)}
    content = publisher.packed(files)
    found = []
    for number, start in enumerate(range(0, len(content), PIECE_BYTES), 1):
        piece = content[start : start + PIECE_BYTES]
        lines = textwrap.fill(base64.b64encode(piece).decode(), 112)
        found.append(
            Artifact(f"Sources{number}", keyed(f"sources-{number}.bz2", piece), piece, f"Base64: {literal(lines, 2)}")
        )
    content = publisher.zipped(files)
    parts = "".join(f"  - {part.key}\n" for part in found)
    needs = tuple(part.logical_id for part in found)
    return [*found, Artifact("Code", keyed("functions.zip", content), content, f"Parts:\n{parts}", needs)]


def sources(folder: Path) -> list[Path]:
    """The files of the functions, sorted by path: what SAM would zip, less what was built from them."""
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and path.suffix in {".py", ".json", ".c", ".b64"}
    )


def keyed(name: str, content: bytes) -> str:
    """A key that changes with the content."""
    stem, dot, suffix = name.partition(".")
    return f"{stem}-{hashlib.sha256(content).hexdigest()[:16]}{dot}{suffix}"


# ----------------------------------------------------------------------------------------------------------------------
# the nested templates


def expand(template: Mapping[str, Any]) -> dict[str, Any]:
    """A nested template without SAM, its code and its state machine's definition read from a bucket by parameters."""
    functions = sam_resources(template, "AWS::Serverless::Function")
    if not functions:
        return dict(template)
    source = json.loads(json.dumps(template))  # a copy: the translator works in place
    source["Parameters"] |= {
        "ArtifactBucketName": {"Type": "String", "Description": "Bucket that the code is in."},
        "CodeKey": {"Type": "String", "Description": "Key of the functions' deployment package."},
        "StateMachineKey": {"Type": "String", "Description": "Key of the state machine's definition."},
    }
    for machine in sam_resources(source, "AWS::Serverless::StateMachine").values():
        machine["Properties"]["DefinitionUri"] = in_bucket("StateMachineKey")
    for function in sam_resources(source, "AWS::Serverless::Function").values():
        function["Properties"]["CodeUri"] = in_bucket("CodeKey")
        function.pop("Metadata", None)  # says to `sam build` what it need not do
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"  # the translator wants one, for the partition of the policies' ARNs
    try:
        expanded: dict[str, Any] = transform(source, {}, NoManagedPolicies())
    finally:
        os.environ.pop("AWS_DEFAULT_REGION")
        if before is not None:
            os.environ["AWS_DEFAULT_REGION"] = before
    made = expanded["Resources"]
    owner = {name: name if name in template["Resources"] else name.removesuffix("Role") for name in made}
    order = list(template["Resources"])  # each with its role behind it
    expanded["Resources"] = {
        name: made[name] for name in sorted(made, key=lambda name: (order.index(owner[name]), name))
    }
    return in_any_partition(expanded)  # type: ignore[no-any-return]


class NoManagedPolicies:
    """Managed policies by name: the templates name none."""

    def load(self) -> dict[str, str]:
        """No name."""
        return {}


def in_bucket(key: str) -> dict[str, Any]:
    """Where SAM finds an object, by the nested stack's parameters."""
    return {"Bucket": {"Ref": "ArtifactBucketName"}, "Key": {"Ref": key}}


def in_any_partition(tree: Any) -> Any:
    """The tree with ARNs of AWS's own policies, which the translator writes for one partition, valid in every one."""
    if isinstance(tree, dict):
        return {key: in_any_partition(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [in_any_partition(value) for value in tree]
    if isinstance(tree, str) and tree.startswith("arn:aws:iam::aws:policy/"):
        return {"Fn::Sub": tree.replace("arn:aws:", "arn:${AWS::Partition}:", 1)}
    return tree


def sam_resources(template: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The resources of one type, by logical id."""
    return {name: body for name, body in template["Resources"].items() if body["Type"] == kind}


def ascii_only(text: str) -> str:
    """The text with every character beyond ASCII as &#its number; and every &# of its own made plain the same way.

    CloudFormation shows other characters as question marks, and a bank's tools on the way may not keep them at all.
    """
    safe = text.replace("&#", "&#38;#").encode("ascii", "xmlcharrefreplace").decode()
    if publisher.plain(safe) != text:
        raise ConsoleError(f"A file does not come back from ASCII as it was: it begins with {text[:60]!r}.")
    return safe


if __name__ == "__main__":
    sys.exit(main())
