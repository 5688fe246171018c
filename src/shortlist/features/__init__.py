"""Features: one definition, two paths, the same bits; the heart of Shortlist.

`plan` turns a declaration into tracks; `resolve` turns the log's rows into each track's stream;
`online` folds the streams as they come; `offline` computes the same folds for every past request.
"""
