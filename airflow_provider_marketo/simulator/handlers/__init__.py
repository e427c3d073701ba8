"""
What the operations do: one module per family of the catalogue.

A handler takes the instance and the :class:`~.request.Request`, whose parameters were checked against the catalogue,
and returns a reply or raises :class:`~.problems.ApiError`. It is registered with :func:`~.routes.answers` under the
operation's name. A new module in this package is found by itself. An operation without a handler is answered with HTTP
501.
"""

from __future__ import annotations

import importlib
import pkgutil


def load() -> None:
    """Import every module of the package, so that it registers what it answers."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
