from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.client.tabular.transforming import Output

# How long an example takes says nothing on a machine that does other things, too.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
def output(tmp_path) -> Output:
    return Output(tmp_path / "out")
