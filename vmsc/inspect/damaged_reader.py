"""A damaged stream -> its entries, as many as can be found, and what lies between them.

Law: nothing is passed over in silence. Each payload whose end was guessed, and each gap, is told.
"""

from __future__ import annotations

from collections.abc import Iterator

from vmsc.compiler.library import Library
from vmsc.inspect.binder import SectionBinder
from vmsc.inspect.entry import Entry, ParameterSource
from vmsc.runtime.codec import Buffer
from vmsc.stream.events import Event, Gap, Section
from vmsc.stream.resync import Resync, read_resynced

__all__ = ["resynced"]


def resynced(
    data: Buffer, library: Library, answers: ParameterSource, gaps: list[str]
) -> Iterator[Entry]:
    """The entries; a message for each place that could not be read is put into `gaps`.

    A section whose payload could not be read has no codec: it is bytes.
    """
    binding = SectionBinder(library, answers)
    measure = Resync(binding.measure)
    told = 0
    for event in read_resynced(data, measure):
        for guess in measure.guesses[told:]:
            gaps.append(f"{guess.reason}; {guess.length} bytes up to the footer are left")
        if len(measure.guesses) > told:
            told = len(measure.guesses)
            yield Entry(event, _payload(event, data))
            continue
        if isinstance(event, Gap):
            gaps.append(f"{event.reason}; {event.size} bytes up to the next header are left")
        yield binding.entry(event, _payload(event, data), deep=True)


def _payload(event: Event, data: Buffer) -> Buffer:
    if not isinstance(event, Section):
        return b""
    return memoryview(data)[event.payload : event.payload + event.length]
