"""The guard: a proxy between COLO's two sides (asyncio, files, QMP) around `guard.colo`."""
