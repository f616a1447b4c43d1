"""What a report says of the machine, and what it must not say."""

from __future__ import annotations

import getpass
import json
import platform
import subprocess
from pathlib import Path

import pytest

from pptsn.benchmarks.measure import machine
from pptsn.benchmarks.measure.machine import machine_facts, temperatures_c

X86 = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R)   CPU @ 2.20GHz
flags\t\t: fpu vme hypervisor avx2
processor\t: 1
model name\t: Intel(R) Xeon(R)   CPU @ 2.20GHz
"""
ORIN = """processor\t: 0
BogoMIPS\t: 62.50
CPU implementer\t: 0x41
CPU part\t: 0xd42
processor\t: 1
CPU implementer\t: 0x41
CPU part\t: 0xd42
"""
BIG_LITTLE = """CPU implementer\t: 0x41
CPU part\t: 0xd0b
CPU implementer\t: 0x41
CPU part\t: 0xfff
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "proc/cpuinfo", X86)
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_this_machine_is_described_in_json() -> None:
    facts = machine_facts()
    json.dumps(facts)
    assert facts["cores"] >= 1
    assert facts["cores_present"] >= facts["cores"]
    assert facts["memory_mb"] > 100
    assert facts["python"] == platform.python_version()
    assert {"pptsn", "numpy", "av"} <= facts["packages"].keys()
    assert "libavcodec" in facts["ffmpeg"]


def test_nothing_names_the_machine_its_user_or_a_place() -> None:
    text = json.dumps(machine_facts())
    for secret in (platform.node(), str(Path.home()), str(Path(machine.__file__).parent)):
        assert len(secret) < 3 or secret not in text
    assert getpass.getuser() in ("root", "user") or getpass.getuser() not in text


def test_a_machine_that_tells_nothing_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    facts = machine_facts(tmp_path / "nothing")
    unknown = ("cpu", "core_quota", "memory_mb", "os", "virtual", "board", "l4t", "power_mode", "governor")
    for name in (*unknown, "clocks_mhz", "temperatures_c", "gpus", "commit", "dirty"):
        assert facts[name] is None, name


def test_nonsense_is_no_error(root: Path) -> None:
    for path in ("proc/cpuinfo", "proc/meminfo", "sys/fs/cgroup/cpu.max", "sys/fs/cgroup/memory.max"):
        write(root, path, "MemTotal: much\n\xff\n")
    facts = machine_facts(root)
    assert (facts["cpu"], facts["memory_mb"], facts["core_quota"]) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (X86, "Intel(R) Xeon(R) CPU @ 2.20GHz"),
        (ORIN, "Cortex-A78AE"),
        (f"model name\t: ARMv8 Processor rev 1 (v8l)\n{ORIN}", "Cortex-A78AE"),
        ("model name\t: ARMv8 Processor rev 1 (v8l)\n", "ARMv8 Processor rev 1 (v8l)"),
        (BIG_LITTLE, "Cortex-A76 and core 0xfff of designer 0x41"),
        ("processor\t: 0\n", None),
    ],
)
def test_processors_are_named_by_the_kernel_or_by_arms_numbers(root: Path, text: str, name: str | None) -> None:
    write(root, "proc/cpuinfo", text)
    assert machine_facts(root)["cpu"] == name


def test_a_jetsons_board_is_told(root: Path) -> None:
    write(root, "proc/device-tree/model", "NVIDIA Jetson AGX Orin Developer Kit\0")
    write(root, "etc/nv_tegra_release", "# R36 (release), REVISION: 4.3\n# more\n")
    facts = machine_facts(root)
    assert facts["board"] == "NVIDIA Jetson AGX Orin Developer Kit"
    assert facts["l4t"].startswith("# R36")


