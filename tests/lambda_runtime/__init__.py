"""What the functions find in Lambda: its Python, and the libraries of its managed layer without what they lack."""
