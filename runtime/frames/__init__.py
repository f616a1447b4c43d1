"""Which frames the network looks at, and what becomes of a frame: sampling, the time grid, resizing, crops."""
