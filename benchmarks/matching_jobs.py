"""Made-up jobs for the benchmark of matching: what users write, with constants from the pools that users draw from."""

from __future__ import annotations

import random
from collections.abc import Sequence

from infosys.ce_ads import CeRecord
from jdl.parser import parse
from jdl.tree import ClassAd

_RANKS = (
    "-other.GlueCEStateEstimatedResponseTime",
    "other.GlueCEStateFreeCPUs",
    "other.GlueCEStateFreeJobSlots - other.GlueCEStateWaitingJobs",
    "other.GlueHostBenchmarkSI00 * other.GlueCEStateFreeCPUs / (1 + other.GlueCEStateWaitingJobs)",
    "(other.GlueCEStateWaitingJobs == 0 ? other.GlueCEStateFreeCPUs : -other.GlueCEStateWaitingJobs)",
)
_MEMORY = (512, 1024, 2048, 4096, 8192, 16384)
_MINUTES = (60, 120, 360, 720, 1440, 2880)


class JobMaker:
    """Makes jobs that differ in their Requirements (3 to 7 conditions) and Rank.

    :param records: whose software, hosts and batch systems the jobs ask for.
    :param unique: whether every number in a job is one that no other job has; else they come from small pools.
    """

    def __init__(self, records: Sequence[CeRecord], seed: int = 0, unique: bool = False) -> None:
        self._dice = random.Random(seed)
        self._unique = unique
        dice = random.Random(1)
        software: dict[str, None] = {}
        for record in dice.sample(list(records), min(200, len(records))):
            found = record.ad.value("GlueHostApplicationSoftwareRunTimeEnvironment")
            software.update(dict.fromkeys(str(each) for each in found) if isinstance(found, tuple) else {})
        self._software = list(software) or ["none"]
        hosts = sorted({record.host for record in records})
        self._sites = sorted({host.partition(".")[2] for host in dice.sample(hosts, min(60, len(hosts)))})
        self._ce_ids = [record.ce_id for record in dice.sample(list(records), min(200, len(records)))]

    def text(self) -> str:
        """One job description."""
        dice = self._dice
        conditions = ['other.GlueCEStateStatus == "Production"', self._memory()]
        more = [self._cpus, self._member, self._regexp, self._not_regexp, self._arithmetic, self._either, self._time]
        conditions += [make() for make in dice.sample(more, dice.randint(1, 5))]
        requirements = "\n    && ".join(conditions)
        return (
            "[\n"
            '  Type = "Job";\n  JobType = "Normal";\n'
            f'  Executable = "analyse.sh";\n  Arguments = "run{dice.randrange(10**6)} --events 1000";\n'
            '  StdOutput = "out.txt";\n  StdError = "err.txt";\n'
            '  InputSandbox = { "analyse.sh", "data.tgz" };\n  OutputSandbox = { "out.txt", "err.txt" };\n'
            '  VirtualOrganisation = "testvo";\n  RetryCount = 3;\n  ShallowRetryCount = 5;\n'
            f"  Requirements = {requirements};\n"
            f"  Rank = {dice.choice(_RANKS)};\n"
            "]\n"
        )

    def ad(self) -> ClassAd:
        """One job, parsed."""
        return parse(self.text())

    def _number(self, pool: Sequence[int]) -> int:
        number = self._dice.choice(pool)
        return number + self._dice.randrange(number // 3 + 1000) if self._unique else number

    def _memory(self) -> str:
        return f"other.GlueHostMainMemoryRAMSize >= {self._number(_MEMORY)}"

    def _cpus(self) -> str:
        return f"other.GlueCEInfoTotalCPUs > {self._number((8, 16, 64, 100, 256))}"

    def _time(self) -> str:
        return f"other.GlueCEPolicyMaxWallClockTime >= {self._number(_MINUTES)}"

    def _member(self) -> str:
        attribute = "other.GlueHostApplicationSoftwareRunTimeEnvironment"
        return f'Member("{self._dice.choice(self._software)}", {attribute})'

    def _regexp(self) -> str:
        site = self._dice.choice(self._sites)
        pattern = self._dice.choice(
            (f".*{site}.*", f".*\\\\.{site}:.*", "cream", "^ce[0-3]\\\\.", "(pbs|lsf|slurm)", f"{site[:6]}[0-9]+")
        )
        return (
            f'RegExp("{pattern}", other.GlueCEUniqueID, "i")'
            if self._dice.random() < 0.2
            else (f'RegExp("{pattern}", other.GlueCEUniqueID)')
        )

    def _not_regexp(self) -> str:
        pattern = self._dice.choice((f"{self._dice.choice(self._sites)}", ".*short$", "sdj", f"{self._ce_id()[:14]}"))
        return f'!RegExp("{pattern}", other.GlueCEUniqueID)'

    def _arithmetic(self) -> str:
        return self._dice.choice(
            (
                f"other.GlueCEStateFreeCPUs * {self._number((2, 4, 10))} > other.GlueCEStateWaitingJobs",
                f"other.GlueCEStateTotalJobs - other.GlueCEStateRunningJobs < {self._number((50, 100, 1000))}",
                f"other.GlueHostMainMemoryRAMSize / other.GlueHostArchitectureSMPSize >= {self._number((256, 512))}",
                f"other.GlueHostBenchmarkSI00 * other.GlueCEPolicyMaxCPUTime >= {self._number((100_000, 1_000_000))}",
            )
        )

    def _either(self) -> str:
        return self._dice.choice(
            (
                f'(other.GlueCEInfoLRMSType == "{self._dice.choice(("pbs", "lsf", "slurm"))}"'
                f" || other.GlueCEStateFreeJobSlots > {self._number((0, 3, 10))})",
                f'(other.GlueCEUniqueID == "{self._ce_id()}" || other.GlueCEPolicyPriority >= {self._number((1, 5))})',
                f"(isUndefined(other.GlueHostBenchmarkSI00) || {self._member()})",
            )
        )

    def _ce_id(self) -> str:
        return self._dice.choice(self._ce_ids)
