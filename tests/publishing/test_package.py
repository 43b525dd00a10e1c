"""`montecarlo package` stages what a stack is made from, and the link it prints makes the stack."""

from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from cli.deployment import STACK
from cli.main import main
from publishing import console, package, templates
from tests.publishing.conftest import Account, ConsoleStack

BUCKET = "an-organisations-artifacts"


@pytest.fixture
def session(account: Account, monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """The user's own credentials and Region, as boto3 finds them."""
    for name, value in account.server.environment.items():
        monkeypatch.setenv(name, value)
    return boto3.Session()


def test_what_is_staged_makes_a_stack_without_a_publisher(
    account: Account, session: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    session.client("s3").create_bucket(Bucket=BUCKET)
    assert main(["package", "--bucket", BUCKET]) == 0
    printed = capsys.readouterr().out
    link = urlsplit(printed.split("Launch:")[1].split()[0])
    assert (link.hostname, link.path) == ("us-east-1.console.aws.amazon.com", "/cloudformation/home")
    page, _, given = link.fragment.partition("?")
    assert page == "/stacks/create/review"
    (address,), (name,) = parse_qs(given)["templateURL"], parse_qs(given)["stackName"]

    stack = ConsoleStack(account, name)
    stack.create(address)
    assert stack.wait() == "CREATE_COMPLETE", stack.failures()
    kinds = {kind for resources in stack.resources().values() for kind, _ in resources.values()}
    assert "Custom::Artifact" not in kinds
    assert stack.generate(name="small", loans=1000, part_loans=500).endswith("manifest.json")
    result = stack.simulate(portfolio="portfolios/small/", scenarios=100)
    assert result["loans"]["simulated"] == 1000


def test_staging_again_changes_nothing(account: Account, session: boto3.Session) -> None:
    session.client("s3").create_bucket(Bucket=f"{BUCKET}-2")
    staged = package.stage(f"{BUCKET}-2", "montecarlo/", STACK, session=session)
    keys = account.keys(f"{BUCKET}-2")
    assert staged.template_url.rpartition("/")[2] in {key.rpartition("/")[2] for key in keys}
    assert package.stage(f"{BUCKET}-2", "montecarlo/", STACK, session=session) == staged
    assert account.keys(f"{BUCKET}-2") == keys


@pytest.mark.parametrize("stack", list(console.STACKS))
def test_the_staged_template_names_only_what_is_staged(stack: str) -> None:
    staged = dict(package.objects(BUCKET, "team/loans/", stack))
    root = templates.read(list(staged.values())[-1].decode())
    named = {
        value
        for body in root["Resources"].values()
        for key, value in body["Properties"]["Parameters"].items()
        if key in ("CodeKey", "StateMachineKey")
    }
    named |= {
        body["Properties"]["TemplateURL"]["Fn::Sub"].split(f"/{BUCKET}/")[1] for body in root["Resources"].values()
    }
    assert named == set(staged) - {list(staged)[-1]}
    assert all(key.startswith("team/loans/") for key in staged)


def test_a_bucket_that_is_not_there_is_named_with_what_is_needed(session: boto3.Session) -> None:
    with pytest.raises(package.PackageError, match=r"^'A B' is no name of a bucket: [^\n]*$"):
        package.stage("A B", "montecarlo/", "montecarlo")
    with pytest.raises(package.PackageError, match=r"no-such-bucket cannot be written to.*s3:PutObject"):
        package.stage("no-such-bucket", "montecarlo/", STACK, session=session)
