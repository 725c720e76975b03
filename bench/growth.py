"""How much longer ten times as much takes: to check, to compile and to decode.

Each shape of `growth_shapes` grows in one way: descriptions, depth, terms, arms, fields, lets,
elements. The gate is 1.3 times linear between two sizes of which one is ten times the other. Each
shape is measured in a process of its own, with limits of time and memory, so that one that doubles
with each line is reported and the rest goes on. Then sections of a stream, in the same way, and the
times that are promised for a large schema and a long stream.

All times are of the processor, the least of a few runs: other work on the machine counts little.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from measure import row

if TYPE_CHECKING:
    from growth_shapes import Shape

    from vmsc.compiler.driver import Compiled
    from vmsc.hooks.host import Host

ROOT = Path(__file__).resolve().parent.parent
VMSC = Path(sys.executable).parent / "vmsc"
TIMES = 10
GATE = 1.3 * TIMES
LIMIT, MEMORY = 100, 4 << 30  # seconds and bytes for one shape
NOISE = 2e-5  # seconds; what takes less is not compared
STAGES = ("check", "compile", "decode")

Seconds = dict[str, float]  # by stage


# --- a shape, in a process of its own -------------------------------------------------------------


def least(task: Callable[[], object]) -> float:
    """The least seconds of a few runs, each long enough to be measured."""
    count = 1
    found: list[float] = []
    gc.collect()
    gc.disable()
    try:
        while len(found) < 5 and sum(found) < 2:
            start = time.process_time()
            for _ in range(count):
                task()
            taken = time.process_time() - start
            if taken < 0.02:
                count *= 4
            else:
                found.append(taken)
    finally:
        gc.enable()
    return min(found) / count


def compiled_of(text: str, host: Host) -> Compiled:
    from vmsc.compiler.driver import analyse
    from vmsc.schema.diagnostics import Report, as_text
    from vmsc.schema.syntax.loader import load_text

    report = Report()
    loaded = load_text(text, report, "bench_growth")
    compiled = None if report.failed else analyse(loaded, host, report)
    assert compiled is not None, as_text(report)
    return compiled


def measured(shape: Shape, size: int, host: Host) -> Seconds:
    """The seconds of each stage that the shape has."""
    from vmsc.compiler.driver import generate, load_modules
    from vmsc.schema.diagnostics import Report, as_text

    text = shape.text(size)
    compiled = compiled_of(text, host)

    def compile_() -> list[tuple[str, str]]:
        report = Report()
        artifacts = generate(compiled, host.backends["python"], host, report)
        assert not report.failed, as_text(report)
        for each in artifacts:
            compile(each.text, each.path, "exec")
        return [(each.path, each.text) for each in artifacts]

    found = {
        "check": least(lambda: compiled_of(text, host)),
        "compile": least(compile_),
    }
    values = shape.values(size)
    if values:
        artifacts = generate(compiled, host.backends["python"], host, Report())
        codecs = load_modules(artifacts, f"bench_growth_{size}")["bench_growth"].CODECS
        pairs = [(codecs[name].qemu.decode, data) for name, data in values]
        found["decode"] = least(lambda: [decode(data) for decode, data in pairs])
    return found


def streamed(shape: str, size: int, host: Host) -> Seconds:
    """The seconds of `vmsc verify` on a stream of as many sections."""
    from growth_shapes import STREAMS

    from vmsc.cli import cli

    schema, bytes_of = STREAMS[shape]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        path, schemas = Path(folder) / "stream", Path(folder) / "schemas"
        schemas.mkdir()
        (schemas / "unit.vmsd").write_text(schema)
        path.write_bytes(bytes_of(10))
        arguments = ["verify", "-s", str(schemas), str(path)]
        with contextlib.redirect_stdout(io.StringIO()):
            cli.main(arguments, standalone_mode=False)  # fills the cache
            path.write_bytes(bytes_of(size))
            start = time.process_time()
            cli.main(arguments, standalone_mode=False)
        return {"decode": time.process_time() - start}


def child(name: str) -> None:
    """Measure one shape, and print what was found."""
    from growth_shapes import SHAPES, STREAMS

    from vmsc.hooks.host import load_host

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    host = load_host()
    if name in STREAMS:
        sizes = [streamed(name, size, host) for size in (2000, 2000 * TIMES)]
    else:
        compiled_of("struct A { a: u8 }", host)  # loads the grammar
        shape = SHAPES[name]
        sizes = [measured(shape, size, host) for size in (shape.small, shape.small * TIMES)]
    print(json.dumps(sizes))


# --- the table ------------------------------------------------------------------------------------


def of_shape(name: str) -> tuple[Seconds, Seconds] | str:
    """The seconds at the two sizes, or why there are none."""
    command = [sys.executable, __file__, "--shape", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return f"no end in {LIMIT} seconds"
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or ["no message"])[-1][:120]
    small, large = json.loads(done.stdout.splitlines()[-1])
    return small, large


def ratios(small: Mapping[str, float], large: Mapping[str, float]) -> Seconds:
    return {s: large[s] / max(small[s], NOISE) for s in STAGES if s in large}


def shape_row(name: str) -> bool:
    """Measure a shape, print its line; whether its gates hold. What misses one is tried again."""
    for _ in range(3):
        found = of_shape(name)
        if isinstance(found, str):
            print(f"{name:32} {found}: MISSED", flush=True)
            return False
        small, large = found
        times = ratios(small, large)
        if good := all(ratio <= GATE for ratio in times.values()):
            break
    cells = [
        f"{small[s] * 1e3:9.2f} {large[s] * 1e3:9.2f} {times[s]:6.1f}"
        if s in times else " " * 26 for s in STAGES
    ]  # fmt: skip
    print(f"{name:32}" + "".join(cells) + ("   good" if good else "   MISSED"), flush=True)
    return good


# --- what is promised -----------------------------------------------------------------------------


def spent(arguments: list[str], folder: Path) -> tuple[float, int]:
    """Seconds of the processor and most bytes of memory of a command, its cache being empty."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    child_ = subprocess.Popen([VMSC, *arguments], stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(child_.pid, 0)
    child_.returncode = os.waitstatus_to_exitcode(status)
    assert child_.returncode == 0, arguments
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10


