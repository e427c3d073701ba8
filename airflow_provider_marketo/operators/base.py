"""What all operators have in common: how much of Marketo a task may use, and the sum of what it has used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class MarketoOperator(BaseOperator):
    """
    An operator whose use of Marketo is counted and may be limited, over all deferrals of a try.

    :param max_calls: calls that a try may make; the one that would be too many is an error and is not made. Calls that
        tidy up, such as cancelling a job, are always made.
    :param max_export_mb: megabytes that a try may export in bulk. No job is started that is expected to pass it; the
        files of those under way are still fetched and published.
    """

    def __init__(self, *, max_calls: int | None = None, max_export_mb: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_calls = max_calls
        self.max_export_mb = max_export_mb

    def defer(self, **how: Any) -> NoReturn:
        """As Airflow's, but what was used goes on being counted after the wait."""
        from airflow_provider_marketo.hooks.usage import keep_usage

        keep_usage()
        super().defer(**how)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Airflow's way back from a deferral."""
        from airflow_provider_marketo.hooks.usage import recall_usage

        recall_usage(context["ti"])
        return super().resume_execution(next_method, next_kwargs, context)
