"""The hooks that a plugin may implement. Each returns records of `vmsc.hooks`; all are called once,
when vmsc starts.

A plugin is a module (or an object) with functions of these names under `@vmsc.hooks.hook`,
found by the entry-point group `vmsc.plugins`, or given with `-p FILE|MODULE`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from vmsc.hooks.records import Backend, Check, Importer, SectionHandler, Transform, WireType

__all__ = ["PROJECT", "hook", "spec"]

PROJECT = "vmsc"
spec = pluggy.HookspecMarker(PROJECT)
hook = pluggy.HookimplMarker(PROJECT)


@spec
def vmsc_backends() -> Sequence[Backend]:
    """What `vmsc compile --backend NAME` can write."""
    return ()


@spec
def vmsc_types() -> Sequence[WireType]:
    """Wire types that a field may name: how a device with open-coded get()/put() is added."""
    return ()


@spec
def vmsc_transforms() -> Sequence[Transform]:
    """Pairs of functions for `via`."""
    return ()


@spec
def vmsc_sections() -> Sequence[SectionHandler]:
    """Codecs for sections that no description covers."""
    return ()


@spec
def vmsc_checks() -> Sequence[Check]:
    """More checks, with codes of their own."""
    return ()


@spec
def vmsc_importers() -> Sequence[Importer]:
    """More sources of descriptions."""
    return ()
