"""What workers run on, and what MiniStack does not keep of it: Terraform would set it again with each plan.

Attribute-based selection and the network interfaces of a launch template, the mix of an Auto Scaling group, a capacity
provider's draining, a service's placement and rebalancing, and a security group's rule for all traffic, whose ports say
nothing. Imports MiniStack and the standard library only.
"""

import json
import re
from typing import Any

from ministack.services import autoscaling, ec2, ecs, ssm

from embedded_aws.query import from_parameters, to_ec2_xml, to_xml

IMAGES = {
    f"/aws/service/ecs/optimized-ami/amazon-linux-2023/{processor}recommended/image_id": image
    for processor, image in (("", "ami-0ec5a1202300f86a0"), ("arm64/", "ami-0ec5a1202300a6400"))
}
"""AWS's public parameters that name ECS's images; MiniStack has none of them."""

_parse_permissions: Any = ec2._parse_ip_permissions
_parse_template_data: Any = ec2._parse_lt_data
_template_data_xml: Any = ec2._lt_data_xml
_create_group: Any = autoscaling._create_asg
_update_group: Any = autoscaling._update_asg
_describe_groups: Any = autoscaling._describe_asgs
_create_provider: Any = ecs._create_capacity_provider
_create_service: Any = ecs._create_service
_update_service: Any = ecs._update_service


def patch() -> None:
    """Install the replacements."""
    ssm._PUBLIC_AMI_PARAMETERS.update(IMAGES)
    ec2._parse_ip_permissions = parse_permissions
    ec2._parse_lt_data = parse_template_data
    ec2._lt_data_xml = template_data_xml
    autoscaling._ACTION_MAP |= {
        "CreateAutoScalingGroup": create_group,
        "UpdateAutoScalingGroup": update_group,
        "DescribeAutoScalingGroups": describe_groups,
    }
    ecs._create_capacity_provider = create_provider
    ecs._ACTION_MAP |= {
        "CreateCapacityProvider": create_provider,
        "CreateService": create_service,
        "UpdateService": update_service,
    }


def parse_permissions(parameters: Any, prefix: str) -> Any:
    """Rules of a security group. AWS takes no notice of the ports that a rule for all protocols names."""
    rules = _parse_permissions(parameters, prefix)
    for rule in rules:
        if rule["IpProtocol"] == "-1":
            rule.pop("FromPort", None)
            rule.pop("ToPort", None)
    return rules


def parse_template_data(parameters: Any, prefix: str = "LaunchTemplateData") -> Any:
    """A launch template's data, its instance requirements and all of its network interfaces among them."""
    data = _parse_template_data(parameters, prefix)
    for number, interface in enumerate(data.get("NetworkInterfaces", []), start=1):
        given = from_parameters(parameters, f"{prefix}.NetworkInterface.{number}")
        if "SecurityGroupId" in given:
            interface["Groups"] = given["SecurityGroupId"]
        if "DeleteOnTermination" in given:
            interface["DeleteOnTermination"] = given["DeleteOnTermination"]
    requirements = from_parameters(parameters, f"{prefix}.InstanceRequirements")
    return data | ({"InstanceRequirements": requirements} if requirements else {})


def template_data_xml(data: Any) -> str:
    """The same in an answer."""
    more = {name: data[name] for name in ("InstanceRequirements",) if data.get(name)}
    if "NetworkInterfaces" in data:
        more["NetworkInterface"] = data["NetworkInterfaces"]
    rest = {name: value for name, value in data.items() if name != "NetworkInterfaces"}
    groups = re.compile("<groupsSet>(.*?)</groupsSet>")  # which EC2 writes in a way of its own
    written = groups.sub(
        lambda found: f"<groupSet>{found[1].replace('item>', 'groupId>')}</groupSet>", to_ec2_xml(more)
    )
    return str(_template_data_xml(rest)) + written


def create_group(parameters: Any) -> Any:
    """CreateAutoScalingGroup keeps the mixed instances policy."""
    return keep_mix(parameters, _create_group(parameters))


def update_group(parameters: Any) -> Any:
    """UpdateAutoScalingGroup replaces it, if there is one in the request."""
    return keep_mix(parameters, _update_group(parameters))


def keep_mix(parameters: Any, response: Any) -> Any:
    """Keep the mix of instances that a request gives a group."""
    mix = from_parameters(parameters, "MixedInstancesPolicy")
    if mix and response[0] == 200:
        autoscaling._asgs[autoscaling._p(parameters, "AutoScalingGroupName")]["MixedInstancesPolicy"] = mix
    return response


def describe_groups(parameters: Any) -> Any:
    """DescribeAutoScalingGroups tells it."""
    status, headers, body = _describe_groups(parameters)
    text = body.decode() if isinstance(body, bytes) else body
    for name, group in autoscaling._asgs.items():
        if "MixedInstancesPolicy" in group:
            start = f"<member><AutoScalingGroupName>{name}</AutoScalingGroupName>"
            mix = to_xml({"MixedInstancesPolicy": group["MixedInstancesPolicy"]})
            text = text.replace(start, start + mix)
    return status, headers, text.encode()


def create_provider(request: Any) -> Any:
    """CreateCapacityProvider keeps whether instances are drained; they are unless told otherwise."""
    response = _create_provider(request)
    if response[0] == 200:
        kept = ecs._capacity_providers[request["name"]]["autoScalingGroupProvider"]
        kept["managedDraining"] = request.get("autoScalingGroupProvider", {}).get("managedDraining", "ENABLED")
    return response


def create_service(request: Any) -> Any:
    """CreateService keeps where tasks are placed, whether they are spread anew over Availability Zones, and no network
    where none is given.
    """
    response = keep_rebalancing({"availabilityZoneRebalancing": "DISABLED", **request}, _create_service(request))
    if response[0] == 200:
        kept = kept_service(response)
        kept["placementStrategy"] = request.get("placementStrategy", [])
        if "networkConfiguration" not in request:
            del kept["networkConfiguration"]  # which MiniStack has empty
    return response


def update_service(request: Any) -> Any:
    """UpdateService changes it, if told to."""
    return keep_rebalancing(request, _update_service(request))


def keep_rebalancing(request: Any, response: Any) -> Any:
    """Keep a service's rebalancing."""
    if "availabilityZoneRebalancing" in request and response[0] == 200:
        kept_service(response)["availabilityZoneRebalancing"] = request["availabilityZoneRebalancing"]
    return response


def kept_service(response: Any) -> Any:
    """What is kept of the service that an answer is about."""
    service = json.loads(response[2])["service"]
    cluster = ecs._cluster_name_from_arn(service["clusterArn"])
    return ecs._services[f"{cluster}/{service['serviceName']}"]
