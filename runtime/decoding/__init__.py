"""From sources to sampled, resized frames: in this process, or in a pool of others."""
