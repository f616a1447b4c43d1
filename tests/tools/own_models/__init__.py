"""What a model of one's own costs."""
