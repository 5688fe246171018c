"""Stages: one small file each; a new one needs no list to be edited, only its file and its name.

`sources/` propose, `filters/` drop, `rankers/` score, `rerankers/` order. Stages never import each
other; `contract` says what they are, and `arguments`, `histories`, `groups`, `order` hold what they share.
"""
