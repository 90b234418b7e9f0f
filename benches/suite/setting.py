"""Where everything lies, and what machine this is."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "benches" / "peers"
PIPELINES = ROOT / "benches" / "pipelines"
# Vector instructions that tell the processors of a cloud apart, whose names are all alike.
FLAGS = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16"]


def fail(message):
    sys.exit(f"benches/run: {message}")


def usable_cores():
    """The cores this process may run on, where the system tells; else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@dataclass
class Setting:
    """What all measurements have in common."""

    trainyard: Path
    python: Path
    data: Path
    """Trainyard's data directory."""
    peers_data: Path
    """The directory with `cifar-10-batches-bin`."""
    work: Path
    """For what is made and thrown away."""
    threads: int
    quick: bool
    notes: list = field(default_factory=list)
    """What was skipped, and why."""

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            print(f"note: {text}", file=sys.stderr)


def find_trainyard():
    path = Path(os.environ.get("TRAINYARD") or ROOT / "target" / "release" / "trainyard").absolute()
    if not os.access(path, os.X_OK):
        fail(f"no program {path}: run 'cargo build --release', or name one in TRAINYARD")
    return path


def copied(program, work):
    """A copy, so that a build in the meantime changes nothing; what it links to is found by where it lies."""
    copy = work / "trainyard"
    shutil.copy2(program, copy)
    if subprocess.run([copy, "--version"], capture_output=True).returncode != 0:
        return program
    return copy


def find_data(given):
    """Trainyard's data directory and that of the peers."""
    if not given:
        fail("no data directory: give one, or set TRAINYARD_DATA")
    given = Path(given).absolute()
    if (given / "cifar10" / "cifar-10-batches-bin").is_dir():
        return given, given / "cifar10"
    if (given / "cifar-10-batches-bin").is_dir():
        # Trainyard looks below its data directory for the source's name, too.
        return (given.parent if given.name == "cifar10" else given), given
    fail(f"no cifar-10-batches-bin in {given}")


def find_python():
    """PEERS_PYTHON, or the one in benches/.venv, which is made if needed."""
    if given := os.environ.get("PEERS_PYTHON"):
        # Not resolved: the link is what makes it that of a virtual environment.
        path = shutil.which(given) or fail(f"PEERS_PYTHON: no {given}")
        return Path(path).absolute()
    venv, wanted = ROOT / "benches" / ".venv", PEERS / "requirements.txt"
    python, stamp = venv / "bin" / "python", venv / "requirements.txt"
    # The stamp is written last, so that an interrupted installation is finished the next time.
    if not stamp.exists() or stamp.read_text() != wanted.read_text():
        print("making benches/.venv", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", wanted], check=True)
        shutil.copy(wanted, stamp)
    return python


def read(path):
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def processor():
    cpuinfo = read("/proc/cpuinfo")
    if not cpuinfo:
        named = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True)
        return named.stdout.strip() or platform.machine()

    def value(key):
        found = re.search(rf"^{key}\s*: (.*)$", cpuinfo, re.MULTILINE)
        return found.group(1) if found else ""

    numbers = ", ".join(f"{key} {value(key)}" for key in ("cpu family", "model", "stepping") if value(key))
    flags = set((value("flags") or value("Features")).split())
    parts = [numbers, " ".join(flag for flag in FLAGS if flag in flags)]
    return "; ".join([value("model name") or platform.machine(), *filter(None, parts)])


def commit():
    def git(*arguments):
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    name = git("rev-parse", "--short", "HEAD")
    if name is None:
        return "none"
    return f"{name}, with changes" if git("status", "--porcelain") else name


def versions(setting):
    program = (
        "import json, sys; from importlib.metadata import version; "
        "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    )
    names = ["torch", "keras", "tensorflow-cpu", "numpy"]
    done = subprocess.run([setting.python, "-c", program, *names], capture_output=True, text=True)
    found = json.loads(done.stdout) if done.returncode == 0 else {}
    own = subprocess.run([setting.trainyard, "--version"], capture_output=True, text=True).stdout.strip()
    return ", ".join(
        [own, *(f"{name} {number}" for name, number in found.items()), f"Python {platform.python_version()}"]
    )


def facts(setting):
    """What a reader has to know to judge the figures."""
    memory = re.search(r"MemTotal:\s*(\d+)", read("/proc/meminfo"))
    huge = re.search(r"\[(\w+)\]", read("/sys/kernel/mm/transparent_hugepage/enabled"))
    own = {
        key: value for key, value in os.environ.items() if key.startswith(("OMP_", "GOMP_", "KMP_", "MKL_", "MALLOC_"))
    }
    found = {
        "processor": processor(),
        "cores": str(usable_cores()),
        "threads": str(setting.threads),
        "memory": f"{int(memory.group(1)) / 2**20:.0f} GiB" if memory else "",
        "system": f"{platform.system()} {platform.release()}",
        "huge pages": huge.group(1) if huge else "",
        "commit": commit(),
        "versions": versions(setting),
        "environment": " ".join(f"{key}={value}" for key, value in own.items()),
    }
    return {name: value for name, value in found.items() if value}
