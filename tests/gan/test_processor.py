"""Processors whose kernels give other bytes have another description; what gives the same bytes is left out."""

import json
import platform
import subprocess
from pathlib import Path

import pytest

from stages.gan import processor

X86 = """\
processor\t: {core}
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC
stepping\t: 1
microcode\t: 0x{core}
cpu MHz\t\t: 2445.{core}
cache size\t: {core} KB
flags\t\t: fpu vme {flags}
bogomips\t: 48{core}.80
"""
AVX2 = "avx avx2 fma f16c sse4_1 sse4_2 pni ssse3"
ARM = """\
processor\t: {core}
BogoMIPS\t: 243.{core}
Features\t: fp asimd evtstrm aes {features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: {variant}
CPU part\t: {part}
CPU revision\t: 1
"""
S390X = """\
vendor_id       : IBM/S390
# processors    : 2
features\t: esan3 zarch {features}
processor 0: version = FF,  identification = {serial},  machine = {machine}
processor 1: version = FF,  identification = {serial},  machine = {machine}
"""
RISCV = "processor\t: 0\nhart\t\t: 1\nisa\t\t: {isa}\nmmu\t\t: sv39\nuarch\t\t: sifive,u74-mc\n"
POWER = "processor\t: 0\ncpu\t\t: {cpu}\nclock\t\t: 2200.{clock}MHz\nrevision\t: 2.2 (pvr 004e 1202)\n"


def x86(flags: str = AVX2, cores: int = 2) -> str:
    return "\n".join(X86.format(core=core, flags=flags) for core in range(cores))


def arm(part: str = "0xd0c", variant: str = "0x3", features: str = "asimdhp") -> str:
    return ARM.format(core=0, part=part, variant=variant, features=features)


def described(tmp_path: Path, content: str | bytes) -> dict[str, str]:
    path = tmp_path / "cpuinfo"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return processor.describe(path)


DIFFERENT = {
    "x86 without fma": (x86(), x86(AVX2.replace("fma ", ""))),
    "x86 with avx512": (x86(), x86(f"{AVX2} avx512f avx512dq")),
    "x86 with vnni": (x86(f"{AVX2} avx512f"), x86(f"{AVX2} avx512f avx512_vnni")),
    "x86 with amx": (x86(), x86(f"{AVX2} amx_tile amx_bf16")),
    "parts of ARM": (arm(), arm(part="0xd40")),
    "variants of ARM": (arm(), arm(variant="0x1")),
    "ARM with sve": (arm(), arm(features="asimdhp sve")),
    "ARM with bf16 and i8mm": (arm(features="asimdhp bf16"), arm(features="asimdhp i8mm")),
    "big cores, and big with little ones": (arm(), f"{arm()}\n{arm(part='0xd05')}"),
    "machines of s390x": tuple(S390X.format(serial="1", machine=m, features="vx") for m in ("8561", "3931")),
    "s390x with vectors": tuple(S390X.format(serial="1", machine="8561", features=f) for f in ("te", "te vx")),
    "RISC-V with vectors": (RISCV.format(isa="rv64imafdc"), RISCV.format(isa="rv64imafdcv")),
    "POWER": tuple(POWER.format(cpu=cpu, clock=1) for cpu in ("POWER8", "POWER9, altivec supported")),
}
SAME = {
    "number of x86 cores": (x86(cores=1), x86(cores=3)),
    "mitigations and virtualisation": (x86(), x86(f"{AVX2} hypervisor smep smap ibrs stibp sme sev md_clear")),
    "order of flags": (x86("avx fma"), x86("fma avx")),
    "order of cores": (f"{arm()}\n{arm(part='0xd05')}", f"{arm(part='0xd05')}\n{arm()}"),
    "cryptography of ARM": (arm(), arm(features="sha1 sha2 crc32 atomics asimdhp paca")),
    "serial number of s390x": tuple(S390X.format(serial=s, machine="8561", features="vx") for s in ("0133E8", "FF")),
    "clock of POWER": tuple(POWER.format(cpu="POWER9", clock=clock) for clock in (1, 2)),
    "blank lines": (x86(), f"\n\n{x86()}\n\n\n"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_changes_bytes_is_described(name: str, tmp_path: Path) -> None:
    first, second = (described(tmp_path, text) for text in DIFFERENT[name])
    assert first != second
    assert json.loads(json.dumps([first, second])) == [first, second]


@pytest.mark.parametrize("name", SAME)
def test_what_changes_no_byte_is_not(name: str, tmp_path: Path) -> None:
    first, second = (described(tmp_path, text) for text in SAME[name])
    assert first == second
    assert len(first) > 1


def test_the_fields_of_x86(tmp_path: Path) -> None:
    assert described(tmp_path, x86("fpu vme fma avx2 avx smep")) == {
        "vendor_id": "AuthenticAMD",
        "cpu_family": "25",
        "model": "1",
        "model_name": "AMD EPYC",
        "features": "avx avx2 fma",
    }


def test_big_and_little_cores_are_both_named(tmp_path: Path) -> None:
    both = described(tmp_path, f"{arm(part='0xd05')}\n{arm(part='0xd41', features='asimddp')}")
    assert both["cpu_part"] == "0xd05, 0xd41"
    assert {"asimd", "asimdhp", "asimddp"} <= set(both["features"].split())


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00nonsense\n:\n::\n", b"Features: fp asimd\n"])
def test_a_file_that_names_no_processor_leaves_it_to_the_system(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "processor", lambda: "a processor")
    monkeypatch.delenv("PROCESSOR_IDENTIFIER", raising=False)
    found = described(tmp_path, content)
    assert found == {"description": "a processor", "features": "asimd fp" if b"asimd" in content else ""}


def test_bytes_that_are_no_text_are_kept_apart_from_the_rest(tmp_path: Path) -> None:
    found = described(tmp_path, x86().replace("AMD EPYC", "AMD \xff").encode("latin-1"))
    assert found["vendor_id"] == "AuthenticAMD"
    assert found["features"] == " ".join(sorted(AVX2.split()))


def test_a_machine_of_very_many_cores_is_described_as_shortly(tmp_path: Path) -> None:
    assert described(tmp_path, x86(cores=5000)) == described(tmp_path, x86())


def test_a_folder_or_nothing_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    monkeypatch.delenv("PROCESSOR_IDENTIFIER", raising=False)
    for path in (tmp_path, tmp_path / "missing"):
        assert processor.describe(path) == {"description": "arm", "features": ""}


def test_a_mac_is_named_by_its_brand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "machdep.cpu.brand_string": b"Intel(R) Core(TM) i9\n",
        "machdep.cpu.features": b"FPU SSE4.1 AVX1.0 FMA\n",
    }

    def sysctl(command: list[str], **_options: object) -> subprocess.CompletedProcess[bytes]:
        out = answers.get(command[-1])
        return subprocess.CompletedProcess(command, 0 if out else 1, out or b"", b"unknown oid")

    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(subprocess, "run", sysctl)
    found = processor.describe(tmp_path / "missing")
    assert found == {"description": "Intel(R) Core(TM) i9", "features": "avx1.0 fma sse4.1"}


def test_windows_names_the_processor_in_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    monkeypatch.setenv("PROCESSOR_IDENTIFIER", "Intel64 Family 6 Model 143")
    assert processor.describe(tmp_path / "missing")["description"] == "Intel64 Family 6 Model 143"
