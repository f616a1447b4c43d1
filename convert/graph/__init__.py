"""The deployment graph: made from Paddle's network, taken apart, sealed in a file."""
