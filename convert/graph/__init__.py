"""The deployment graph: made from Paddle's network, taken apart, sealed in a file."""

# Of the names, in a deployment graph, of everything that belongs to the per-view network.
NETWORK_PREFIX = "network/"
