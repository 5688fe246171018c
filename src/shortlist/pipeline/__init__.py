"""The engine of a surface: order, deadlines, fallbacks, trace. It knows no use case.

`funnel` runs one request through the phases `retrieve`, `narrow`, `rank`, `rearrange`; each runs on a
`lane`, so that the engine can stop waiting. `record` is what happened; `answer` and `why_not` read it.
"""
