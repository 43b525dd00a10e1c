"""What the linters cannot know: the templates agree with each other, with the code, and with what was promised."""

import re
from typing import Any

import pytest

from publishing.console import STACKS, self_contained
from publishing.templates import read
from tests.infrastructure.templates import ROOT, ROOTS, STATE_MACHINES, TEMPLATES, resources, template, values

PHYSICAL_NAMES = {
    "AlarmName",
    "BucketName",
    "DashboardName",
    "FunctionName",
    "ManagedPolicyName",
    "Name",
    "RoleName",
    "StateMachineName",
}

FUNCTIONS = [
    pytest.param(logical, body, id=f"{name}.{logical}")
    for name in (*STATE_MACHINES, "dataproc-fargate", "dataproc-ec2")
    for logical, body in resources(f"cloudformation/{name}.yaml", "AWS::Serverless::Function").items()
]


@pytest.mark.parametrize("path", TEMPLATES)
def test_two_stacks_can_live_side_by_side(path: str) -> None:
    """No physical name is given, but those made of the stack's ID, and log groups named after their own stack."""
    for logical, body in template(path)["Resources"].items():
        given = [body["Properties"][name] for name in PHYSICAL_NAMES & set(body.get("Properties", {}))]
        named = [value for value in given if not (isinstance(value, dict) and "Ref" in value)]
        assert all(
            {"Ref": "AWS::StackId"} in values(value) or "${AWS::StackName}" in value.get("Fn::Sub", "")
            for value in named
        ), logical
        name = body.get("Properties", {}).get("LogGroupName")
        assert name is None or "${AWS::StackName}" in name["Fn::Sub"], logical


