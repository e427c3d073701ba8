"""The report: which calls the simulator received and how it answered them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field

from airflow_provider_marketo.simulator.reply import Envelope, Reply

_ELSEWHERE = ("identity.", "data_ingestion.", "ims.", "journal.")


@dataclass(frozen=True)
class Report:
    """
    Everything that a simulator has counted.

    :param calls: calls by operation, including refused calls; ``?`` stands for calls of no known operation.
    :param executed: calls that ran, by operation, whether or not their answer arrived.
    :param sent_twice: how many times something ran twice: a lead in a trigger campaign, a scheduled run at one time, a
        sample to one address.
    :param rejected: failed calls by error code; ``HTTP 414`` and the like at the HTTP level.
    :param skipped: records skipped inside successful calls, by code.
    :param faults: calls that met an injected fault, by operation.
    :param peak_concurrency: largest number of calls at once.
    :param peak_window: largest number of calls in a rate window.
    :param bytes_downloaded: bytes of export files that were sent.
    :param violations: requests that a careful client does not send, whether or not Marketo accepts them.
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
        """Calls that count toward Marketo's limits: all except identity, data ingestion, IMS and the journal."""
        return sum(count for name, count in self.calls.items() if not name.startswith(_ELSEWHERE))

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        return json.dumps({"total_calls": self.total_calls, **asdict(self)}, indent=2)

    def __str__(self) -> str:
        calls = "1 API call" if self.total_calls == 1 else f"{self.total_calls} API calls"
        lines = [f"{calls}, at most {self.peak_concurrency} at once and {self.peak_window} in a window"]
        for title, counts in (
            ("calls", self.calls),
            ("rejected calls", self.rejected),
            ("skipped records", self.skipped),
            ("injected faults", self.faults),
            ("protocol violations", self.violations),
        ):
            if counts:
                lines.append(f"{title}:")
                lines += (f"  {count:>7}  {name}" for name, count in sorted(counts.items()))
        if self.bytes_downloaded:
            lines.append(f"{self.bytes_downloaded / 1e6:,.1f} MB of export files downloaded")
        if self.sent_twice:
            lines.append(f"{self.sent_twice} sent twice: a lead, a campaign run or a sample")
        if not self.violations:
            lines.append("no protocol violations")
        return "\n".join(lines)


@dataclass
class Observations:
    """The counters behind a :class:`Report`. Not thread-safe."""

    calls: Counter[str] = field(default_factory=Counter)
    executed: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    bytes_downloaded: int = 0

    def note(self, violation: str) -> None:
        """Count something that a careful client does not do."""
        self.violations[violation] += 1

    def count_skipped(self, reply: Reply) -> None:
        """Count the records that a reply says were skipped."""
        if isinstance(reply, Envelope) and isinstance(reply.result, list):
            for record in reply.result:
                if isinstance(record, dict) and record.get("status") == "skipped":
                    self.skipped.update(reason["code"] for reason in record.get("reasons", ()))

    def report(self, peak_concurrency: int, peak_window: int, sent_twice: int) -> Report:
        """Return everything counted so far."""
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
