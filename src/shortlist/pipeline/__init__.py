"""The engine of a surface: order, deadlines, fallbacks, trace. It knows no use case.

`funnel` asks the sources (`retrieve`, `merge`) and sends what they propose on its `course`: `narrow`,
`rank`, `rearrange`. All of it runs on a `crew` of threads, so that the engine can stop waiting at a
`deadline`. `record` is what happened; `answer` and `why_not` read it.
"""
