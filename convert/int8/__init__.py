"""Post-training quantization: where, by which scales, how well; and the Q/DQ nodes that say so in a graph."""
