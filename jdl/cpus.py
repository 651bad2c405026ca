"""Processors and hosts: CpuNumber, SMPGranularity, HostNumber, WholeNodes, and what they add to the requirements."""

from __future__ import annotations

from jdl.classad import ClassAd
from jdl.errors import WrongCombination, WrongValue
from jdl.nodes import Expr, Literal, Operation, Reference

__all__ = ["check_cpus", "cpu_requirements"]


def _positive(ad: ClassAd, name: str) -> int | None:
    number = ad.integer(name)
    if number is not None and number < 1:
        raise WrongValue.because(ad.spelling(name), "value must be greater than 0", ad.where(name))
    return number


def cpu_number(ad: ClassAd) -> int | None:
    """CpuNumber, or its old name NodeNumber."""
    number = _positive(ad, "CpuNumber")
    return _positive(ad, "NodeNumber") if number is None else number


def check_cpus(ad: ClassAd) -> None:
    """The numbers are positive, and granularity and hosts are not both fixed unless whole nodes are asked for.

    :raises WrongValue: 1506.  :raises WrongCombination: 1508.
    """
    cpu_number(ad)
    granularity, hosts = _positive(ad, "SMPGranularity"), _positive(ad, "HostNumber")
    if granularity is not None and hosts is not None and not ad.boolean("WholeNodes"):
        raise WrongCombination(
            "SMPGranularity and HostNumber are mutually exclusive when WholeNodes allocation is not requested",
            ad.where("HostNumber"),
        )


def cpu_requirements(ad: ClassAd) -> list[tuple[str, Expr]]:
    """What the numbers of a checked ad want of a computing element, each with the attribute that says so."""
    terms: list[tuple[str, Expr]] = []
    cpus = cpu_number(ad)
    if cpus is not None:
        name = "CpuNumber" if ad.integer("CpuNumber") is not None else "NodeNumber"
        terms.append((name, _at_least("GlueCEInfoTotalCPUs", Literal(cpus))))
    hosts = ad.integer("HostNumber")
    if ad.integer("SMPGranularity") is not None:
        terms.append(("SMPGranularity", _at_least("GlueHostArchitectureSMPSize", Reference("SMPGranularity"))))
    elif hosts is not None and not ad.boolean("WholeNodes"):
        least = Literal(-(-(cpus or 1) // hosts))
        terms.append(("HostNumber", _at_least("GlueHostArchitectureSMPSize", least)))
    return terms


def _at_least(name: str, least: Expr) -> Expr:
    return Operation((">=",), (Reference(name, "other"), least))
