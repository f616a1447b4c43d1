"""The network, its published parameter names, and Paddle itself."""
