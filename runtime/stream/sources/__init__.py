"""What a stream comes from: the grammar of addresses, and one file a kind."""
