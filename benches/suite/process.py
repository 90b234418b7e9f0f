"""Runs a program and says what it took."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A program ended as it shouldn't; with what it said."""


@dataclass
class Done:
    lines: list
    """Of stdout."""
    at: list
    """When each came, in seconds since the start."""
    started: float
    """As `time.time()` says."""
    wall: float
    cpu: float
    """Seconds of processors, by itself and by what it started."""
    peak: int
    """The most bytes that lay in memory."""
    others: float | None
    """What share of the processors others took meanwhile, where the system tells."""
    shown: int
    """How many bytes a terminal was given."""

    def cost(self):
        return {"wall": self.wall, "cpu": self.cpu, "peak": self.peak, "others": self.others}


def busy():
    """Seconds that all processors have worked or were withheld, or nothing where the system doesn't tell."""
    try:
        with open("/proc/stat") as file:
            user, nice, system, _, _, irq, softirq, steal, *_ = map(int, file.readline().split()[1:])
    except OSError:
        return None
    return (user + nice + system + irq + softirq + steal) / TICKS


def drain(descriptor, shown):
    """Reads what a terminal shows, until nothing holds it any more."""
    try:
        while some := os.read(descriptor, 65536):
            shown += some
    except OSError:
        pass


def run(command, environment=None, codes=(0,), terminal=False):
    """Runs `command`; with `terminal` its stderr is one."""
    with tempfile.TemporaryFile() as complaints:
        errors, watcher, shown = complaints, None, bytearray()
        if terminal:
            master, errors = pty.openpty()
            fcntl.ioctl(errors, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
            environment = {"TERM": "xterm-256color", **(environment or {})}
            watcher = threading.Thread(target=drain, args=(master, shown), daemon=True)
            watcher.start()
        before, started, start = busy(), time.time(), time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **(environment or {})},
            text=True,
        )
        lines, at = [], []
        try:
            for line in process.stdout:
                at.append(time.perf_counter() - start)
                lines.append(line.rstrip("\n"))
            # Not `process.wait`, for only this tells what the process took.
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        wall, after = time.perf_counter() - start, busy()
        process.stdout.close()
        if watcher:
            os.close(errors)
            watcher.join(5)
            os.close(master)
        if process.returncode not in codes:
            complaints.seek(0)
            said = (bytes(shown) or complaints.read()).decode(errors="replace")[-4000:]
            raise Failed(f"{' '.join(map(str, command))}\nended with {process.returncode}\n{said}")
    cpu = usage.ru_utime + usage.ru_stime
    others = None
    if before is not None:
        others = max(0.0, (after - before - cpu) / (wall * os.cpu_count()))
    # In bytes on macOS, in units of 1024 elsewhere.
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Done(lines, at, started, wall, cpu, peak, others, len(shown))
