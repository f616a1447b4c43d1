"""Where a stream's results go: what a sink is, the worker that runs it, the kinds of sinks, and the web page.

To add a kind: a file with a `base.Sink` and a subclass of `kind.SinkKind`, and a line in `registry.SINKS`; in
another package, an entry point of the group `pptsn.sinks` instead of the line.
"""
