"""What a step of training is: losses, gradients, the optimiser, mixed precision, and how divergence shows."""
