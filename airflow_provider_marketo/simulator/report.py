"""What the simulator saw."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field

from airflow_provider_marketo.simulator.reply import Envelope, Reply


@dataclass(frozen=True)
class Report:
    """
    :param calls: by operation, the refused ones included; ``?`` where no operation could be told.
    :param executed: calls that were carried out, by operation, whether their answer arrived or not.
    :param sent_twice: leads that went through a trigger campaign again, runs of a campaign that were scheduled again
        for the same time, and samples that were sent to an address again.
    :param rejected: calls that ended with an error, by its code; ``HTTP 414`` and the like at the HTTP level.
    :param skipped: records that were skipped inside successful calls, by code.
    :param faults: calls that met a fault on request, by operation.
    :param peak_concurrency: most calls at once.
    :param peak_window: most calls in a rate window.
    :param bytes_downloaded: of export files, over the wire.
    :param violations: what Marketo refuses or puts up with and a careful client does not do, with how often.
    """

    calls: dict[str, int] = field(default_factory=dict)
    executed: dict[str, int] = field(default_factory=dict)
    sent_twice: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    peak_concurrency: int = 0
    peak_window: int = 0
    bytes_downloaded: int = 0
    violations: dict[str, int] = field(default_factory=dict)

    @property
    def total_calls(self) -> int:
        """Calls that count toward Marketo's limits: all but those to identity and data ingestion."""
        return sum(count for name, count in self.calls.items() if not name.startswith(("identity.", "data_ingestion.")))

    def to_json(self) -> str:
        """As one JSON object."""
        return json.dumps({"total_calls": self.total_calls, **asdict(self)}, indent=2)

    def __str__(self) -> str:
        lines = [
            f"{self.total_calls} API calls, at most {self.peak_concurrency} at once and {self.peak_window} in a window"
        ]
        for title, counts in (
            ("calls", self.calls),
            ("rejected calls", self.rejected),
            ("skipped records", self.skipped),
            ("faults on request", self.faults),
            ("protocol violations", self.violations),
        ):
            if counts:
                lines.append(f"{title}:")
                lines += (f"  {count:>7}  {name}" for name, count in sorted(counts.items()))
        if self.bytes_downloaded:
            lines.append(f"{self.bytes_downloaded / 1e6:,.1f} MB of export files downloaded")
        if self.sent_twice:
            lines.append(f"{self.sent_twice} times somebody was sent the same again")
        if not self.violations:
            lines.append("no protocol violations")
        return "\n".join(lines)


@dataclass
class Observations:
    """What a :class:`Report` is made of, while it is counted. Not safe between threads."""

    calls: Counter[str] = field(default_factory=Counter)
    executed: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    bytes_downloaded: int = 0

    def note(self, violation: str) -> None:
        """Something that a careful client does not do."""
        self.violations[violation] += 1

    def count_skipped(self, reply: Reply) -> None:
        """Count the records that a reply says were skipped."""
        if isinstance(reply, Envelope) and isinstance(reply.result, list):
            for record in reply.result:
                if isinstance(record, dict) and record.get("status") == "skipped":
                    self.skipped.update(reason["code"] for reason in record.get("reasons", ()))

    def report(self, peak_concurrency: int, peak_window: int, sent_twice: int) -> Report:
        """Everything up to now."""
        return Report(
            calls=dict(self.calls),
            executed=dict(self.executed),
            sent_twice=sent_twice,
            rejected=dict(self.rejected),
            skipped=dict(self.skipped),
            faults=dict(self.faults),
            peak_concurrency=peak_concurrency,
            peak_window=peak_window,
            bytes_downloaded=self.bytes_downloaded,
            violations=dict(self.violations),
        )
