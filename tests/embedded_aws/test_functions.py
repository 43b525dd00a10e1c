"""Python functions behave as on Lambda."""

import base64
import hashlib
import io
import json
import sys
import urllib.error
import urllib.request
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from embedded_aws import server
from tests.embedded_aws.application import Application, Aws, create_function, deploy


def invoke(aws: Aws, function: str, event: Any) -> dict[str, Any]:
    return dict(aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event)))


def test_an_error_has_its_own_name_and_leaves_the_worker_alive(application: Application, aws: Aws) -> None:
    chunk = application.outputs["ChunkArn"]
    answer = invoke(aws, chunk, {"value": 7, "broken": True})
    assert answer["FunctionError"]
    assert json.load(answer["Payload"])["errorType"] == "InvalidPortfolio"
    assert json.load(invoke(aws, chunk, {"value": 7, "run": "direct"})["Payload"])["value"] == 7


def test_a_handler_that_cannot_be_imported_says_so(application: Application, aws: Aws) -> None:
    functions = aws.client("lambda")
    functions.create_function(
        FunctionName="no-handler",
        Runtime="python3.13",
        Handler="missing.handler",
        Role="arn:aws:iam::123456789012:role/any",
        Code={"S3Bucket": "app", "S3Key": "code.zip"},
    )
    assert json.load(invoke(aws, "no-handler", {})["Payload"])["errorType"] == "Runtime.ImportModuleError"


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_the_report_line_has_this_invocations_peak_memory(application: Application, aws: Aws) -> None:
    large = reported_memory(aws, application.outputs["ChunkArn"], {"allocate_mb": 200})
    small = reported_memory(aws, application.outputs["ChunkArn"], {"allocate_mb": 1})
    assert 200 < large < 400
    assert small < large - 150


def reported_memory(aws: Aws, function: str, event: Any) -> int:
    """Invoke, and read the REPORT line that this adds to the function's log group."""
    before = report_lines(aws, function)
    invoke(aws, function, event)
    (report,) = report_lines(aws, function) - before
    return int(report.rsplit(" ", 2)[1])


def report_lines(aws: Aws, function: str) -> set[str]:
    group = f"/aws/lambda/{function.rsplit(':', 1)[1]}"
    pages = aws.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    lines = [event["message"] for page in pages for event in page["events"]]
    return {line for line in lines if line.startswith("REPORT RequestId: ")}


def test_a_layer_that_exists_is_on_the_path(application: Application, aws: Aws) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("python/in_layer.py", "def handler(event, context):\n    return 'from the layer'\n")
    functions = aws.client("lambda")
    layer = functions.publish_layer_version(LayerName="mine", Content={"ZipFile": content.getvalue()})
    functions.create_function(
        FunctionName="layered",
        Runtime="python3.13",
        Handler="in_layer.handler",
        Role="arn:aws:iam::123456789012:role/any",
        Code={"S3Bucket": "app", "S3Key": "code.zip"},
        Layers=[layer["LayerVersionArn"]],
    )
    assert json.load(invoke(aws, "layered", {})["Payload"]) == "from the layer"


def test_nested_stacks_resolve_regions_and_keep_attributes_over_an_update(application: Application, aws: Aws) -> None:
    before = application.outputs
    assert before["LayerArn"] == "arn:aws:lambda:us-east-1:336392948345:layer:AWSSDKPandas-Python313-Arm64:1"
    assert deploy(aws, Greeting="good evening") == before
    answer = json.load(invoke(aws, before["ChunkArn"], {"value": 8, "run": "direct"})["Payload"])
    assert answer["greeting"] == "good evening"


def test_code_can_be_downloaded_by_whoever_was_given_its_address(aws: Aws) -> None:
    arn = create_function(aws, "downloaded", "def handler(event, context): return 1\n")
    found = aws.client("lambda").get_function(FunctionName=arn)
    address, digest = found["Code"]["Location"], found["Configuration"]["CodeSha256"]
    with urllib.request.urlopen(address) as answer:
        assert base64.b64encode(hashlib.sha256(answer.read()).digest()).decode() == digest
    for wrong in (address.split("?")[0], address.replace("downloaded", "another"), address[:-1]):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(wrong)


def test_a_layer_that_others_publish_is_empty_and_one_of_ones_own_is_there_or_not(aws: Aws) -> None:
    client = aws.client("lambda")
    of_others = "arn:aws:lambda:us-east-1:336392948345:layer:AWSSDKPandas-Python313-Arm64:16"
    content = client.get_layer_version_by_arn(Arn=of_others)["Content"]
    with urllib.request.urlopen(content["Location"]) as answer:
        data = answer.read()
    assert base64.b64encode(hashlib.sha256(data).digest()).decode() == content["CodeSha256"]
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == []
    with pytest.raises(ClientError):
        client.get_layer_version_by_arn(Arn=f"arn:aws:lambda:us-east-1:{server.ACCOUNT_ID}:layer:gone:7")
