"""The server: events in, answers out, over HTTP; one process, one log, one release at a time.

`server` runs it. `service` is what the routes share: the log, the online state, the loaded release.
`router` turns ASGI into handlers; `ingest`, `recommend`, `items` and `health` are the handlers.
"""
