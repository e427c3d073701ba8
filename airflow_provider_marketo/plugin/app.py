"""
The app behind the page: static files for everyone, facts for users who may see Airflow's plugins.

Airflow does not authenticate requests to a plugin's app, so the router does it for every route. The app only reads
Airflow's database: it never calls Marketo and never reads the secret of a connection.
"""

# The annotations of routes are read at run time, so this module has no `from __future__ import annotations`.
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.staticfiles import StaticFiles

from airflow_provider_marketo.airflow_compat import (
    AccessView,
    GetUserDep,
    SessionDep,
    get_auth_manager,
    requires_access_view,
)
from airflow_provider_marketo.status.facts import collect

_STATIC = Path(__file__).parent / "static"

router = APIRouter(dependencies=[Depends(requires_access_view(AccessView.PLUGINS))])


@router.get("/facts")
def facts(session: SessionDep, user: GetUserDep, response: Response) -> dict[str, Any]:
    """Return what Airflow's database knows about Marketo, without the rows of DAGs that the user may not read."""
    response.headers["Cache-Control"] = "no-store"
    return collect(session, dag_ids=get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))


@cache
def make_app() -> FastAPI:
    """Return the app. Airflow asks for it more than once."""
    app = FastAPI(title="Marketo", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.include_router(router)
    return app
