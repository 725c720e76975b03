"""vmsc, the compiler for device state.

Imports nothing: a program that imports a generated codec loads `vmsc.runtime` and no more.
"""

from pathlib import Path

__all__ = ["VmscError", "__version__"]

# In a source tree grammars/, plugins/ and schemas/ stand beside this package; a wheel has them
# inside it.
_tree = Path(__file__).resolve().parent.parent
if (_tree / "pyproject.toml").is_file() and (_tree / "grammars").is_dir():
    __path__.append(str(_tree))

__version__ = "0.1.0"


class VmscError(Exception):
    """What vmsc raises when its input, or its use, is wrong: the base of every error that a caller
    may want to catch. Its text says what was found, what was expected, and the way out.

    Of vmsc's own mistakes it is not the base: those are AssertionError and the like.
    """
