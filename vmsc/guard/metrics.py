"""Metrics: the guard's events counted, and served in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

__all__ = ["Metrics"]


_PROOF = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


_PAUSE = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


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
