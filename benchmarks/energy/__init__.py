"""Energy that a piece of work takes, as far as the machine can tell: NVML, RAPL, a Jetson's own sensors."""
