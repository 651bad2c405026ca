"""The node's configuration turned into the settings of each room.

A room's settings are imported when they are asked for: what the others need would be most of a service's start.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsi.credential import Credential
from gsi.dn import slash
from gsi.trust import TrustPolicy
from lb.version import VERSION as LB_VERSION
from node.configuration import Configuration
from node.layout import Layout
from node.sections import LimitSection, QueueSection

if TYPE_CHECKING:
    from broker.settings import BrokerSettings
    from ce.settings import CeSettings, CloseStorage, Queue
    from infosys.catalogue_service import CatalogueSettings
    from infosys.services import PublishedService
    from infosys.settings import BdiiSettings
    from lb.interlogger import InterloggerSettings
    from lb.settings import LbSettings
    from wmproxy.load import Limits
    from wmproxy.settings import WmproxySettings


class Settings:
    """The node's configuration as the settings of each room."""

    def __init__(self, layout: Layout, configuration: Configuration) -> None:
        self._layout = layout
        self._configuration = configuration
        self._shared = f"sqlite:///{layout.databases / 'wms.sqlite'}"
        self._interlogger_bell = layout.run / "interlogger.bell"

    @property
    def wmproxy(self) -> WmproxySettings:
        from wmproxy.settings import WmproxySettings

        layout, conf = self._layout, self._configuration
        return WmproxySettings(
            binds=(self._bind(conf.wmproxy.port),),
            endpoint=conf.wmproxy_endpoint,
            certificate=layout.host_certificate,
            key=layout.host_key,
            host_credential=layout.host_credential,
            certificate_directory=layout.certificates,
            voms_directory=layout.vomsdir,
            policy=self._policy,
            database_url=self._shared,
            document_root=layout.sandbox,
            delegation_directory=layout.delegations,
            journal_directory=layout.journals,
            interlogger_doorbell=self._interlogger_bell,
            broker_doorbell=layout.run / "broker.bell",
            broker_control=layout.run / "broker.sock",
            run_directory=layout.run,
            admitted_vos=conf.admitted_vos,
            lb_host=conf.lb_host,
            lb_port=conf.lb_port,
            host=conf.node.host,
            workers=conf.wmproxy.workers,
            threads=conf.wmproxy.threads,
            max_input_sandbox=conf.wmproxy.max_input_sandbox,
            max_input_sandbox_files=conf.wmproxy.max_input_sandbox_files,
            max_output_sandbox_files=conf.wmproxy.max_output_sandbox_files,
            min_perusal_interval=conf.wmproxy.min_perusal_interval,
            max_perusal_files=conf.wmproxy.max_perusal_files,
            max_perusal_bytes=conf.wmproxy.max_perusal_bytes,
            max_output_sandbox=conf.wmproxy.max_output_sandbox,
            quota_soft=conf.wmproxy.quota_soft,
            quota_hard=conf.wmproxy.quota_hard,
            max_waiting_jobs=conf.wmproxy.max_waiting_jobs,
            waiting_lifetime=conf.wmproxy.waiting_lifetime,
            gridftp_host=conf.wmproxy.gridftp_host,
            gridftp_port=conf.wmproxy.gridftp_port,
            registration_deadline=conf.wmproxy.registration_deadline,
            match_deadline=conf.wmproxy.match_deadline,
            expiry_period=conf.broker.expiry_period,
            limits={limit.operation: _limits(limit) for limit in conf.wmproxy.limit},
        )

    @property
    def broker(self) -> BrokerSettings:
        from broker.settings import BrokerSettings
        from broker.source import InformationSource

        layout, conf = self._layout, self._configuration
        return BrokerSettings(
            database_url=self._shared,
            control_socket=layout.run / "broker.sock",
            doorbell=layout.run / "broker.bell",
            information_sources=tuple(InformationSource(**asdict(each)) for each in conf.information_sources),
            picture_directory=layout.pictures,
            host_credential=layout.host_credential,
            certificate_directory=layout.certificates,
            journal_directory=layout.journals,
            interlogger_doorbell=self._interlogger_bell,
            host=conf.node.host,
            worker_threads=conf.broker.worker_threads,
            fewest_released_nodes=conf.broker.fewest_released_nodes,
            most_released_nodes=conf.broker.most_released_nodes,
            refresh_period=conf.broker.refresh,
            full_refresh_period=conf.broker.full_refresh,
            entry_lifetime=conf.broker.entry_lifetime,
            purchase_memory=conf.broker.purchase_memory << 20,
            match_retry_period=conf.broker.match_retry_period,
            expiry_period=conf.broker.expiry_period,
            max_retry_count=conf.broker.max_retry_count,
            infrastructure_delay=conf.broker.infrastructure_delay,
            success_window=conf.broker.success_window,
            hold_after_failures=conf.broker.hold_after_failures,
            hold=conf.broker.hold,
            longest_hold=conf.broker.longest_hold,
            information_delay=conf.broker.information_delay,
            wms_requirements=conf.broker.wms_requirements,
            blacklist=conf.broker.blacklist,
            ce_forward_parameters=conf.broker.ce_forward_parameters,
            propagate_to_lrms=conf.broker.propagate_to_lrms,
            catalogues=conf.catalogues,
            catalogue_timeout=conf.broker.catalogue_timeout,
            catalogues_of_jobs=conf.broker.catalogues_of_jobs,
            catalogue_hosts=conf.broker.catalogue_hosts,
            vo_shares=conf.broker.vo_shares,
        )

    @property
    def ce(self) -> CeSettings:
        from ce.settings import Accounts, CeSettings

        layout, conf = self._layout, self._configuration
        host, port = conf.ce_address
        return CeSettings(
            host=host,
            port=port,
            bind=self._bind(conf.ce.port),
            work_directory=Path(conf.ce.work_directory) if conf.ce.work_directory else layout.ce_work_directory(),
            database_url=f"sqlite:///{layout.databases / 'ce.sqlite'}",
            host_certificate=layout.host_certificate,
            host_key=layout.host_key,
            trust_directory=layout.certificates,
            voms_directory=layout.vomsdir,
            policy=self._policy,
            run_directory=layout.run,
            spool_directory=layout.spool,
            journal_directory=layout.journals,
            interlogger_doorbell=self._interlogger_bell,
            queues=tuple(self._queue(queue) for queue in conf.ce.queue),
            interpreter=Path(conf.ce.interpreter or sys.executable),
            administrators=(self._host_dn(),),
            accounts=Accounts(first_id=conf.ce.first_account, count=conf.ce.accounts),
            resource_bind=self._bind(conf.ce.ldap_port),
            site=conf.node.site,
            software_tags=Path(conf.ce.software_tags) if conf.ce.software_tags else None,
            threads=conf.ce.threads,
        )

    @property
    def lb(self) -> LbSettings:
        from lb.settings import LbSettings

        layout, conf = self._layout, self._configuration
        return LbSettings(
            host=conf.lb_host,
            port=conf.lb_port,
            query_bind=self._bind(conf.lb.port),
            soap_bind=self._bind(conf.lb.soap_port),
            store_bind=self._bind(conf.lb.store_port),
            certificate=layout.host_certificate,
            key=layout.host_key,
            trust_dir=layout.certificates,
            voms_dir=layout.vomsdir,
            policy=self._policy,
            database_url=f"sqlite:///{layout.databases / 'lb.sqlite'}",
            trusted=frozenset((self._host_dn(),)),
            run_dir=layout.run,
            threads=conf.lb.threads,
        )

    @property
    def interlogger(self) -> InterloggerSettings:
        from lb.channel import ChannelSettings
        from lb.interlogger import InterloggerSettings

        layout = self._layout
        return InterloggerSettings(
            spool=layout.journals,
            doorbell=self._interlogger_bell,
            channel=ChannelSettings(certificate=layout.host_credential, trust_dir=layout.certificates),
        )

    @property
    def bdii(self) -> BdiiSettings:
        from infosys.levels import Level
        from infosys.settings import BdiiSettings
        from infosys.site import SiteSettings

        conf = self._configuration
        return BdiiSettings(
            bind=self._bind(conf.bdii.port),
            site_name=conf.node.site,
            sources=conf.bdii_sources,
            refresh=conf.bdii.refresh,
            grace=conf.bdii.grace,
            timeout=conf.bdii.timeout,
            level=Level(conf.bdii.level),
            site=SiteSettings(name=conf.node.site, **{**asdict(conf.site), "contact": self._contact()}),
            services=self._services(),
            synthetic_sites=conf.bdii.synthetic_sites,
            synthetic_vos=conf.admitted_vos,
        )

    def _contact(self) -> str:
        """Whom to ask about the site: a profile of GLUE demands somebody."""
        conf = self._configuration
        return conf.site.contact or f"root@{conf.node.host}"

    def _services(self) -> tuple[PublishedService, ...]:
        """What clients look for: this node's WMProxy, L&B, catalogue and BDII, and what the configuration names."""
        from infosys.levels import Level
        from infosys.services import CATALOGUE, LB_SERVER, SITE_BDII, TOP_BDII, WMPROXY, PublishedService

        conf = self._configuration
        access = tuple(f"VO:{vo}" for vo in conf.admitted_vos)
        issuer = slash(Credential.load(self._layout.host_credential).chain[0].issuer)
        own: dict[str, Any] = {"access": access, "issuer": issuer, "implementation_version": version("wmproxy")}
        wmproxy, lb = conf.wmproxy_endpoint, f"https://{conf.lb_host}:{conf.lb_port}/"
        found = [
            PublishedService(type=WMPROXY, url=wmproxy, version=self.wmproxy.version, wsdl=f"{wmproxy}?wsdl", **own),
            PublishedService(type=LB_SERVER, url=lb, version=LB_VERSION, wsdl=f"{lb}?wsdl", **own),
            PublishedService(type=CATALOGUE, url=conf.catalogue_endpoint, version="1.0", **own),
            PublishedService(
                type=TOP_BDII if conf.bdii.level == Level.TOP.value else SITE_BDII,
                url=f"ldap://{conf.node.host}:{conf.bdii.port}/",
                probe=self._bind(conf.bdii.port),
                version="3",
                implementation_version=version("wmproxy"),
            ),
        ]
        found.extend(
            PublishedService(
                type=each.type,
                url=each.url,
                version=each.version,
                access=each.access or access,
                implementation=each.type,
                implementation_version=each.version,
            )
            for each in conf.bdii.service
        )
        return tuple(found)

    @property
    def catalogue(self) -> CatalogueSettings:
        from infosys.catalogue_service import CatalogueSettings

        layout, conf = self._layout, self._configuration
        return CatalogueSettings(
            endpoint=conf.catalogue_endpoint,
            bind=self._bind(conf.catalogue.port),
            database_url=f"sqlite:///{layout.databases / 'catalogue.sqlite'}",
            certificate=layout.host_certificate,
            key=layout.host_key,
            trust_directory=layout.certificates,
            voms_directory=layout.vomsdir,
            run_directory=layout.run,
            policy=self._policy,
            threads=conf.catalogue.threads,
        )

    @property
    def _policy(self) -> TrustPolicy:
        return TrustPolicy(gridsite_proxies=self._configuration.trust.gridsite_proxies)

    def _queue(self, queue: QueueSection) -> Queue:
        from ce.settings import Queue

        return Queue(
            name=queue.name,
            slots=queue.slots,
            access_rules=queue.access or (f"VO:{self._configuration.node.vo}",),
            max_wall_minutes=queue.max_wall_minutes,
            max_cpu_minutes=queue.max_cpu_minutes,
            ram_mb=queue.memory_mb,
            virtual_mb=queue.memory_mb * 2,
            software=queue.software,
            status=queue.status,
            close_storage=tuple(_close_storage(each) for each in queue.close_storage),
            si00=queue.si00 or None,
            sf00=queue.sf00 or None,
            hep_spec06=queue.hep_spec06 or None,
        )

    def _bind(self, port: int) -> str:
        return f"{self._configuration.node.bind}:{port}"

    def _host_dn(self) -> str:
        return Credential.load(self._layout.host_credential).subject


def _close_storage(text: str) -> CloseStorage:
    """``<storage element>`` or ``<storage element>=<mount>``."""
    from ce.settings import CloseStorage

    se_id, _, mount = text.partition("=")
    return CloseStorage(se_id.strip(), mount.strip())


def _limits(section: LimitSection) -> Limits:
    from wmproxy.load import Limits

    values = asdict(section)
    del values["operation"]
    return Limits(**values)
