"""Random schemas as a strategy of hypothesis, for tests of one's own: `pip install vmsc[testing]`.

@given(schemas())
def test_my_backend(texts: Texts) -> None: ...
"""

from __future__ import annotations

from hypothesis import strategies as st

from vmsc.testing.schemas.choices import Choices
from vmsc.testing.schemas.files import Texts, draw_schema

__all__ = ["schemas"]


@st.composite
def schemas(draw: st.DrawFn, plain: bool = False) -> Texts:
    """Valid schemas over the whole language; `plain`: with names that collide with nothing."""
    return draw_schema(Choices(lambda n: draw(st.integers(0, n - 1)), plain))
