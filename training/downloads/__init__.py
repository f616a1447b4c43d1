"""Published weights: where they are, fetching them, and the folder that keeps them."""
