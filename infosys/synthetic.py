"""A made-up grid: as large as one wants, plausible, heterogeneous, valid, and the same again for the same seed.

For demonstrations, tests and measurements.  Sites are called ``SYNTHETIC-001`` …, hosts end in ``.synthetic.invalid``
(RFC 2606: such a name never resolves) and every computing element has the capability ``synthetic``, so that nobody
takes it for a real one.

On purpose not everything is in order: some elements publish only the "unknown" values (444444 and the like), some
queues drain or are closed, some sites have no storage element, some leave attributes out, some deny groups.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from grid.errors import ConfigurationError
from infosys import names
from infosys import synthetic_pool as pool
from infosys.entry import Entry, to_ldif
from infosys.glue1 import (
    UNKNOWN_JOBS,
    UNKNOWN_LIMIT,
    UNKNOWN_TIME,
    CEInfo,
    CEPolicy,
    CESEBind,
    CEState,
    Cluster,
    ComputingElement,
    Site,
    SubCluster,
    VOView,
    bind_entries,
)
from infosys.synthetic_storage import storage_entries

VOS: Final = ("testvo", "atlas", "cms", "lhcb", "biomed", "esr", "ops")
"""The virtual organisations of the grid; nearly every computing element supports the first."""

DOMAIN: Final = "synthetic.invalid"
SITE_PREFIX: Final = "SYNTHETIC-"
CAPABILITY: Final = "synthetic"
"""What GlueCECapability of every computing element contains."""
MAX_SITES: Final = 2000
MOMENT: Final = 30.0
"""Seconds between two moments of a grid that is served."""

_LEFT_OUT: Final = (
    ("GlueHostBenchmarkSI00", "GlueHostBenchmarkSF00"),
    ("GlueCEInfoLRMSVersion", "GlueCEInfoDefaultSE"),
    ("GlueHostOperatingSystemRelease", "GlueHostOperatingSystemVersion"),
    ("GlueCEPolicyMaxObtainableWallClockTime", "GlueCEPolicyMaxObtainableCPUTime", "GlueCEPolicyMaxWaitingJobs"),
    ("GlueHostMainMemoryVirtualSize", "GlueHostProcessorClockSpeed"),
)
"""What a careless site does not publish; every fourth site is one, and each in turn leaves another of these out."""


@dataclass(frozen=True)
class _Place:
    """One site while it is being made."""

    name: str
    domain: str
    suffix: str
    dice: random.Random
    vos: tuple[str, ...]
    software: tuple[str, ...]
    moment: int
    storage: tuple[str, ...] = ()
    platform: str = "x86_64"
    left_out: frozenset[str] = field(default_factory=frozenset)


def entries(
    sites: int, *, ces_per_site: int = 5, seed: int = 0, vos: Sequence[str] = VOS, moment: int = 0
) -> Iterator[Entry]:
    """The GLUE 1.3 entries of a top-level tree, below ``mds-vo-name=<site>,mds-vo-name=local,o=grid``.

    About nine entries for each computing element.

    :param seed: another seed, another grid; the same one gives the same entries.
    :param vos: the virtual organisations; nearly every computing element supports the first.
    :param moment: what changes by the minute (states of queues, free space) is another at another moment; the rest
        stays.
    :raises ConfigurationError: for a grid of no site, of more than :data:`MAX_SITES`, or without a VO.
    """
    if not 0 < sites <= MAX_SITES or not 0 < ces_per_site <= 1000:
        raise ConfigurationError(
            f"a synthetic grid has 1 to {MAX_SITES} sites of 1 to 1000 computing elements each, "
            f"not {sites} of {ces_per_site}"
        )
    if not vos:
        raise ConfigurationError("a synthetic grid needs a virtual organisation")
    tags = _tags(vos)
    for number in range(1, sites + 1):
        yield from _site(number, ces_per_site, random.Random(f"{seed}/{number}"), tuple(vos), tags, moment)


def _site(
    number: int, ces: int, dice: random.Random, vos: tuple[str, ...], tags: Sequence[str], moment: int
) -> Iterator[Entry]:
    name = f"{SITE_PREFIX}{number:03d}"
    domain = f"site{number:03d}.{DOMAIN}"
    supported = _some(dice, vos, 0.6, 0.95)
    elements = dice.choices((0, 1, 2), (12, 58, 30))[0]
    place = _Place(
        name=name,
        domain=domain,
        suffix=names.join(names.rdn("mds-vo-name", name), "mds-vo-name=local", "o=grid"),
        dice=dice,
        vos=supported,
        software=_software(dice, tags),
        moment=moment,
        storage=tuple(f"se{each}.{domain}" for each in range(1, elements + 1)),
        platform=dice.choice(pool.PLATFORMS),
        left_out=frozenset(() if number % 4 else _LEFT_OUT[number // 4 % len(_LEFT_OUT)]),
    )
    where, latitude, longitude = dice.choice(pool.PLACES)
    yield from Site(
        unique_id=name,
        name=name,
        description="A made-up site for demonstrations and measurements",
        email=f"admin@{domain}",
        security=f"security@{domain}",
        user_support=f"support@{domain}",
        location=where,
        web=f"http://www.{domain}/",
        other_info=("GRID=SYNTHETIC", f"LATITUDE={latitude}", f"LONGITUDE={longitude}"),
    ).entries(place.suffix)
    yield from _clusters(place, ces)
    for host in place.storage:
        yield from storage_entries(host, name, place.suffix, supported, dice, moment)


def _clusters(place: _Place, ces: int) -> Iterator[Entry]:
    """The computing elements, four or five of them to a cluster."""
    done = 0
    number = 0
    while done < ces:
        number += 1
        size = min(ces - done, 5)
        host = f"ce{number}.{place.domain}"
        lrms, version = place.dice.choice(pool.BATCH_SYSTEMS)
        chosen = place.dice.sample(pool.QUEUES, k=size)
        if place.dice.random() < 0.3:
            chosen[-1] = "sdj"
        kind = ("nordugrid", 2811, lrms.upper()) if place.dice.random() < 0.08 else ("cream", 8443, lrms)
        ids = tuple(f"{host}:{kind[1]}/{kind[0]}-{kind[2]}-{queue}" for queue in chosen)
        cluster = Cluster(unique_id=host, site_id=place.name, ce_ids=ids, name=host)
        slots = place.dice.choice((16, 40, 96, 256, 512, 1200, 4000))
        memory = place.dice.choice(pool.MEMORIES)
        yield from cluster.entries(place.suffix)
        yield from _kept(place, _sub_cluster(place, host, slots, memory).entries(place.suffix))
        for ce_id, queue in zip(ids, chosen, strict=True):
            element = _element(place, ce_id, host, queue, kind, version, slots)
            yield from _kept(place, element.entries(place.suffix))
            if place.storage:
                binds = [
                    CESEBind(ce_id=ce_id, se_id=se, access_point=f"/storage/{se.partition('.')[0]}", mount_info="/mnt")
                    for se in place.storage
                ]
                yield from bind_entries(ce_id, binds, place.suffix)
        done += size


def _sub_cluster(place: _Place, host: str, slots: int, memory: int) -> SubCluster:
    dice = place.dice
    system, release, version = dice.choice(pool.SYSTEMS)
    vendor, model, speed = pool.OTHER_PROCESSORS.get(place.platform) or dice.choice(pool.PROCESSORS)
    smp = dice.choice((1, 2, 4, 8, 16, 32, 64))
    benchmark = round(speed * dice.uniform(0.6, 1.4))
    return SubCluster(
        unique_id=host,
        cluster_id=host,
        name=host,
        physical_cpus=max(1, slots // 2),
        logical_cpus=slots,
        platform=place.platform,
        smp_size=smp,
        processor_vendor=vendor,
        processor_model=model,
        processor_clock_speed=speed,
        ram_size=memory,
        virtual_size=memory * dice.choice((1, 2)),
        os_name=system,
        os_release=release,
        os_version=version,
        outbound_ip=dice.random() < 0.85,
        inbound_ip=dice.random() < 0.1,
        si00=benchmark,
        sf00=round(benchmark * 0.9),
        software=place.software,
    )


@dataclass(frozen=True)
class _Queue:
    """One queue while its computing element is being made."""

    ce_id: str
    name: str
    share: int
    """Job slots."""
    wall: int
    """Minutes."""
    status: str
    silent: bool
    """Nothing is known of it: it publishes what stands there before any provider has run."""


def _element(
    place: _Place, ce_id: str, host: str, queue: str, kind: tuple[str, int, str], version: str, slots: int
) -> ComputingElement:
    dice = place.dice
    made = _Queue(
        ce_id=ce_id,
        name=queue,
        share=max(1, slots // dice.choice((1, 2, 4))),
        wall=UNKNOWN_LIMIT if dice.random() < 0.08 else pool.LIMITS.get(queue, 2880),
        status=dice.choices(("Production", "Draining", "Closed", "Queueing"), (88, 6, 4, 2))[0],
        silent=dice.random() < 0.06,
    )
    policy, state = _policy(place, made), _state(place, made, made.share)
    supported = _some(dice, place.vos, 0.5, 0.97)
    views = tuple(_views(place, made, supported, policy))
    creamy = kind[0] == "cream"
    rules = dict.fromkeys(rule for view in views for rule in view.access)
    plain = dice.random() < 0.1  # no views: the element's own rules and state are all there is
    return ComputingElement(
        unique_id=ce_id,
        cluster_id=host,
        name=queue,
        access=tuple(f"VO:{vo}" for vo in supported) if plain else tuple(rules),
        info=CEInfo(
            host_name=host,
            lrms_type=kind[2],
            lrms_version=version,
            gatekeeper_port=kind[1],
            job_manager=kind[2],
            contact=(f"https://{host}:8443/ce-cream/services",) if creamy else (f"gsiftp://{host}:2811/jobs",),
            total_cpus=slots,
            application_dir="/opt/exp_soft",
            default_se=place.storage[0] if place.storage else "",
        ),
        state=state,
        policy=policy,
        implementation_name="CREAM" if creamy else "ARC-CE",
        implementation_version="1.16.7" if creamy else "6.17.0",
        capability=(CAPABILITY, f"CPUScalingReferenceSI00={dice.choice((1500, 2000, 2500, 3100))}"),
        information_service_url=f"ldap://{host}:2170/mds-vo-name=resource,o=grid",
        views=() if plain else views,
    )


def _views(place: _Place, queue: _Queue, supported: Sequence[str], policy: CEPolicy) -> Iterator[VOView]:
    """What each VO sees: a share of the queue with its own limits; some deny a group, some favour a role."""
    dice = place.dice
    for vo in supported:
        share = max(1, round(queue.share * dice.uniform(0.1, 0.9)))
        denied = (f"DENY:/{vo}/students",) if dice.random() < 0.1 else ()
        own = policy
        if not queue.silent:
            longest = queue.wall if dice.random() < 0.7 else max(30, queue.wall // 2)
            own = replace(
                policy,
                max_running_jobs=share,
                assigned_job_slots=share,
                max_wall_clock_time=longest,
                max_obtainable_wall_clock_time=longest,
                max_cpu_time=longest,
                max_obtainable_cpu_time=longest,
                priority=dice.randint(1, 10),
            )
        yield VOView(
            local_id=vo,
            access=(f"VO:{vo}", *denied),
            state=_state(place, queue, share, vo),
            policy=own,
            application_dir=f"/opt/exp_soft/{vo}",
            default_se=place.storage[0] if place.storage else "",
        )
        if dice.random() < 0.12:
            role = f"/{vo}/Role={dice.choice(('production', 'lcgadmin', 'pilot'))}"
            yield VOView(
                local_id=role,
                access=(f"VOMS:{role}",),
                state=_state(place, queue, share, role),
                policy=replace(own, priority=own.priority + 10),
                application_dir=f"/opt/exp_soft/{vo}",
            )


def _policy(place: _Place, queue: _Queue) -> CEPolicy:
    if queue.silent:
        return CEPolicy()
    waiting = place.dice.choice((100, 1000, 5000, UNKNOWN_LIMIT))
    return CEPolicy(
        max_cpu_time=queue.wall,
        max_obtainable_cpu_time=queue.wall,
        max_wall_clock_time=queue.wall,
        max_obtainable_wall_clock_time=queue.wall,
        max_running_jobs=queue.share,
        max_waiting_jobs=waiting,
        max_total_jobs=UNKNOWN_LIMIT if waiting == UNKNOWN_LIMIT else queue.share + waiting,
        max_slots_per_job=place.dice.choice((1, 8, 64, UNKNOWN_LIMIT)),
        assigned_job_slots=queue.share,
    )


def _state(place: _Place, queue: _Queue, share: int, view: str = "") -> CEState:
    """What changes by the minute: a load that comes and goes, each view's at its own pace."""
    own = random.Random(f"{queue.ce_id}/{view}")
    phase, period, mean, swing = own.random(), own.uniform(20, 200), own.uniform(0.4, 1.1), own.uniform(0.05, 0.5)
    if queue.silent:
        return CEState(status=queue.status)
    load = max(0.0, mean + swing * math.sin(2 * math.pi * (phase + place.moment / period)))
    running = min(share, round(share * load))
    waiting = round(share * max(0.0, load - 1.0) * 3)
    minutes = min(queue.wall, 2880)
    estimate = 0 if running < share else round(60 * minutes * (waiting + 1) / (2 * share))
    return CEState(
        status=queue.status,
        running_jobs=running,
        waiting_jobs=UNKNOWN_JOBS if own.random() < 0.03 else waiting,
        total_jobs=running + waiting,
        free_job_slots=0 if queue.status == "Closed" else share - running,
        free_cpus=0 if queue.status == "Closed" else share - running,
        estimated_response_time=UNKNOWN_TIME if own.random() < 0.03 else estimate,
        worst_response_time=max(estimate, (waiting + 1) * minutes * 60) if estimate else 0,
    )


