"""
Handlers, which answer the operations of the REST API.

A handler takes the instance and a :class:`~.request.Request`, whose parameters were checked against the catalogue. It
returns a reply or raises :class:`~.problems.ApiError`. The decorator :func:`~.routes.answers` registers it for one or
more operations. :func:`load` finds every module of this package. The simulator answers an operation without a handler
with HTTP 501.
"""

from __future__ import annotations

import importlib
import pkgutil


def load() -> None:
    """Import every module of the package, which registers its handlers."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
