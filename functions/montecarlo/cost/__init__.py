"""What a run costs and takes."""
