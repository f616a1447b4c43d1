"""Live classification: sources captured in processes of their own, one engine, decisions, sinks.

    source (a process) -> grid -> slot -> queue -> engine -> window -> smoothing, events -> sinks

where                       what
--------------------------  -----------------------------------------------------------------------------------
`uri`, `source_options`     the grammar of sources
`capture/`                  the process of one connection: opening, decoding, sampling, recording
`supervisor`                the thread of one stream: starts such processes, watches, ends and restarts them
`queues`, `inference`,      frames of all streams through one engine
`engine_loop`
`analysis`, `window`,       what the frames of one stream mean
`decisions`
`stream`, `pipeline`        a stream from its adding to its end; all of them
`sinks/`                    where results go
`live`, `cli`               the command
"""