def test_clocks_temperatures_and_governors_are_told(root: Path) -> None:
    for core, governor in enumerate(("schedutil", "performance", "schedutil")):
        write(root, f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor", f"{governor}\n")
    write(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "2200000\n")
    write(root, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    write(root, "sys/class/thermal/thermal_zone0/temp", "48500\n")
    facts = machine_facts(root)
    assert facts["governor"] == "performance, schedutil"
    assert facts["clocks_mhz"] == {"cpu0": 2200}
    assert facts["temperatures_c"] == {"0 cpu-thermal": 48.5}


def test_the_limits_of_a_container_are_told(root: Path) -> None:
    write(root, "proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\n")
    assert machine_facts(root)["memory_mb"] == 16384
    write(root, "sys/fs/cgroup/cpu.max", "max 100000\n")
    write(root, "sys/fs/cgroup/memory.max", "max\n")
    facts = machine_facts(root)
    assert (facts["core_quota"], facts["memory_mb"]) == (None, 16384)
    write(root, "sys/fs/cgroup/cpu.max", "150000 100000\n")
    write(root, "sys/fs/cgroup/memory.max", "2000000000\n")
    facts = machine_facts(root)
    assert (facts["core_quota"], facts["memory_mb"]) == (1.5, 2000)


def test_virtual_machines_and_containers_are_told(root: Path) -> None:
    assert machine_facts(root)["virtual"] == "virtual machine"
    write(root, ".dockerenv", "")
    assert machine_facts(root)["virtual"] == "container in a virtual machine"
    write(root, "proc/cpuinfo", ORIN)
    assert machine_facts(root)["virtual"] == "container"


def test_the_operating_system_is_told(root: Path) -> None:
    write(root, "etc/os-release", 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n')
    assert machine_facts(root)["os"] == "Ubuntu 22.04.5 LTS"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    git("init", "-q", str(tmp_path))
    write(tmp_path, "file", "one")
    git("-C", str(tmp_path), "add", "file")
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    git("-C", str(tmp_path), *author, "commit", "-q", "-m", "first")
    monkeypatch.setattr(machine, "_CHECKOUT", tmp_path)
    return tmp_path


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_is_told_and_whether_files_differ_from_it(checkout: Path, root: Path) -> None:
    write(checkout, ".gitignore", "proc/\nsys/\n")
    git("-C", str(checkout), "add", ".gitignore")
    git("-C", str(checkout), "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "second")
    facts = machine_facts(root)
    assert (facts["commit"], facts["dirty"]) == (git("-C", str(checkout), "rev-parse", "HEAD"), False)
    write(checkout, "file", "two")
    assert machine_facts(root)["dirty"] is True


def test_an_installed_package_has_no_commit(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_CHECKOUT", tmp_path / "site-packages")
    facts = machine_facts(root)
    assert (facts["commit"], facts["dirty"]) == (None, None)


def test_a_jetson_tells_its_board_release_clocks_and_temperatures(tmp_path: Path) -> None:
    values = {
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.0\nmore\n",
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano\0",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "48625\n",
        "sys/class/thermal/thermal_zone1/type": "switched off\n",
        "sys/class/thermal/thermal_zone1/temp": "",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1510400\n",
        "sys/devices/system/cpu/cpu1/online": "0\n",
        "sys/class/devfreq/17000000.gpu/cur_freq": "624750000\n",
    }
    for name, value in values.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(value)
    facts = machine_facts(tmp_path)
    assert facts["board"] == "NVIDIA Jetson Orin Nano"
    assert facts["l4t"] == "# R36 (release), REVISION: 4.0"
    assert facts["temperatures_c"] == temperatures_c(tmp_path) == {"0 cpu-thermal": 48.625}
    assert facts["clocks_mhz"] == {"cpu0": 1510.4, "17000000.gpu": 624.75}


def test_power_mode_and_gpus_come_from_the_vendor_s_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = {
        "nvpmodel": 'test "$1" = -q && printf "NV Power Mode: 15W\\n0\\n"',
        "nvidia-smi": 'echo "Orin, 540.4.0, [N/A], 624 MHz, [N/A], 48"',
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    facts = machine_facts(tmp_path)
    assert facts["power_mode"] == ["NV Power Mode: 15W", "0"]
    assert (facts["gpus"][0]["name"], facts["gpus"][0]["temperature.gpu"]) == ("Orin", "48")
    (tmp_path / "nvpmodel").write_text("#!/bin/sh\nexit 1\n")
    assert machine_facts(tmp_path)["power_mode"] is None
