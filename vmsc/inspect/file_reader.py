"""A whole stream: all its bytes -> its entries. QEMU's streams and framed checkpoints alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vmsc.compiler.library import Library
from vmsc.inspect.binder import SectionBinder
from vmsc.inspect.entry import Entry, ParameterSource, SectionValue, located, payload
from vmsc.inspect.values import count_fields, last_sticky
from vmsc.runtime.codec import Buffer
from vmsc.runtime.errors import DecodeError, ParamError
from vmsc.runtime.framed import MAGIC as FRAME_MAGIC
from vmsc.stream.events import MAGIC as STREAM_MAGIC
from vmsc.stream.events import Event, Pages, Section
from vmsc.stream.multifd import is_channel
from vmsc.stream.reader import read_stream
from vmsc.stream.return_path import looks_like_answers
from vmsc.stream.state import Measure, State

__all__ = [
    "Entry",
    "ParameterSource",
    "SectionValue",
    "bad_start",
    "count_fields",
    "entries",
    "is_framed",
    "last_sticky",
    "located",
    "payload",
    "stream_measure",
    "unanswered",
]  # fmt: skip


def is_framed(data: Buffer) -> bool:
    return bytes(data[: len(FRAME_MAGIC)]) == FRAME_MAGIC


def bad_start(data: Buffer) -> DecodeError | None:
    """What is wrong with the beginning of an input that no framed checkpoint is."""
    start = bytes(data[: len(STREAM_MAGIC)])
    if start == STREAM_MAGIC[: len(start)]:
        return None
    message = f"neither a QEMU stream (QEVM) nor a framed checkpoint (VMSF): it begins {start!r}"
    if is_channel(start):
        message = "a channel of multifd, which holds pages alone: `vmsc info` lists its packets"
    elif looks_like_answers(start):
        message = (
            "what a destination answers, perhaps: `vmsc info` lists it; the stream is what the"
        )
        message += f" source sends, and begins with QEVM, not {start!r}"
    return DecodeError(message, offset=0, code="bad-magic")


# --- QEMU's streams -------------------------------------------------------------------------------


def _events(
    data: Buffer, binding: SectionBinder, measure: Measure, room: int | None
) -> Iterator[Event]:
    try:
        yield from read_stream(data, measure, State(room=room))
    except DecodeError as fault:
        raise binding.granted(fault) from None
    except ParamError as fault:
        raise unanswered(fault, binding.answers) from None


def unanswered(fault: ParamError, answers: ParameterSource) -> ParamError:
    """The error, with why the stream's own description did not help."""
    why = answers.silence
    return ParamError(f"{fault.message}; {why}", name=fault.name) if why else fault


def _stream_entries(data: Buffer, binding: SectionBinder, measure: Measure, deep: bool,
                    room: int | None) -> Iterator[Entry]:  # fmt: skip
    view = memoryview(data)
    for event in _events(data, binding, measure, room):
        part: Buffer = b""
        if isinstance(event, Section):
            part = view[event.payload + event.taken : event.payload + event.length]
        elif isinstance(event, Pages):
            part = view[event.payload : event.payload + event.length]
        yield binding.entry(event, part, deep=deep)


def stream_measure(library: Library, answers: ParameterSource) -> Measure:
    """A measure for one stream's sections, for a reader of `stream` that is fed piece by piece."""
    return SectionBinder(library, answers).measure


def entries(
    data: Buffer,
    library: Library,
    answers: ParameterSource,
    *,
    deep: bool = True,
    room: int | None = None,
    around: Callable[[Measure], Measure] = lambda measure: measure,
) -> Iterator[Entry]:
    """The entries of a stream or of a framed checkpoint, in order.

    `deep`: values will be asked for, so sticky state is followed from section to section; else a
    section's length may be what the stream's description says, if its footer agrees. `room`:
    RAM comes in pieces of about so many bytes. `around` may put another measure in front.
    Raises DecodeError and ParamError, located in the file.
    """
    if is_framed(data):
        from vmsc.inspect.framed_reader import frame_entries

        return frame_entries(data, library)
    if (wrong := bad_start(data)) is not None:
        raise wrong
    binding = SectionBinder(
        library, answers, quick=not deep and answers.complete and not answers.given
    )
    return _stream_entries(data, binding, around(binding.measure), deep, room)
