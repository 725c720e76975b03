"""A recording proxy on loopback between two QEMUs: what each side sent, connection by connection.

Connections are accepted one at a time and in order, each joined to the target before the next:
QEMU takes the first for the main channel. Every wait has a limit.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["Proxy", "Talk", "recording"]

_PIECE = 1 << 16
_PATIENCE = 120.0  # seconds; a migration that says nothing for so long is dead


@dataclass
class Talk:
    """One connection: what the side that called sent, and what it was answered."""

    sent: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)


@dataclass
class Proxy:
    """A port that QEMU migrates to, and the connections that there were."""

    port: int
    talks: list[Talk] = field(default_factory=list)
    ends: list[socket.socket] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"tcp:127.0.0.1:{self.port}"

    def finish(self, timeout: float = 30.0) -> list[Talk]:
        """The connections, once both sides of each have ended."""
        for thread in list(self.threads):
            thread.join(timeout)
        return self.talks

    def cut(self) -> None:
        """End all connections here and now."""
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, target: socket.socket, record: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(_PIECE):
            record += data
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _serve(proxy: Proxy, listener: socket.socket, target: int) -> None:
    with suppress(OSError):
        while True:
            caller, _ = listener.accept()
            answerer = socket.create_connection(("127.0.0.1", target), timeout=_PATIENCE)
            caller.settimeout(_PATIENCE)
            talk = Talk()
            proxy.talks.append(talk)
            proxy.ends += [caller, answerer]
            for pump in (
                threading.Thread(target=_pump, args=(caller, answerer, talk.sent), daemon=True),
                threading.Thread(target=_pump, args=(answerer, caller, talk.answered), daemon=True),
            ):
                proxy.threads.append(pump)
                pump.start()


@contextmanager
def recording(target: int) -> Iterator[Proxy]:
    """A proxy to this port on loopback, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener.getsockname()[1])
        server = threading.Thread(target=_serve, args=(proxy, listener, target), daemon=True)
        server.start()
        try:
            yield proxy
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            proxy.cut()
            server.join(10)
            for end in proxy.ends:
                end.close()
