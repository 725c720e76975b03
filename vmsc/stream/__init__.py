"""QEMU streams, sans-IO: bytes -> events -> bytes. Of vmsc, imports `vmsc.runtime` alone."""