@pytest.mark.parametrize("path", ROOTS)
def test_the_console_form_has_a_label_and_a_group_for_every_parameter(path: str) -> None:
    root = template(path)
    form = root["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in form["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(root["Parameters"])
    assert set(form["ParameterLabels"]) == set(root["Parameters"])
    for name, parameter in root["Parameters"].items():
        assert "Default" in parameter, name
        assert parameter["Description"], name


@pytest.mark.parametrize("path", ROOTS)
def test_the_root_hands_each_nested_template_all_its_parameters_with_the_same_defaults(path: str) -> None:
    root = template(path)
    for logical, body in root["Resources"].items():
        nested = template(body["Properties"]["Location"])["Parameters"]
        given = body["Properties"]["Parameters"]
        assert set(given) == set(nested), logical
        for name, value in given.items():
            if "Default" in nested[name] and set(value) == {"Ref"}:
                assert nested[name]["Default"] == root["Parameters"][value["Ref"]]["Default"], f"{logical}.{name}"


@pytest.mark.parametrize("path", ROOTS)
def test_everything_bears_the_tags_by_which_costs_are_told_apart(path: str) -> None:
    """CloudFormation hands them on to what is in a nested stack; Terraform's provider has the same."""
    tags = {"Application": "montecarlo", "Stack": {"Ref": "AWS::StackName"}}
    assert all(body["Properties"]["Tags"] == tags for body in template(path)["Resources"].values())
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    stack = next(name for name, file in STACKS.items() if file == path)
    for logical, body in read(self_contained(stack))["Resources"].items():
        taggable = body["Type"] not in ("Custom::Artifact", "AWS::S3::BucketPolicy")
        assert body["Properties"].get("Tags") == (listed if taggable else None), logical
    by_terraform = (ROOT / "terraform" / stack / "versions.tf").read_text(encoding="utf-8")
    assert 'merge({ Application = "montecarlo", Stack = var.stack_name }, var.tags)' in by_terraform


@pytest.mark.parametrize("path", ROOTS)
def test_every_root_parameter_is_used(path: str) -> None:
    root = template(path)
    used = {
        node["Ref"]
        for node in values([root["Resources"], root["Conditions"]])
        if isinstance(node, dict) and "Ref" in node
    }
    used |= set(re.findall(r"\$\{(\w+)\}", str(root["Resources"])))
    assert set(root["Parameters"]) <= used


def test_the_layer_table_has_every_region_once_and_makes_the_published_arns() -> None:
    root = template("template.yaml")
    table = root["Mappings"]["SdkForPandasLayer"]
    assert len(table) == 30
    for region, row in table.items():
        assert re.fullmatch(r"\d{12}", row["Account"]), region
        assert re.fullmatch(r"\d+", row["Version"]), region
    assert table["us-east-1"] == {"Account": "336392948345", "Version": "16"}
    assert table["ca-west-1"] == {"Account": "941713567376", "Version": "4"}
    assert table["cn-north-1"] == {"Account": "406640652441", "Version": "11"}

    for stack in ("DataGen", "DataProc"):
        given = root["Resources"][stack]["Properties"]["Parameters"]
        pattern, _ = given["LayerArn"]["Fn::If"][1]["Fn::Sub"]
        assert pattern == (
            "arn:${AWS::Partition}:lambda:${AWS::Region}:${Account}:layer:AWSSDKPandas-Python313${Suffix}:${Version}"
        )
    generated, simulated = (root["Resources"][stack]["Properties"]["Parameters"] for stack in ("DataGen", "DataProc"))
    for name in ("LayerArn", "PowertoolsLayerArn"):
        assert generated[name] == simulated[name]


@pytest.mark.parametrize("name", STATE_MACHINES)
def test_sam_local_invoke_can_resolve_the_layers(name: str) -> None:
    """The SAM CLI drops a layer list that has AWS::NoValue in it, and the function starts without numpy."""
    path = f"cloudformation/{name}.yaml"
    layers = template(path)["Globals"]["Function"]["Layers"]
    assert {"Ref": "AWS::NoValue"} not in list(values(layers))
    assert {"Ref": "LayerArn"} in list(values(layers))
    assert {"Ref": "PowertoolsLayerArn"} in list(values(layers))
    assert template("template.yaml")["Parameters"]["PowertoolsLayerVersion"]["Type"] == "String"


@pytest.mark.parametrize(("logical", "function"), FUNCTIONS)
def test_a_function_its_handler_and_its_event_share_one_name(logical: str, function: dict[str, Any]) -> None:
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", logical).lower()
    assert function["Properties"]["Handler"] == f"{snake}.handler"
    assert (ROOT / "functions" / f"{snake}.py").is_file()
    assert (ROOT / "events" / f"{snake}.json").is_file()


@pytest.mark.parametrize(("logical", "function"), FUNCTIONS)
def test_a_function_needs_no_build_and_logs_to_a_group_with_retention(logical: str, function: dict[str, Any]) -> None:
    assert function["Metadata"] == {"SkipBuild": True}
    assert function["Properties"]["LoggingConfig"]["LogGroup"] == {"Ref": f"{logical}Logs"}


@pytest.mark.parametrize("name", STATE_MACHINES)
def test_every_log_group_expires(name: str) -> None:
    groups = resources(f"cloudformation/{name}.yaml", "AWS::Logs::LogGroup")
    assert groups
    assert all(group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())


@pytest.mark.parametrize("name", STATE_MACHINES)
def test_only_what_has_no_resource_is_allowed_on_everything(name: str) -> None:
    """Log delivery, and Plan's look at how many functions the account may run at once."""
    wide = [
        action
        for node in values(template(f"cloudformation/{name}.yaml"))
        if isinstance(node, dict) and node.get("Effect") == "Allow" and node["Resource"] == "*"
        for action in (node["Action"] if isinstance(node["Action"], list) else [node["Action"]])
    ]
    others = [action for action in wide if not action.startswith("logs:")]
    assert len(wide) > len(others)
    assert others == (["lambda:GetAccountSettings"] if name == "dataproc" else [])


@pytest.mark.parametrize(("logical", "function"), FUNCTIONS)
def test_lambda_and_powertools_filter_logs_alike(logical: str, function: dict[str, Any]) -> None:
    """Lambda drops what is below ApplicationLogLevel, whatever Powertools writes; it says WARN, not WARNING."""
    assert function["Properties"]["LoggingConfig"]["ApplicationLogLevel"] == {"Ref": "LogLevel"}
    assert template("template.yaml")["Parameters"]["LogLevel"]["AllowedValues"] == ["DEBUG", "INFO", "WARN", "ERROR"]


def test_the_bucket_is_private_encrypted_and_kept() -> None:
    storage = template("cloudformation/storage.yaml")["Resources"]
    bucket = storage["DataBucket"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["Properties"]["BucketEncryption"]
    (statement,) = storage["DataBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