def _tags(vos: Sequence[str]) -> tuple[str, ...]:
    """All software tags of the grid."""
    own = [
        f"VO-{vo}-{package}-{release}-x86_64"
        for vo in vos
        for package in pool.VO_PACKAGES
        for release in pool.RELEASES
    ]
    return (*(f"{name}-{version}" for name, versions in pool.PACKAGES for version in versions), *pool.FLAGS, *own)


def _software(dice: random.Random, tags: Sequence[str]) -> tuple[str, ...]:
    """A site's choice: mostly what all have, and a part of what the VOs installed."""
    common = len(tags) - len([tag for tag in tags if tag.startswith("VO-")])
    chosen = [*pool.MIDDLEWARE[: dice.randint(3, len(pool.MIDDLEWARE))]]
    chosen += dice.sample(tags[:common], k=min(common, dice.randint(25, 60)))
    chosen += dice.sample(tags[common:], k=min(len(tags) - common, dice.randint(40, 100)))
    return tuple(sorted(chosen))


def _some(dice: random.Random, vos: Sequence[str], least: float, first: float) -> tuple[str, ...]:
    """The first VO with probability ``first``, each other one with ``least``; at least one in all."""
    chosen = tuple(vo for place, vo in enumerate(vos) if dice.random() < (least if place else first))
    return chosen or (vos[0],)


