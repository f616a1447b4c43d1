"""Live classification: sources captured in processes of their own, one engine, decisions, sinks.

    source (a process) -> grid -> slot -> queue -> engine -> window -> smoothing, events -> sinks

Each room imports those above it alone:

room          what
------------  ---------------------------------------------------------------------------------------------------
`sources/`    the grammar of sources, and one file a kind: its options, its opening, its frames
`recording/`  pictures for people: annotated videos, previews
`capture/`    the process of one connection, and its protocol: opening, decoding, sampling, recording
`actions/`    what the frames of one stream mean: window, smoothing, thresholds, events; the messages about it
`health/`     how streams and sinks are doing
`sinks/`      where results go, one file a kind
`pipeline/`   streams from their adding to their end: the thread of each, queues, one engine for all of them
`run/`        one run of the command
"""
