"""What proves this project's own claims; not installed."""
