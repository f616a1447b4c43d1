"""A real RTSP server that breaks on request, and what the tests do with it."""
