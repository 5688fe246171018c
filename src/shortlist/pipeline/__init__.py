"""The engine of a surface: order, deadlines, fallbacks, trace. It knows no use case.

`bind` makes functions of a surface's stages, `funnel` answers with them. A request is a `passage` through
four phases: `retrieve` (and `merge`), `narrow`, `rank`, `rearrange`. One worker of a `crew` walks it; at
each `deadline` its `leg` is taken from a worker that is stuck, and what `standby` keeps stands in when all
else fails. `record` is what happened; `answer` and `why_not` read it.
"""
