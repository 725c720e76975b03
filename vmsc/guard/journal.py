"""Journal: what the guard does, as events with names and fields: JSON lines, and metrics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, Any

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

__all__ = ["Metrics", "Tell", "json_lines"]

Tell = Callable[..., None]
"""tell(event, **fields)"""

_PROOF = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
_PAUSE = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def json_lines(out: IO[str], lost: Callable[[str], None]) -> Tell:
    """Write each event as a line: time (UTC), event, its fields. An output that fails must not end
    what is told of: `lost` gets why, once, and what can be written later is.
    """
    failed = False

    def tell(event: str, **fields: Any) -> None:
        nonlocal failed
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = msgspec.json.encode(_plain({"time": time, "event": event, **fields}))
        try:
            out.write(line.decode() + "\n")
            out.flush()
        except OSError as fault:
            if not failed:
                lost(f"events are lost: {fault.strerror}")
            failed = True

    return tell


def _plain(value: Any) -> Any:
    """The value with its texts fit for UTF-8: a name that a primary says may be any bytes."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value


class Metrics:
    """Counts events, and serves the counts in Prometheus's text format."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()
        self._epoch = Gauge("vmsc_guard_epoch", "Checkpoint that the secondary is at", registry=own)
        self._protected = Gauge(
            "vmsc_guard_protected", "1 while checkpoints are taken", registry=own
        )
        self._checkpoints = Counter(
            "vmsc_guard_checkpoints", "Checkpoints by what became of them", ["state"], registry=own
        )
        self._bytes = Counter("vmsc_guard_bytes", "Bytes of proven checkpoints", registry=own)
        self._refusals = Counter(
            "vmsc_guard_refusals", "What was refused, by reason", ["reason"], registry=own
        )
        self._ends = Counter(
            "vmsc_guard_ends", "Sessions by how they ended", ["outcome"], registry=own
        )
        self._proof = Histogram(
            "vmsc_guard_proof_seconds", "From a checkpoint's last byte to its proof",
            buckets=_PROOF, registry=own,
        )  # fmt: skip
        self._pause = Histogram(
            "vmsc_guard_secondary_pause_seconds", "From the secondary's reply to vmstate-loaded",
            buckets=_PAUSE, registry=own,
        )  # fmt: skip
        self._kept = Counter("vmsc_guard_kept", "Checkpoints stored", registry=own)
        self._unkept = Counter("vmsc_guard_not_kept", "Checkpoints not stored", registry=own)

    def serve(self, host: str, port: int) -> tuple[int, Callable[[], None]]:
        """Answer on this address; its port, and what ends it. Raises OSError."""
        server, thread = start_http_server(port, host, self.registry)

        def end() -> None:
            server.shutdown()
            server.server_close()
            thread.join(5)

        return server.server_port, end

    def tell(self, event: str, **fields: Any) -> None:
        """Count an event. Events that nothing counts are passed over."""
        match event:
            case "protected":
                self._protected.set(1)
                self._epoch.set(0)
            case "proven":
                self._bytes.inc(fields["bytes"])
                self._proof.observe(fields["seconds"])
                self._checkpoints.labels(event).inc()
            case "committed":
                self._checkpoints.labels(event).inc()
            case "applied":
                self._pause.observe(fields["pause"])
                self._epoch.set(fields["epoch"])
                self._checkpoints.labels(event).inc()
            case "connection-refused":
                self._refusals.labels(fields["reason"]).inc()
            case "kept":
                self._kept.inc()
            case "not-kept":
                self._unkept.inc()
            case "ended":
                self._protected.set(0)
                self._ends.labels(fields["outcome"]).inc()
                if fields["outcome"] == "refused":
                    self._refusals.labels(fields["reason"]).inc()