def _kept(place: _Place, made: Iterable[Entry]) -> Iterator[Entry]:
    """The entries without what a careless site does not publish."""
    for entry in made:
        if place.left_out and not place.left_out.isdisjoint(entry.attributes):
            kept = {name: values for name, values in entry.attributes.items() if name not in place.left_out}
            yield Entry(entry.dn, kept)
        else:
            yield entry


class SyntheticGrid:
    """The made-up grid as it is now: what changes by the minute is another every :data:`MOMENT` seconds."""

    def __init__(self, sites: int, vos: Sequence[str] = (), clock: Callable[[], float] = time.time) -> None:
        self._sites = sites
        self._vos = tuple(dict.fromkeys((*vos, *VOS[1:]))) if vos else VOS
        self._clock = clock
        self._made: tuple[int, tuple[Entry, ...]] | None = None

    def entries(self) -> tuple[Entry, ...]:
        """The entries of this moment; none for a grid without sites."""
        if not self._sites:
            return ()
        moment = int(self._clock() // MOMENT)
        if self._made is None or self._made[0] != moment:
            self._made = (moment, tuple(entries(self._sites, vos=self._vos, moment=moment)))
        return self._made[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the grid as LDIF, as a provider of a BDII does."""
    parser = argparse.ArgumentParser(prog="python -m infosys.synthetic", description=main.__doc__)
    parser.add_argument("--sites", type=int, default=100, help="how many (100)")
    parser.add_argument("--vo", action="append", default=[], help="a virtual organisation (repeatable)")
    options = parser.parse_args(arguments)
    sys.stdout.write(to_ldif(SyntheticGrid(options.sites, options.vo).entries()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
