from tests.simulated import marketo

__all__ = ["marketo"]
