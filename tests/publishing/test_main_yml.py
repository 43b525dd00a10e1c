"""The files to upload in the console are fresh, within CloudFormation's limits, and make what SAM makes."""

import ast
import base64
import io
import json
import random
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from publishing import console, publisher, templates
from tests.infrastructure.test_tools import run, tool

STACKS = list(console.STACKS)
PHYSICAL_NAMES = {"BucketName", "FunctionName", "RoleName", "PolicyName", "ManagedPolicyName", "StateMachineName"}


@pytest.fixture(scope="module", params=STACKS)
def stack(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def text(stack: str) -> str:
    return (console.PROJECT / "cloudformation" / stack / "main.yml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def template(text: str) -> dict[str, Any]:
    return templates.read(text)


@pytest.fixture(scope="module")
def carried(template: dict[str, Any]) -> dict[str, bytes]:
    return carried_by(template)


def carried_by(template: dict[str, Any]) -> dict[str, bytes]:
    """The objects that the publisher makes of a template, by key; their hashes are checked as it checks them."""
    made: dict[str, bytes] = {}

    class Objects:
        def put_object(self, Key: str, Body: bytes, **_: object) -> None:  # noqa: N803
            made[Key] = Body

        def get_object(self, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
            return {"Body": io.BytesIO(made[Key])}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publisher, "s3", Objects())
        for body in of_type(template, "Custom::Artifact").values():
            publisher.publish(body["Properties"])
    return made


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: body for name, body in template["Resources"].items() if body["Type"] == kind}


def nodes(tree: Any) -> Iterator[Any]:
    yield tree
    if isinstance(tree, dict | list):
        for child in tree.values() if isinstance(tree, dict) else tree:
            yield from nodes(child)


def test_it_is_what_the_sources_make(stack: str, text: str) -> None:
    fresh = console.self_contained(stack)
    assert text == fresh, f"cloudformation/{stack}/main.yml is older than its sources: run `make console`"


def test_making_it_again_makes_the_same_bytes(stack: str) -> None:
    assert console.self_contained(stack) == console.self_contained(stack)


def test_it_is_within_the_limits_and_says_how_far(
    stack: str, text: str, template: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert text.isascii()
    assert len(text) <= 1_000_000
    events = {name: json.dumps(body["Properties"]) for name, body in of_type(template, "Custom::Artifact").items()}
    # An update's event holds the properties twice, beside some 2 kB of ids and a signed address.
    assert max(map(len, events.values())) * 2 + 10_000 < 256 * 1024
    assert len(template["Resources"]["Publisher"]["Properties"]["Code"]["ZipFile"]) < 4_000_000
    assert len(template["Resources"]) <= 500
    assert all(len(output["Description"]) <= 1024 for output in template["Outputs"].values())
    assert console.main(["--check"]) == 0
    printed = capsys.readouterr().out
    assert f"cloudformation/{stack}/main.yml: template {len(text):,} of 1,000,000 bytes" in printed
    assert all(f"event of {name} " in printed for name in events)


def test_the_root_is_the_one_that_sam_deploys_but_for_where_nested_stacks_come_from(
    stack: str, template: dict[str, Any]
) -> None:
    source = templates.read((console.PROJECT / console.STACKS[stack]).read_text())
    for section in ("Description", "Metadata", "Parameters", "Mappings", "Conditions"):
        assert template[section] == source[section]
    assert template["Outputs"].keys() - source["Outputs"].keys() == {"ArtifactBucket"}
    assert {name: template["Outputs"][name] for name in source["Outputs"]} == source["Outputs"]
    nested = of_type(template, "AWS::CloudFormation::Stack")
    assert nested.keys() == source["Resources"].keys()
    for name, body in nested.items():
        given = body["Properties"]["Parameters"]
        added = {"ArtifactBucketName", "CodeKey", "StateMachineKey"} & given.keys()
        assert {key: value for key, value in given.items() if key not in added} == (
            source["Resources"][name]["Properties"]["Parameters"]
        )


def test_no_macro_is_needed(template: dict[str, Any], carried: dict[str, bytes]) -> None:
    """CloudFormation makes no change set of a template with nested stacks and macros."""
    for each in [template, *(templates.read(body.decode()) for key, body in carried.items() if key.endswith(".yaml"))]:
        assert "Transform" not in each
        assert not any(body["Type"].startswith("AWS::Serverless") for body in each["Resources"].values())


def test_every_nested_stack_finds_what_it_needs_before_it_is_made(
    template: dict[str, Any], carried: dict[str, bytes]
) -> None:
    made_by = {body["Properties"]["Key"]: name for name, body in of_type(template, "Custom::Artifact").items()}
    used = set()
    for name, body in of_type(template, "AWS::CloudFormation::Stack").items():
        address = body["Properties"]["TemplateURL"]["Fn::Sub"]
        place = re.fullmatch(r"https://s3\.\$\{AWS::Region\}\.\$\{AWS::URLSuffix\}/\$\{Artifacts\}/(.+)", address)
        assert place
        given = body["Properties"]["Parameters"]
        keys = {place[1], *(given[key] for key in ("CodeKey", "StateMachineKey") if key in given)}
        assert {made_by[key] for key in keys} == set(body["DependsOn"])
        used |= keys
        nested = templates.read(carried[place[1]].decode())
        assert given.keys() == nested["Parameters"].keys(), name
    parts = {
        key for body in of_type(template, "Custom::Artifact").values() for key in body["Properties"].get("Parts", [])
    }
    assert used | parts == made_by.keys() == carried.keys()
    assert {made_by[key] for key in parts} == set(template["Resources"]["Code"]["DependsOn"])


def test_the_code_is_the_functions_folder_as_it_is(carried: dict[str, bytes]) -> None:
    (package,) = (body for key, body in carried.items() if key.endswith(".zip"))
    functions = console.PROJECT / "functions"
    expected = {path.relative_to(functions).as_posix(): path.read_bytes() for path in console.sources(functions)}
    assert "simulate_chunk.py" in expected
    assert "montecarlo/model/parameters.json" in expected
    with zipfile.ZipFile(io.BytesIO(package)) as found:
        assert {name: found.read(name) for name in found.namelist()} == expected


def test_nothing_of_the_functions_folder_is_left_out_unknown() -> None:
    """A new kind of source must be added to `console.sources`."""
    functions = console.PROJECT / "functions"
    left_out = {path for path in functions.rglob("*") if path.is_file()} - set(console.sources(functions))
    assert {path.suffix for path in left_out} <= {".pyc", ".so", ".dylib"}


def test_the_state_machines_are_the_committed_ones(stack: str, carried: dict[str, bytes]) -> None:
    names = ("datagen", "dataproc" if stack == "lambda" else "dataproc-workers")
    assert {body for key, body in carried.items() if key.endswith(".asl.json")} == {
        (console.PROJECT / "statemachine" / f"{name}.asl.json").read_bytes() for name in names
    }


@pytest.fixture(scope="module")
def nested_templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the nested templates of all stacks, as CloudFormation will read them."""
    folder = tmp_path_factory.mktemp("nested")
    for stack in STACKS:
        template = templates.read((console.PROJECT / "cloudformation" / stack / "main.yml").read_text(encoding="utf-8"))
        for key, content in carried_by(template).items():
            if key.endswith(".yaml"):
                (folder / key).write_bytes(content)  # what two stacks share has one key
    return folder


def test_cfn_lint_has_no_warning_on_the_nested_templates(nested_templates: Path) -> None:
    run(tool("CFN_LINT", "cfn-lint"), "--template", *map(str, nested_templates.iterdir()))


def test_checkov_finds_nothing_in_the_nested_templates(nested_templates: Path) -> None:
    run(tool("CHECKOV", "checkov"), "--config-file", ".checkov.yaml", "--directory", str(nested_templates))


def test_nothing_is_named_so_two_stacks_do_not_collide(template: dict[str, Any], carried: dict[str, bytes]) -> None:
    for each in [template, *(templates.read(body.decode()) for key, body in carried.items() if key.endswith(".yaml"))]:
        for name, body in each["Resources"].items():
            others = {"AWS::IAM::Policy": {"PolicyName"}, "AWS::Lambda::Permission": {"FunctionName"}}
            inline = PHYSICAL_NAMES - others.get(body["Type"], set())
            assert not inline & body.get("Properties", {}).keys(), name


def test_roles_are_valid_in_every_partition(carried: dict[str, bytes]) -> None:
    for key, body in carried.items():
        if key.endswith(".yaml"):
            assert b"arn:aws:" not in body


def test_the_publisher_may_touch_its_bucket_and_its_log_only(template: dict[str, Any]) -> None:
    (policy,) = template["Resources"]["PublisherRole"]["Properties"]["Policies"]
    assert {str(statement["Resource"]): statement["Action"] for statement in policy["PolicyDocument"]["Statement"]} == {
        str({"Fn::Sub": "${Artifacts.Arn}/*"}): ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"],
        str({"Fn::GetAtt": ["PublisherLogs", "Arn"]}): ["logs:CreateLogStream", "logs:PutLogEvents"],
    }
    assert "ManagedPolicyArns" not in template["Resources"]["PublisherRole"]["Properties"]


def test_the_publisher_in_the_template_is_the_tested_one(template: dict[str, Any]) -> None:
    code = template["Resources"]["Publisher"]["Properties"]["Code"]["ZipFile"]
    assert code == (console.PROJECT / "publishing" / "publisher.py").read_text()
    imports = {node.names[0].name for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import)}
    modules = "base64 boto3 bz2 contextlib hashlib io json re time urllib.request zipfile"
    assert imports <= set(modules.split())
    assert all(body["Properties"]["ServiceTimeout"] == 300 for body in of_type(template, "Custom::Artifact").values())


@pytest.mark.parametrize(
    "source",
    ["ω ≥ 0\n", "&#38; and &#8805;\n", "&&##38;#\n", "no line end", "two\n\n\n", "\n  x: 1\n", "  x", "", "\n"],
)
def test_any_text_comes_through(source: str) -> None:
    artifact = console.text_artifact("Thing", "thing.yaml", source)
    carried = templates.read(f"Resources:\n{artifact.resource()}")["Resources"]["Thing"]["Properties"]["Text"]
    assert carried.isascii()
    assert publisher.plain(carried) == source


def test_sources_that_need_many_events_come_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        (tmp_path / f"{name}.py").write_text("".join(random.Random(name).choices("ωxyz\n&#", k=20_000)))
    monkeypatch.setattr(console, "PIECE_BYTES", 5_000)
    *pieces, package = console.code(tmp_path)
    assert len(pieces) > 3
    assert package.needs == tuple(piece.logical_id for piece in pieces)
    files = publisher.unpacked(b"".join(piece.content for piece in pieces))
    assert files == {path.name: path.read_text() for path in tmp_path.iterdir()}
    for piece in pieces:
        properties = templates.read(f"Resources:\n{piece.resource()}")["Resources"][piece.logical_id]["Properties"]
        assert base64.b64decode(properties["Base64"]) == piece.content


def test_a_template_beyond_cloudformations_limit_is_not_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "TEMPLATE_BYTES", 100_000)
    assert console.main(["--check"]) == 2
    assert "of 100,000 that CloudFormation takes" in capsys.readouterr().err


def test_a_key_changes_with_the_content_only() -> None:
    assert console.keyed("a.yaml", b"1") == console.keyed("a.yaml", b"1") != console.keyed("a.yaml", b"2")
    assert re.fullmatch(r"a-[0-9a-f]{16}\.asl\.json", console.keyed("a.asl.json", b""))


def test_stale_files_are_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fresh = console.self_contained

    def changed(stack: str) -> str:
        return fresh(stack) + "# changed\n"

    monkeypatch.setattr(console, "self_contained", changed)
    assert console.main(["--check"]) == 1
    assert "make console" in capsys.readouterr().err
