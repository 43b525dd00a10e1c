"""What makes the stacks ready for their users: the console's file, its publisher, packages in a bucket."""
