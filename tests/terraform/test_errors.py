"""Mistakes of a user, and what Terraform answers. Where the answer is the project's own, it says what to do."""

import os
import re
import shutil
from collections.abc import Callable, Mapping

import boto3
import pytest

from embedded_aws import server
from tests.terraform.clone import ROOT, STACK, WORKERS, Clone, message


@pytest.fixture(scope="module")
def ready(clone: Clone, aws: server.Server) -> Clone:
    """An initialised clone with an AWS to talk to, and none of the user's own AWS settings."""
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return clone.with_environment(**aws.environment, **nothing)


@pytest.fixture(scope="module")
def quick(ready: Clone, provider: Callable[[Mapping[str, str]], dict[str, str]]) -> Clone:
    """The same with a provider that runs already, for what does not try what the provider itself finds."""
    return ready.with_environment(**provider(ready.environment))


def refusal(clone: Clone, *arguments: str, within: str = STACK) -> str:
    """What Terraform says when it refuses to plan."""
    done = clone.run("plan", *arguments, within=within)
    assert done.returncode == 1, done.stdout
    return message(done.stdout)


def test_the_folder_above_the_stack_has_nothing_to_deploy(new_clone: Callable[[], Clone]) -> None:
    assert "Error: No configuration files" in refusal(new_clone(), within="terraform")


def test_a_stack_without_its_modules_does_not_initialise(new_clone: Callable[[], Clone]) -> None:
    clone = new_clone()
    shutil.rmtree(clone.folder / "terraform" / "modules")
    done = clone.run("init")
    assert done.returncode == 1
    assert "Unreadable module directory" in done.stdout


def test_a_clone_without_functions_is_told_so(quick: Clone, new_clone: Callable[[], Clone]) -> None:
    clone = new_clone().with_environment(**quick.environment)
    clone.succeed("init")
    shutil.rmtree(clone.folder / "functions")
    said = refusal(clone)
    assert f"There are no sources in {clone.folder}/functions: run Terraform in a whole clone" in said.replace(
        "- ", "-"
    )


def test_plan_before_init_names_init(new_clone: Callable[[], Clone]) -> None:
    assert 'Run "terraform init"' in refusal(new_clone())


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("fed_rate=800", "fed_rate must be a number from -5 to 30: percent, 8 for 8 %."),
        ("fed_rate=8%", "a number is required"),
        ("log_retention_days=31", "log_retention_days must be one of the numbers that CloudWatch Logs knows"),
        ("portfolio_bucket_name=arn:aws:s3:::loans", "must be the name of an S3 bucket (not its ARN), or empty."),
        ("stack_name=Monte_Carlo", "stack_name must have 1 to 20 lower-case letters, digits and hyphens"),
        ("scenario=1000", 'A variable named "scenario" was assigned on the command line, but the root module does not'),
    ],
)
def test_a_wrong_variable_is_named_with_what_it_may_be(variables: Clone, variable: str, said: str) -> None:
    assert said in refusal(variables, "-var", variable)


def test_a_region_without_the_layer_is_named_with_the_way_out(ready: Clone) -> None:
    said = refusal(ready.with_environment(AWS_REGION="mx-central-1", AWS_DEFAULT_REGION="mx-central-1"))
    assert "not known to be published in mx-central-1" in said
    assert "Check the Region of your AWS configuration (AWS_REGION), or set layer_arn" in said
    assert "eu-central-1, eu-central-2," in said


def test_a_layer_of_another_region_is_refused(quick: Clone) -> None:
    said = refusal(quick, "-var", "layer_arn=arn:aws:lambda:eu-west-1:210987654321:layer:scientific:3")
    assert "layer_arn lies in another Region than the functions, which are made in us-east-1" in said


@pytest.mark.parametrize("region", ["", "eu-west-99"])
def test_a_missing_or_misspelt_region_is_named(ready: Clone, region: str) -> None:
    said = refusal(ready.with_environment(AWS_REGION=region, AWS_DEFAULT_REGION=region))
    assert f"invalid AWS Region: {region}" in said


def test_missing_credentials_are_named(ready: Clone) -> None:
    said = refusal(ready.with_environment(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY=""))
    assert "No valid credential sources found" in said


def test_nothing_but_terraform_is_needed_on_path(ready: Clone) -> None:
    """No Python, no zip, no shell: the package is made by Terraform itself."""
    printed = ready.with_environment(PATH="").succeed("plan")
    told = re.search(r"plan lists (\d+) resources", (ROOT / "docs/deploy-terraform.md").read_text(encoding="utf-8"))
    assert told
    assert f"Plan: {told[1]} to add, 0 to change, 0 to destroy." in printed


@pytest.mark.parametrize("stack", [STACK, *WORKERS])
def test_two_stacks_side_by_side_share_no_name(quick: Clone, stack: str) -> None:
    """Every name that is known before it is made begins with stack_name, or is AWS's own.

    The guide says how many things are made.
    """
    clone = quick.of(stack)
    clone.succeed("init")
    clone.succeed("plan", "-var", "stack_name=other", "-out", "plan")
    plan = clone.json("show", "-json", "plan")
    guide = (ROOT / "docs/deploy-terraform.md").read_text(encoding="utf-8")
    made = [change for change in plan["resource_changes"] if change["mode"] == "managed"]
    where = {
        STACK: "plan lists {} resources",
        WORKERS[0]: "{} with workers on Fargate",
        WORKERS[1]: "{} with workers on EC2",
    }
    assert where[stack].format(len(made)) in guide
    named = [
        (change["address"], name, change["change"]["after"][name])
        for change in plan["resource_changes"]
        for name in (
            "alarm_name", "bucket", "bucket_prefix", "dashboard_name", "family", "function_name", "name", "name_prefix",
        )
        if change["mode"] == "managed" and change["change"]["after"].get(name)
    ]  # fmt: skip
    assert len(named) > 30
    # Names within a role, or within a database
    own = {"objects", "run", "start", "work", "see-executions", "be-an-instance", "losses", "segments"}
    for address, name, value in named:
        bare = re.sub("^(/aws/lambda/|/aws/vendedlogs/states/|/ecs/|capacity-)", "", value)
        assert re.match("other($|[-/_])", bare) or value in own, (address, name, value)


def test_the_state_can_live_in_s3(new_clone: Callable[[], Clone], quick: Clone, aws: server.Server) -> None:
    """backend.tf.example, as docs/deploy-terraform.md uses it."""
    session = boto3.Session(aws.access_key, aws.secret_key, region_name=aws.region)
    s3 = session.client("s3", endpoint_url=aws.endpoint)
    s3.create_bucket(Bucket="states")
    clone = new_clone().with_environment(**quick.environment)
    shutil.copy(clone.folder / STACK / "backend.tf.example", clone.folder / STACK / "backend.tf")
    path_style = ["-backend-config", "use_path_style=true"]  # the embedded AWS has one address for all buckets
    said = clone.succeed(
        "init", "-backend-config", "bucket=states", "-backend-config", f"region={aws.region}", *path_style
    )
    assert 'Successfully configured the backend "s3"!' in said
    clone.succeed("apply", "-auto-approve", "-target", "module.package.module.bucket.aws_s3_bucket.this")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="states")["Contents"]]
    assert keys == ["montecarlo/lambda.tfstate"]
    clone.succeed("destroy", "-auto-approve")
