"""What the broker needs to know; :mod:`node` fills it from the node's configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from broker.source import InformationSource
from broker.standing import StandingRules
from grid.errors import ConfigurationError

MIN_MEMORY = 256 << 20
"""Bytes; less does not even hold the program that buys."""


@dataclass(frozen=True)
class BrokerSettings:
    """Settings of the workload manager.  Times are seconds.

    :ivar database_url: the database that WMProxy and broker share.
    :ivar control_socket: Unix socket on which the broker answers match requests.
    :ivar doorbell: Unix datagram socket that is rung when a request was queued.
    :ivar information_sources: the BDIIs, the one that counts most first.
    :ivar picture_directory: where the last good answers of the sources are kept; None for nowhere.
    :ivar refresh_period: between two looks at what changes by the minute (states of queues).
    :ivar full_refresh_period: between two purchases of everything that the sources publish.
    :ivar entry_lifetime: how long an element is shown after it was last seen.
    :ivar purchase_memory: bytes that the purchase from one source may take.
    :ivar host_credential: PEM with certificate and key of this host (status queries to the CEs).
    :ivar certificate_directory: trusted CAs with their CRLs.
    :ivar host: this host's name, written into events.
    :ivar match_retry_period: between two attempts to match a waiting request (gLite ``MatchRetryPeriod``).
    :ivar expiry_period: how long a request may wait (gLite ``ExpiryPeriod``).
    :ivar max_retry_count: upper bound of a user's RetryCount (gLite ``MaxRetryCount``).
    :ivar max_infrastructure_failures: resubmissions after failures that are not the user's fault.
    :ivar fewest_released_nodes: nodes of one compound job that may be with the computing elements, or on their way
        there, however few slots are known; with more slots there may be two for each.
    :ivar most_released_nodes: the upper bound of that.
    :ivar wms_requirements: what the WMS demands of every element; empty for :data:`broker.wms_requirements.TERMS`.
    :ivar blacklist: regular expressions of CE ids (and views) that are left out (gLite ``IsmBlackList``).
    :ivar ce_forward_parameters: attributes of elements on which requirements are forwarded to the batch system.
    :ivar propagate_to_lrms: what the batch system is told besides, each ``[ name; value; requires ]``.
    :ivar success_window: how far back attempts count in an element's standing (:mod:`broker.standing`).
    :ivar hold_after_failures: failures in succession after which an element is set aside.
    :ivar hold: for how long the first time; :ivar longest_hold: for how long at the most.
    :ivar information_delay: how old what the information system says may be when it is bought.
    :ivar catalogues: URLs of catalogues of files (DataLocationInterface), asked after those that are published.
    :ivar catalogue_timeout: for one question to a catalogue (gLite ``dli_si_catalog_timeout``).
    :ivar catalogues_of_jobs: whether addresses that only jobs name are asked, if they are public.
    :ivar catalogue_hosts: hosts that jobs may name though their addresses are not public.
    :ivar vo_shares: ``vo=number``, by which virtual organisations share the broker's steps (:mod:`broker.shares`).
    :ivar ce_lost_after: silence of a CE after which its jobs count as lost.
    """

    database_url: str
    control_socket: Path
    doorbell: Path
    information_sources: tuple[InformationSource, ...]
    host_credential: Path
    certificate_directory: Path
    journal_directory: Path
    interlogger_doorbell: Path
    host: str = "localhost"
    worker_threads: int = 5
    picture_directory: Path | None = None
    refresh_period: float = 60.0
    full_refresh_period: float = 300.0
    entry_lifetime: float = 900.0
    purchase_memory: int = 2 << 30
    match_retry_period: float = 300.0
    expiry_period: float = 86_400.0
    max_retry_count: int = 10
    max_infrastructure_failures: int = 10
    fewest_released_nodes: int = 20
    most_released_nodes: int = 1000
    ce_timeout: float = 60.0
    ce_poll: float = 20.0
    ce_lost_after: float = 21_600.0
    infrastructure_delay: float = 2.0
    success_window: float = 3600.0
    hold_after_failures: int = 3
    hold: float = 30.0
    longest_hold: float = 1800.0
    information_delay: float = 10.0
    wms_requirements: str = ""
    catalogues: tuple[str, ...] = ()
    catalogue_timeout: float = 10.0
    catalogues_of_jobs: bool = True
    catalogue_hosts: tuple[str, ...] = ()
    blacklist: tuple[str, ...] = field(default=())
    ce_forward_parameters: tuple[str, ...] = ()
    propagate_to_lrms: tuple[str, ...] = ()
    vo_shares: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        named = [(each.url, each.base) for each in self.information_sources]
        if len(set(named)) < len(named):
            raise ConfigurationError("[[broker.source]]: one information source is named twice")
        if not 0 < self.refresh_period <= self.full_refresh_period:
            raise ConfigurationError(
                "[broker] refresh must be more than 0 s and at most full_refresh, "
                f"not {self.refresh_period:g} s and {self.full_refresh_period:g} s"
            )
        if self.entry_lifetime <= self.refresh_period:
            raise ConfigurationError(
                f"[broker] entry_lifetime must be more than refresh, or all elements are gone between two looks; "
                f"it is {self.entry_lifetime:g} s"
            )
        if self.purchase_memory < MIN_MEMORY:
            raise ConfigurationError(
                f"[broker] purchase_memory must be {MIN_MEMORY >> 20} MiB or more, not {self.purchase_memory >> 20} MiB"
            )

    @property
    def standing_rules(self) -> StandingRules:
        """The numbers by which elements are judged."""
        return StandingRules(self.success_window, self.hold_after_failures, self.hold, self.longest_hold)
