"""The framed container: frames, contexts and whole checkpoints (docs/framed-format.md).

No codec needs it: a generated module never loads it.
"""
