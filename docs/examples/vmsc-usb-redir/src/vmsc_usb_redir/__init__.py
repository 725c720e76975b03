"""The wire types of a redirected USB device, for vmsc.

The hook stands in `plugin`, the codecs in `codec`: generated code imports that alone.
"""
