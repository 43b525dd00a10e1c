"""The embedded AWS: MiniStack 1.5.33 with the behaviour of AWS that this project relies on.

It runs as a child process (`python -m embedded_aws`), started and stopped by `embedded_aws.server`. MiniStack answers
the AWS APIs on one port, so that the SAM CLI, Terraform, the AWS CLI and boto3 can be pointed at it by
AWS_ENDPOINT_URL. It lacks a few things; each module here restores those of one service, and each patch says which
behaviour of AWS it restores:

    gate               who may ask: the Host and the signature (`signature`) of every request
    permissions        roles, enforced and recorded, under a `profile` that asks for it
    lambda_functions   Python functions on AWS's own runtime client (`peer`), queued when all workers are busy
    step_functions     stopping, time-outs, retries, payload limit (with `scope`: what must end together)
    activities         tasks of workers, with their time-outs
    containers         ECS tasks as processes
    capacity           what workers run on, as Terraform gave it
    distributed_map    Map Runs and their ResultWriter
    cloudformation     SAM in nested stacks, updates of nested stacks
    cloudwatch         alarms in the protocol that Terraform speaks (`query`)
    persistence        stacks that survive a SIGKILL

MiniStack is pinned exactly because the patches reach into its private functions; it carries no types, so that what
comes from it is `Any`. These modules import MiniStack, botocore and the standard library only, never the product's own
code.
"""
