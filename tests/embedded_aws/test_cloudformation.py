"""CloudFormation and CloudWatch as other tools ask for them: the console's addresses, Terraform's protocol."""

import urllib.request
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.embedded_aws.application import Aws

TEMPLATE = b'{"Resources": {"Logs": {"Type": "AWS::Logs::LogGroup"}}}'


@pytest.mark.parametrize(
    "address",
    [
        "https://{bucket}.s3.us-east-1.amazonaws.com/a/logs.json",
        "https://{bucket}.s3.amazonaws.com/a/logs.json",
        "https://{bucket}.s3-us-west-2.amazonaws.com/a/logs.json",
        "http://{bucket}.localhost:4566/a/logs.json",
        "https://s3.us-east-1.amazonaws.com/{bucket}/a/logs.json",
    ],
)
@pytest.mark.parametrize("bucket", ["templates", "my.templates"])
def test_a_template_is_found_by_every_address_of_its_bucket(aws: Aws, address: str, bucket: str) -> None:
    s3, cloudformation = aws.client("s3"), aws.client("cloudformation")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a/logs.json", Body=TEMPLATE)
    cloudformation.create_stack(StackName="addressed", TemplateURL=address.format(bucket=bucket))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="addressed", WaiterConfig={"Delay": 1})
    cloudformation.delete_stack(StackName="addressed")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="addressed", WaiterConfig={"Delay": 1})


def test_an_alarm_keeps_its_fields_in_the_query_protocol(aws: Aws) -> None:
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName="failed",
        AlarmDescription="Executions < 1 & failed",
        ActionsEnabled=False,
        AlarmActions=["arn:aws:sns:us-east-1:123456789012:risk"],
        MetricName="ExecutionsFailed",
        Namespace="AWS/States",
        Statistic="Sum",
        Dimensions=[{"Name": "StateMachineArn", "Value": "arn"}],
        Period=300,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    for given, count in (({"AlarmNames.member.1": "failed"}, 1), ({"AlarmNames.member.1": "other"}, 0), ({}, 1)):
        answer = query(aws, {"Action": "DescribeAlarms", "Version": "2010-08-01", **given})
        assert answer.count("<AlarmName>failed</AlarmName>") == count
    for part in (
        "<AlarmDescription>Executions &lt; 1 &amp; failed</AlarmDescription>",
        "<ActionsEnabled>false</ActionsEnabled>",
        "<AlarmActions><member>arn:aws:sns:us-east-1:123456789012:risk</member></AlarmActions>",
        "<Dimensions><member><Name>StateMachineArn</Name><Value>arn</Value></member></Dimensions>",
        "<Period>300</Period>",
        "<Statistic>Sum</Statistic>",
        "<TreatMissingData>notBreaching</TreatMissingData>",
    ):
        assert part in answer


def query(aws: Aws, parameters: dict[str, str]) -> str:
    """CloudWatch's answer to a request in the Query protocol."""
    request: Any = AWSRequest(
        "POST",
        aws.server.endpoint + "/",
        {"Content-Type": "application/x-www-form-urlencoded"},
        urlencode(parameters).encode(),
    )
    credentials = Credentials(aws.server.access_key, aws.server.secret_key)
    SigV4Auth(credentials, "monitoring", aws.server.region).add_auth(request)
    sent = urllib.request.Request(request.url, request.body, dict(request.headers.items()))
    with urllib.request.urlopen(sent) as answer:
        return str(answer.read().decode())


def test_a_state_machine_tells_whether_it_is_traced(aws: Aws) -> None:
    states = aws.client("stepfunctions")
    definition = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'
    role = "arn:aws:iam::123456789012:role/any"
    traced = {"tracingConfiguration": {"enabled": True}}
    arn = states.create_state_machine(name="traced", definition=definition, roleArn=role, **traced)["stateMachineArn"]
    assert states.describe_state_machine(stateMachineArn=arn)["tracingConfiguration"] == {"enabled": True}
    states.update_state_machine(stateMachineArn=arn, tracingConfiguration={"enabled": False})
    assert states.describe_state_machine(stateMachineArn=arn)["tracingConfiguration"] == {"enabled": False}
    states.update_state_machine(stateMachineArn=arn, definition=definition)
    assert states.describe_state_machine(stateMachineArn=arn)["tracingConfiguration"] == {"enabled": False}
