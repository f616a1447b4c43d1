"""Live classification: sources captured in processes of their own, one engine, decisions, sinks.

    source (a process) -> grid -> queue -> engine -> window -> smoothing -> prediction, events -> sinks

`uri` says what can be a source, `capture` runs in the process of one, `supervisor` starts and restarts it,
`pipeline` puts all together, `sinks` is where results go.
"""
