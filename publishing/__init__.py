"""What makes the stacks ready for their users: the console's file, its publisher, packages in a bucket."""

STACKS = {"lambda": "template.yaml", "fargate": "template-fargate.yaml", "ec2": "template-ec2.yaml"}
"""Root template of each compute option. A new option is a line here: its file is cloudformation/<option>/main.yml."""
