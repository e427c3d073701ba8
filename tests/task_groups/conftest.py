from tests.operators.importing import governed
from tests.simulated import marketo

__all__ = ["governed", "marketo"]
