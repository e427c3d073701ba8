from __future__ import annotations

import pytest

from tests.client.tabular.transforming import Output


@pytest.fixture
def output(tmp_path) -> Output:
    return Output(tmp_path / "out")
