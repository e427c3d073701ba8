from tests.operators.loading import governed
from tests.simulated import marketo

__all__ = ["governed", "marketo"]
