"""vmsc, the compiler for device state.

Imports nothing: a program that imports a generated codec loads `vmsc.runtime` and no more.
"""

from pathlib import Path

# In a source tree grammars/, plugins/ and schemas/ stand beside this package; a wheel has them
# inside it.
_tree = Path(__file__).resolve().parent.parent
if (_tree / "pyproject.toml").is_file() and (_tree / "grammars").is_dir():
    __path__.append(str(_tree))

__version__ = "0.1.0"
