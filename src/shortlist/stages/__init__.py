"""Stages: one small file each; a new one needs no list to be edited, only its file and its name.

`sources/` propose, `filters/` drop, `rankers/` score, `rerankers/` order. Stages never import each
other; `contract` says what they are, the other files of this folder are what they share.
"""
