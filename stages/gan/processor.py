"""The kind of processor, as far as it decides bytes: its model, and the instructions that libraries choose kernels by.

Two guests of one model may differ in the instructions that their hypervisor passes on; then oneDNN, MKL, OpenBLAS and
numpy compute with other kernels, in another order of sums. Left out is what changes no kernel: clock, number of cores,
microcode, mitigations and all else that differs between hosts. Left out as well are the sizes of caches, by which
libraries cut matrices into blocks: those of one core follow from the model, the shared one is divided by the
hypervisor as it divides the cores, and where /sys is hidden nobody can read them.
"""

import os
import platform
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

MOST_BYTES = 2**24
"""Of /proc/cpuinfo: thousands of cores."""
MOST_CHARACTERS = 2000
SYSCTL_WAIT_S = 10
KIND = {
    # x86
    "vendor_id": "vendor_id",
    "cpu family": "cpu_family",
    "model": "model",
    "model name": "model_name",
    # ARM, whose cores are named by numbers
    "CPU implementer": "cpu_implementer",
    "CPU architecture": "cpu_architecture",
    "CPU variant": "cpu_variant",
    "CPU part": "cpu_part",
    "CPU revision": "cpu_revision",
    # POWER and SPARC
    "cpu": "cpu",
    "revision": "revision",
    # RISC-V: isa is both its kind and its instructions
    "isa": "isa",
    "uarch": "uarch",
    "mvendorid": "mvendorid",
    "marchid": "marchid",
    "mimpid": "mimpid",
    # LoongArch and MIPS
    "CPU Family": "cpu_family",
    "Model Name": "model_name",
    "cpu model": "cpu_model",
}
"""Fields of /proc/cpuinfo, and their names in the description."""
X86 = r"(sse|ssse|avx|amx|fma|bmi)[\w.]*|pni|mmx|xop|f16c|gfni|vaes|vpclmulqdq|abm|lzcnt|movbe|popcnt|cx16|lahf_lm|lahf"
FEATURES = {
    "flags": X86,
    "Features": r"(asimd|sve|sme|neon|vfp|f8)\w*|fp|fphp|fcma|frint|bf16|ebf16|i8mm|lut|faminmax|lsx|lasx|fpu|lbt\w*",
    "features": r"vx\w*|dfp|nnpa",
    "ASEs implemented": r"msa|dsp\w*|loongson-\w+",
}
"""Fields that list instructions, on x86, ARM and LoongArch, s390x, MIPS, and those by which libraries choose between
kernels: vectors, fused products, conversions, matrices. The last few of x86 belong to the levels that numpy knows."""


def describe(cpuinfo: Path) -> dict[str, str]:
    """Vendor, family, model or their like, and `features`: the instructions that decide bytes, sorted.

    cpuinfo: Linux's file on its cores. Where these differ, a field holds each value once. Where the file says nothing,
    `description` is what the system says; features are empty where nothing lists them.
    """
    cores = list(_cores(_read(cpuinfo)))
    kind: dict[str, str] = {}
    for field, name in KIND.items():
        if text := _joined(core[field] for core in cores if core.get(field)):
            kind[name] = text
    if not kind:
        kind, listed = _without_cpuinfo()
        cores.append({"flags": listed})
    return kind | {"features": " ".join(sorted({name for core in cores for name in _dispatched(core)}))}


def _read(cpuinfo: Path) -> str:
    """The text of the file, empty where there is none that can be read."""
    try:
        with cpuinfo.open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""


def _cores(text: str) -> Iterator[dict[str, str]]:
    """The fields of each core, and of what the file says of all cores."""
    for block in re.split(r"\n\s*\n", text):
        fields = (line.partition(":") for line in block.splitlines())
        core = {key.strip(): " ".join(value.split()) for key, _, value in fields}
        # s390x writes `processor 0: version = FF, identification = ..., machine = 8561`; the rest is a serial number.
        for value in core.values():
            if machine := re.search(r"\bmachine = (\w+)", value):
                core["model"] = machine[1]
                break
        yield core


def _joined(values: Iterator[str]) -> str:
    """Each value once, in one order whichever core comes first."""
    return ", ".join(sorted(set(filter(None, values))))[:MOST_CHARACTERS]


def _dispatched(core: dict[str, str]) -> Iterator[str]:
    """The instructions of a core by which libraries choose between kernels."""
    for field, chosen in FEATURES.items():
        names = core.get(field, "").lower().split()
        yield from (name for name in names if re.fullmatch(chosen, name))


def _without_cpuinfo() -> tuple[dict[str, str], str]:
    """What other systems say: a description, and a list of instructions where they have one."""
    described, features = "", ""
    if platform.system() == "Darwin":
        described = _sysctl("machdep.cpu.brand_string")
        # Apple's own processors have the instructions of their name; those of Intel are listed.
        features = f"{_sysctl('machdep.cpu.features')} {_sysctl('machdep.cpu.leaf7_features')}"
    return {"description": described or os.environ.get("PROCESSOR_IDENTIFIER") or platform.processor()}, features


def _sysctl(name: str) -> str:
    command = ["/usr/sbin/sysctl", "-n", name]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SYSCTL_WAIT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", errors="replace").strip() if done.returncode == 0 else ""
