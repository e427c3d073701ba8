"""Membership of leads, by their ids, in static lists and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.imports.mirror import ListMirror
from airflow_provider_marketo.imports.request import ImportRequest
from airflow_provider_marketo.imports.sync import SyncImport
from airflow_provider_marketo.imports.targets import STATUS, SYNC
from airflow_provider_marketo.imports.task import ImportWork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.imports.result import ImportDetails
    from airflow_provider_marketo.imports.staged import StagedImport

_OBJECT_TYPES: Mapping[str, str] = {"add": "list_add", "mirror": "list_add", "remove": "list_remove"}


class ListMembersWork(ImportWork):
    """Adds leads to a static list, removes them, or makes the list equal to the input."""

    def request(self) -> ImportRequest:
        """Return the request."""
        return ImportRequest.from_arguments(
            self.arguments, transport=SYNC, object_type=_OBJECT_TYPES[self.arguments["mode"]]
        )

    def send(self, staged: StagedImport) -> ImportDetails:
        """Send all chunks; then, to mirror, remove surplus members."""
        if self.arguments["mode"] != "mirror":
            return super().send(staged)
        mirror = self._mirror(staged)
        SyncImport(staged, self._client, parallel=self._parallel, values={}, there=mirror.has).run()
        staged.keeper.check()  # a task that was killed removes no member
        return mirror.remove()

    def preview(self, staged: StagedImport) -> dict[str, Any]:
        """Return how many members would be added and removed."""
        return self._mirror(staged).preview() if self.arguments["mode"] == "mirror" else {}

    def _mirror(self, staged: StagedImport) -> ListMirror:
        mirror = ListMirror(self._client, self.arguments["list_id"], staged)
        mirror.check(self.arguments["max_removals"])
        return mirror


class ProgramMembersWork(ImportWork):
    """Adds leads to a program, with their status and fields."""

    def request(self) -> ImportRequest:
        """Return the request. A status for all rows becomes a constant, which is checked like a column."""
        constants = dict(self.arguments["constants"] or {})
        if self.arguments["program_member_status"] is not None:
            constants[STATUS] = self.arguments["program_member_status"]
        return ImportRequest.from_arguments(
            self.arguments,
            transport=SYNC,
            object_type="program_members",
            constants=constants,
            program_member_status=None,
        )
