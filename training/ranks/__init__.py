"""A training or an evaluation by several processes, the ranks, that Paddle's launcher starts: one a card."""
