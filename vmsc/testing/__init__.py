"""What a backend or a codec is tested with: an oracle that shares no code with the compiler.

`interpreter` reads schema text and answers what a codec of it must answer. `schemas` draws schema
text at random, `comparison` holds codecs against the interpreter, and `python -m vmsc.testing` does
so for thousands of schemas.
"""
