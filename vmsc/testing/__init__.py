"""What a backend or a codec is tested with: an oracle that shares no code with the compiler.

`interpreter` reads schema text and answers what a codec of it must answer.
"""