def promised() -> list[bool]:
    from growth_shapes import STREAMS, thirteen

    good = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        schemas = folder / "schemas"
        schemas.mkdir()
        for part in range(20):
            text = "".join(thirteen(number) for number in range(part * 500, part * 500 + 500))
            (schemas / f"part{part}.vmsd").write_text(text)
        checked, memory = spent(["check", str(schemas)], folder)
        compiled, more = spent(["compile", str(schemas), "-o", str(folder / "out")], folder)
        what = "10,000 descriptions of 13 fields in 20 files"
        good.append(row(f"vmsc check, {what}", checked, 15, "seconds"))
        good.append(row(f"vmsc compile, {what}", compiled, 20, "seconds"))
        good.append(row("most memory of both", max(memory, more) / (1 << 30), 1, "GiB"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "schemas").mkdir()
        for shape, (schema, bytes_of) in STREAMS.items():
            if "param " in schema:
                continue  # solving one for each section takes longer; that it grows is seen above
            (folder / "schemas" / "unit.vmsd").write_text(schema)
            (folder / "stream").write_bytes(bytes_of(100_000))
            arguments = ["verify", "-s", str(folder / "schemas"), str(folder / "stream")]
            spent(["size", str(folder / "schemas")], folder)
            verified, _ = spent(arguments, folder)
            good.append(row(f"vmsc verify, 100,000 {shape}", verified, 5, "seconds"))
    return good


def main() -> int:
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    if sys.argv[1:2] == ["--shape"]:
        child(sys.argv[2])
        return 0
    from growth_shapes import SHAPES, STREAMS

    chosen = sys.argv[1:]
    heads = "".join(f"{stage:>9} {'x ' + str(TIMES):>9} {'times':>6}" for stage in STAGES)
    print(f"milliseconds at a size and at {TIMES} times that; at most {GATE:g} times wanted")
    print(f"{'':32}{heads}")
    names = [n for n in (*SHAPES, *STREAMS) if not chosen or any(c in n for c in chosen)]
    good = [shape_row(name) for name in names]
    good += [] if chosen else promised()
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
