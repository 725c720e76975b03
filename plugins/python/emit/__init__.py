"""The bodies of generated functions: steps of a plan -> lines of Python.

An emitter holds the function that it writes and nothing that changes. What a node must know of its
surroundings, what follows it and where its scan is noted, is handed down to it as a `Tail`.

`function` has what all share; `reader`, `runs`, `sequences`, `choice`, `subsections` and `resume`
the code that several readers write alike; `qemu_decode`, `qemu_scan` and `framed_decode` are the
readers; `writer` and `qemu_write`, `framed_encode` write.
"""
