"""What workers run on once a stack is deployed, whoever deployed it, in a form that can be compared: see `faces`.

Starts from the function ProvideWorkers, whose environment names the cluster, the service and, on EC2, the group.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.deployment import Stack

Json = dict[str, Any]

OF_A_SERVICE = (
    "capacityProviderStrategy", "deploymentConfiguration", "networkConfiguration", "placementStrategy", "desiredCount",
    "schedulingStrategy", "taskDefinition",
)  # fmt: skip
OF_A_TASK = (
    "requiresCompatibilities", "networkMode", "cpu", "memory", "runtimePlatform", "volumes", "executionRoleArn",
    "taskRoleArn",
)  # fmt: skip
OF_A_CLUSTER = ("capacityProviders", "defaultCapacityProviderStrategy", "settings")
OF_A_RULE = ("Description", "EventPattern", "ScheduleExpression", "State")
OF_A_GROUP = (
    "MinSize", "MaxSize", "DesiredCapacity", "VPCZoneIdentifier", "CapacityRebalance", "MixedInstancesPolicy",
    "NewInstancesProtectedFromScaleIn",
)  # fmt: skip
OF_A_PROVIDER = ("managedScaling", "managedTerminationProtection", "managedDraining", "autoScalingGroupArn")
OF_AN_ENDPOINT = ("VpcEndpointType", "ServiceName", "PrivateDnsEnabled", "RouteTableIds", "SubnetIds")


@dataclass
class Fleet:
    """The workers of a stack. names: what is found on the way, by what it stands for."""

    stack: Stack
    provide: Mapping[str, Any]
    """ProvideWorkers, as Lambda has it."""

    activity: str
    names: dict[str, str] = field(default_factory=dict)

    def describe(self, role: Any) -> Json:
        """All that is made for the workers. role: describes a role, given its ARN."""
        given = self.provide["Environment"]["Variables"]
        cluster, service, task = self.service(given["CLUSTER"], given["SERVICE"])
        log_group = task["container"]["logConfiguration"]["options"]["awslogs-group"]
        self.names |= {
            self.activity.rsplit(":", 1)[-1]: "<Chunks>",
            given["CLUSTER"]: "<cluster>",
            given["SERVICE"]: "<service>",
            given["RULE"]: "<look again>",
            log_group: "<log of workers>",
        }
        groups = self.stack.client("logs").describe_log_groups(logGroupNamePrefix=log_group)["logGroups"]
        made: Json = {
            "cluster": cluster,
            "service": service,
            "task": task,
            "retention": [group.get("retentionInDays") for group in groups],
            "roles": {name: role(task[name]) for name in ("executionRoleArn", "taskRoleArn")},
            "rules": self.rules(),
        }
        for name in ("executionRoleArn", "taskRoleArn"):
            self.names[task[name].rsplit("/", 1)[-1]] = f"<{name}>"
        if "GROUP" in given:
            self.names[given["GROUP"]] = "<group>"
            made |= self.instances(given["GROUP"], cluster["capacityProviders"], role)
            subnets, (group,) = made["group"].pop("VPCZoneIdentifier").split(","), names_of_groups(made["template"])
            service.pop("networkConfiguration", None)  # empty, or not there
        else:
            network = service["networkConfiguration"]["awsvpcConfiguration"]
            subnets, (group,) = network.pop("subnets"), network["securityGroups"]
        return made | {"network": self.network(subnets, group)}

    def service(self, cluster: str, service: str) -> tuple[Json, Json, Json]:
        """The cluster, the service, and the definition of its tasks."""
        ecs = self.stack.client("ecs")
        (found,) = ecs.describe_clusters(clusters=[cluster], include=["SETTINGS"])["clusters"]
        (running,) = ecs.describe_services(cluster=cluster, services=[service])["services"]
        task = ecs.describe_task_definition(taskDefinition=running["taskDefinition"])["taskDefinition"]
        self.names[running["taskDefinition"].rsplit("/", 1)[-1]] = "<task>"
        (container,) = task["containerDefinitions"]
        container["environment"] = {each["name"]: each["value"] for each in container["environment"]}
        strategy = running.get("capacityProviderStrategy", [])
        running["capacityProviderStrategy"] = {each["capacityProvider"]: int(each["weight"]) for each in strategy}
        found["capacityProviders"].sort()
        return part(found, OF_A_CLUSTER), part(running, OF_A_SERVICE), part(task, OF_A_TASK) | {"container": container}

    def rules(self) -> Json:
        """The rules by which EventBridge calls ProvideWorkers, by what they say, and that they may."""
        events, arn = self.stack.client("events"), self.provide["FunctionArn"]
        found: Json = {}
        for name in events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]:
            rule = events.describe_rule(Name=name)
            (target,) = events.list_targets_by_rule(Rule=name)["Targets"]
            self.names[name] = f"<{rule['Description']}>"
            rule["EventPattern"], target["Input"] = (
                json.loads(text or "null") for text in (rule.get("EventPattern"), target.get("Input"))
            )
            found[rule["Description"]] = part(rule, OF_A_RULE) | {"Target": target}
        policy = json.loads(self.stack.client("lambda").get_policy(FunctionName=arn)["Policy"])
        allowed = [{name: each[name] for name in each if name != "Sid"} for each in policy["Statement"]]
        return found | {"may call": {"Statements": allowed}}

    def instances(self, group: str, providers: list[str], role: Any) -> Json:
        """The group of instances, what each is made from, and how the cluster has them."""
        (found,) = self.stack.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])[
            "AutoScalingGroups"
        ]
        own = ("aws:", "lambda:", "Application", "Stack")  # which CloudFormation and SAM set, the last two on AWS only
        tags = {tag["Key"]: tag["Value"] for tag in found["Tags"] if not tag["Key"].startswith(own)}
        mix = found["MixedInstancesPolicy"]
        if not mix["InstancesDistribution"].get("SpotMaxPrice"):  # none is the price on demand, as AWS has it
            mix["InstancesDistribution"].pop("SpotMaxPrice", None)
        for override in mix["LaunchTemplate"]["Overrides"]:
            override["InstanceRequirements"]["AcceleratorCount"].setdefault("Min", 0)
            override["InstanceRequirements"]["CpuManufacturers"].sort()
        (provider,) = self.stack.client("ecs").describe_capacity_providers(capacityProviders=providers)[
            "capacityProviders"
        ]
        self.names[provider["name"]] = "<capacity>"
        arn = provider["autoScalingGroupProvider"]["autoScalingGroupArn"]
        provider["autoScalingGroupProvider"]["autoScalingGroupArn"] = arn.rsplit("/", 1)[-1]
        template = mix["LaunchTemplate"]["LaunchTemplateSpecification"]
        self.names |= {template["LaunchTemplateId"]: "<template>"}
        template.pop("LaunchTemplateName", None)
        (version,) = self.stack.client("ec2").describe_launch_template_versions(
            LaunchTemplateId=template["LaunchTemplateId"], Versions=[template["Version"]]
        )["LaunchTemplateVersions"]
        data = version["LaunchTemplateData"]
        data["UserData"] = base64.b64decode(data["UserData"]).decode()
        profile = data.pop("IamInstanceProfile")["Arn"].rsplit("/", 1)[-1]
        (instance,) = self.stack.client("iam").get_instance_profile(InstanceProfileName=profile)["InstanceProfile"][
            "Roles"
        ]
        return {
            "group": part(found, OF_A_GROUP) | {"Tags": sorted(tags)},
            "provider": part(provider["autoScalingGroupProvider"], OF_A_PROVIDER),
            "template": data,
            "instance's role": role(instance["Arn"]),
        }

    def network(self, subnets: list[str], group: str) -> Json:
        """Where workers run, and what may come in and go out."""
        ec2 = self.stack.client("ec2")
        (security,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
        vpc = security["VpcId"]
        found = sorted(ec2.describe_subnets(SubnetIds=subnets)["Subnets"], key=lambda subnet: str(subnet["CidrBlock"]))
        here = [{"Name": "vpc-id", "Values": [vpc]}]
        tables = [
            table for table in ec2.describe_route_tables(Filters=here)["RouteTables"]
            if {each.get("SubnetId") for each in table["Associations"]} & set(subnets)
        ]  # fmt: skip
        self.names |= {group: "<security group>", vpc: "<vpc>"}
        self.names |= {subnet["SubnetId"]: f"<subnet {number}>" for number, subnet in enumerate(found)}
        self.names |= {table["RouteTableId"]: "<routes>" for table in tables}
        (made,) = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
        dns = ("enableDnsSupport", "enableDnsHostnames")
        return {
            "Vpc": made["CidrBlock"],
            "Dns": [ec2.describe_vpc_attribute(VpcId=vpc, Attribute=name)[name[0].upper() + name[1:]] for name in dns],
            "Subnets": [part(each, ("CidrBlock", "AvailabilityZone", "MapPublicIpOnLaunch")) for each in found],
            "Routes": [
                [route["DestinationCidrBlock"], route["GatewayId"].split("-")[0]]
                for table in tables
                for route in table["Routes"]
                if "DestinationCidrBlock" in route
            ],
            "Associated": [sorted(self.names[each["SubnetId"]] for each in table["Associations"]) for table in tables],
            "Endpoints": [
                part(endpoint, OF_AN_ENDPOINT)
                for endpoint in ec2.describe_vpc_endpoints(Filters=here)["VpcEndpoints"]
                if endpoint["VpcId"] == vpc
            ],
            "In": security["IpPermissions"],
            "Out": security["IpPermissionsEgress"],
            "Description": security["Description"],
        }


def part(whole: Mapping[str, Any], names: tuple[str, ...]) -> Json:
    """What is there of some names."""
    return {name: whole[name] for name in names if name in whole}


def names_of_groups(template: Mapping[str, Any]) -> list[str]:
    """The security groups of a launch template's one interface."""
    (interface,) = template["NetworkInterfaces"]
    groups: list[str] = interface["Groups"]
    return groups
