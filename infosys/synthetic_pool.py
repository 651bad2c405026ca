"""What a made-up grid is drawn from: operating systems, processors, batch systems, software tags, places.

The names are those that grids publish, so that requirements written for a real grid find something here.
"""

from __future__ import annotations

from typing import Final

PLATFORMS: Final = ("x86_64",) * 17 + ("aarch64", "i686", "ppc64le")

SYSTEMS: Final = (
    ("CentOS", "7.9", "Core"),
    ("CentOS", "7.9.2009", "Core"),
    ("ScientificSL", "6.10", "Carbon"),
    ("ScientificCERNSLC", "6.10", "Carbon"),
    ("AlmaLinux", "9.4", "Seafoam Ocelot"),
    ("AlmaLinux", "8.10", "Cerulean Leopard"),
    ("RockyLinux", "9.3", "Blue Onyx"),
    ("RedHatEnterpriseServer", "7.9", "Maipo"),
    ("Debian", "12", "bookworm"),
    ("Ubuntu", "22.04", "jammy"),
)
"""GlueHostOperatingSystemName, Release, Version."""

PROCESSORS: Final = (
    ("Intel", "Xeon E5-2630 v4", 2200),
    ("Intel", "Xeon Gold 6230", 2100),
    ("Intel", "Xeon X5650", 2670),
    ("AMD", "EPYC 7452", 2350),
    ("AMD", "EPYC 7763", 2450),
    ("AMD", "Opteron 6276", 2300),
)
"""Vendor, model, clock speed (MHz) of x86_64 hosts."""

OTHER_PROCESSORS: Final = {
    "aarch64": ("Ampere", "Altra Q80-30", 3000),
    "i686": ("Intel", "Pentium 4", 2800),
    "ppc64le": ("IBM", "POWER9", 2900),
}

MEMORIES: Final = (1024, 2048, 3072, 4096, 8192, 16_384)
"""MB of a host: the least to the most that is common for one slot."""

BATCH_SYSTEMS: Final = (
    ("slurm", "22.05.8"),
    ("slurm", "20.11.9"),
    ("pbs", "4.2.10"),
    ("pbs", "2.5.13"),
    ("sge", "8.1.9"),
    ("lsf", "9.1.3"),
    ("condor", "9.0.17"),
)
"""GlueCEInfoLRMSType and Version."""

QUEUES: Final = ("long", "short", "medium", "grid", "verylong", "parallel", "highmem", "test")

LIMITS: Final = {"long": 4320, "short": 120, "medium": 1440, "verylong": 14_400, "test": 30, "sdj": 60}
"""Minutes of wall-clock time by queue; other queues 2880."""

MIDDLEWARE: Final = (
    "LCG-2", "LCG-2_1_0", "LCG-2_7_0", "GLITE-3_0_0", "GLITE-3_1_0", "GLITE-3_2_0", "EMI-2", "EMI-3", "UMD-4", "UMD-5",
)  # fmt: skip
"""Tags that nearly every site has some of."""

PACKAGES: Final = (
    ("GCC", ("4.4.7", "4.8.5", "8.5.0", "11.4.1", "12.2.0")),
    ("PYTHON", ("2.7.5", "3.6.8", "3.9.18", "3.11.2")),
    ("JAVA", ("1.8.0", "11", "17")),
    ("ROOT", ("5.34.38", "6.14.04", "6.24.06", "6.30.02")),
    ("GEANT4", ("9.6.4", "10.7.4", "11.2.0")),
    ("R", ("3.6.3", "4.1.3", "4.3.2")),
    ("OCTAVE", ("4.4.1", "6.4.0", "8.4.0")),
    ("OPENMPI", ("1.8.1", "3.1.6", "4.1.5")),
    ("MPICH", ("1.2.7", "3.2", "4.1")),
    ("BLAST", ("2.2.26", "2.9.0", "2.14.1")),
    ("GROMACS", ("4.6.7", "2020.6", "2023.3")),
    ("NAMD", ("2.9", "2.14", "3.0")),
    ("AUTODOCK", ("4.2.6", "VINA-1.1.2", "VINA-1.2.5")),
    ("WRF", ("3.9.1", "4.4.2")),
    ("CHARMM", ("c36b1", "c45b2")),
    ("ABINIT", ("7.10.5", "9.10.3")),
    ("QUANTUM-ESPRESSO", ("5.4.0", "6.8", "7.2")),
    ("POVRAY", ("3.6", "3.7")),
    ("FFTW", ("2.1.5", "3.3.10")),
    ("HDF5", ("1.8.12", "1.10.5", "1.14.3")),
    ("NETCDF", ("4.3.3", "4.9.2")),
    ("CMAKE", ("2.8.12", "3.20.2", "3.27.9")),
)
FLAGS: Final = ("MPI-START", "MPI-SHARED-HOME", "MPI-NO-SHARED-HOME", "GLEXEC", "CVMFS", "SINGULARITY", "CUDA-12.2")

RELEASES: Final = tuple(
    f"{major}.{minor}.{patch}" for major in (19, 20, 21, 22) for minor in (0, 2) for patch in range(5)
)
"""Versions of the software that a VO installs itself: ``VO-<vo>-<package>-<release>-<platform>``."""

VO_PACKAGES: Final = ("offline", "production", "analysis", "simulation")

PLACES: Final = (
    ("Geneva, Switzerland", 46.2, 6.1), ("Lyon, France", 45.8, 4.8), ("Bologna, Italy", 44.5, 11.3),
    ("Karlsruhe, Germany", 49.0, 8.4), ("Didcot, United Kingdom", 51.6, -1.2), ("Amsterdam, Netherlands", 52.4, 4.9),
    ("Barcelona, Spain", 41.4, 2.2), ("Krakow, Poland", 50.1, 19.9), ("Prague, Czechia", 50.1, 14.4),
    ("Lisbon, Portugal", 38.7, -9.1), ("Athens, Greece", 38.0, 23.7), ("Taipei, Taiwan", 25.0, 121.6),
    ("Chicago, USA", 41.9, -87.6), ("Vancouver, Canada", 49.3, -123.1), ("Melbourne, Australia", -37.8, 145.0),
)  # fmt: skip
"""GlueSiteLocation, latitude, longitude."""

STORAGE_SYSTEMS: Final = (("DPM", "1.15.2"), ("dCache", "8.2.40"), ("StoRM", "1.11.22"), ("EOS", "5.1.29"))
