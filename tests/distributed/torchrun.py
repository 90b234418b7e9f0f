"""Has a real torchrun start the program: on one machine, with a process that is killed and started again, and between two network
namespaces, as between two machines. The last takes root and iproute2, and is passed over elsewhere.

    python3 tests/distributed/torchrun.py TORCHRUN TRAINYARD [CASE...]
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PIPELINE = """\
version: 1
name: net
seed: 3
threads: 2
dataset:
  source: digits
  validation: {split: 0.2}
  train: [cache, shuffle, augment: [random_flip: horizontal], {batch: 64}, prefetch]
model:
  layers:
    - rescaling: {scale: 1/255}
    - conv2d: {filters: 8, kernel_size: 3, padding: same, activation: relu}
    - batch_normalization
    - max_pooling2d
    - dropout: 0.2
    - flatten
    - dense: 10
strategy: {data_parallel: {timeout: 60}}
training:
  loss: sparse_categorical_crossentropy
  epochs: 40
  checkpoint: {steps: 7}
"""

TORCHRUN, TRAINYARD = (os.path.abspath(path) for path in sys.argv[1:3])


class Bench:
    """An empty directory with the pipeline in it."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.directory.name)
        (self.path / "net.yaml").write_text(PIPELINE)
        self.environment = {
            **os.environ,
            "OMP_WAIT_POLICY": "passive",
            "XDG_CACHE_HOME": str(self.path / "cache"),
        }
        for name in ["RANK", "WORLD_SIZE", "OMP_NUM_THREADS"]:
            self.environment.pop(name, None)

    def start(self, *command):
        log = open(self.path / f"log-{len(list(self.path.glob('log-*')))}", "w")
        return subprocess.Popen(
            command, cwd=self.path, env=self.environment, stdout=log, stderr=subprocess.STDOUT
        )

    def torchrun(self, *arguments, before=()):
        own = ["--no-python", TRAINYARD, "run", "--quiet", "net.yaml"]
        return self.start(*before, TORCHRUN, *arguments, *own)

    def end(self, *processes, seconds=240):
        limit = time.monotonic() + seconds
        try:
            codes = [process.wait(max(1, limit - time.monotonic())) for process in processes]
        except subprocess.TimeoutExpired:
            codes = ["too long"]
            for process in processes:
                process.kill()
        assert all(code == 0 for code in codes), f"{codes}\n{self.said()}"

    def said(self):
        return "\n".join(log.read_text() for log in sorted(self.path.glob("log-*")))

    def runs(self):
        return sorted((self.path / "runs" / "net").glob("2*")) if (self.path / "runs").exists() else []

    def only_run(self):
        runs = self.runs()
        assert len(runs) == 1, f"{runs}\n{self.said()}"
        info = json.loads((runs[0] / "run.json").read_text())
        assert info["status"] == "completed", f"{info['status']}\n{self.said()}"
        return runs[0], info


def weights(run):
    return (run / "model.safetensors").read_bytes()


def rank_of(process, parent):
    """The rank of a process below torchrun, or nothing."""
    try:
        text = pathlib.Path(f"/proc/{process}/environ").read_bytes().decode(errors="replace")
        status = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    variables = dict(line.split("=", 1) for line in text.split("\0") if "=" in line)
    return variables.get("RANK") if int(status[1]) == parent else None


def children(torchrun):
    """The processes that torchrun has started, by rank."""
    processes = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    ranks = [(rank_of(process, torchrun), process) for process in processes]
    return {rank: process for rank, process in ranks if rank is not None}


def wait_for_checkpoint(bench, torchrun):
    limit = time.monotonic() + 240
    while not any((run / "checkpoint" / "000003").is_dir() for run in bench.runs()):
        assert torchrun.poll() is None and time.monotonic() < limit, f"no checkpoint\n{bench.said()}"
        time.sleep(0.01)


def kill_rank(bench, rank, torchrun):
    """Kills a rank once there is a checkpoint."""
    wait_for_checkpoint(bench, torchrun)
    os.kill(children(torchrun.pid)[str(rank)], signal.SIGKILL)


def undisturbed():
    """What two processes that the program starts itself come to."""
    bench = Bench()
    two = "strategy={data_parallel: {processes: 2, timeout: 60}}"
    bench.end(bench.start(TRAINYARD, "run", "--quiet", "net.yaml", "--set", two))
    return weights(bench.only_run()[0])


def on_one_machine(wanted):
    bench = Bench()
    bench.end(bench.torchrun("--standalone", "--nproc-per-node", "2"))
    run, info = bench.only_run()
    assert info["provenance"]["processes"] == 2 and info["provenance"]["threads"] == 1
    assert weights(run) == wanted, "other weights than of processes that the program starts"


def killed_and_restarted(wanted, rank, *rendezvous):
    bench = Bench()
    torchrun = bench.torchrun(*rendezvous, "--nproc-per-node", "2", "--max-restarts", "2")
    kill_rank(bench, rank, torchrun)
    bench.end(torchrun)
    run, info = bench.only_run()
    assert len(info["resumed"]) == 1, info["resumed"]
    assert weights(run) == wanted, "other weights than of a run that nobody disturbed"


def complete_and_restarted():
    """An expectation that isn't met has torchrun start the processes again, and they have nothing to do."""
    bench = Bench()
    with (bench.path / "net.yaml").open("a") as pipeline:
        pipeline.write("expect: {test_accuracy: {min: 0.999}}\n")
    torchrun = bench.torchrun("--standalone", "--nproc-per-node", "2", "--max-restarts", "1")
    assert torchrun.wait(240) == 1, bench.said()
    _, info = bench.only_run()
    assert "resumed" not in info, info["resumed"]
    assert bench.said().count("expected test_accuracy at least 0.999: NOT MET") == 2, bench.said()


def interrupted(wanted):
    """Ctrl-C in a terminal reaches torchrun and the processes, which torchrun hands it once more."""
    bench = Bench()
    torchrun = bench.torchrun("--standalone", "--nproc-per-node", "2")
    wait_for_checkpoint(bench, torchrun)
    for process in [*children(torchrun.pid).values(), torchrun.pid]:
        os.kill(process, signal.SIGINT)
    torchrun.wait(60)
    (run,) = bench.runs()
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted", bench.said()
    two = "strategy={data_parallel: {processes: 2, timeout: 60}}"
    bench.end(bench.start(TRAINYARD, "run", "--quiet", "--resume", "last", "--set", two, "--allow", "strategy"))
    assert weights(bench.only_run()[0]) == wanted, "other weights than of a run that nobody disturbed"


def on_two_machines(bench, names):
    return [
        bench.torchrun(
            "--nnodes", "2", "--node-rank", str(at), "--nproc-per-node", "1",
            "--master-addr", "10.213.77.1", "--master-port", "29511",
            before=["ip", "netns", "exec", name],
        )
        for at, name in enumerate(names)
    ]  # fmt: skip


def trained_on_two_machines(names):
    bench = Bench()
    bench.end(*on_two_machines(bench, names))
    _, info = bench.only_run()
    assert info["provenance"]["processes"] == 2


def cut_off(names, ends):
    """Where the network is cut, the processes on both sides end."""
    bench = Bench()
    pipeline = (bench.path / "net.yaml").read_text().replace("timeout: 60", "timeout: 8").replace("epochs: 40", "epochs: 99999")
    (bench.path / "net.yaml").write_text(pipeline)
    agents = on_two_machines(bench, names)
    try:
        wait_for_checkpoint(bench, agents[0])
        subprocess.run(["ip", "-n", names[1], "link", "set", ends[1], "down"], check=True)
        limit = time.monotonic() + 60
        while any(children(agent.pid) for agent in agents):
            assert time.monotonic() < limit, f"a process hangs\n{bench.said()}"
            time.sleep(0.1)
    finally:
        for agent in agents:
            agent.kill()
    assert "rank 1 gives no sign of life" in bench.said(), bench.said()
    assert "the meeting place of the ranks is gone" in bench.said(), bench.said()


def between_namespaces():
    if os.geteuid() != 0 or not shutil.which("ip"):
        print("passed over: between two network namespaces, which takes root and iproute2")
        return
    names = [f"trainyard-{os.getpid()}-{end}" for end in range(2)]
    ends = [f"ty{os.getpid() % 100000}-{end}" for end in range(2)]
    ip = lambda *words: subprocess.run(["ip", *words], check=True, capture_output=True)
    try:
        try:
            for name in names:
                ip("netns", "add", name)
            ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
            for at, (name, end) in enumerate(zip(names, ends)):
                ip("link", "set", end, "netns", name)
                ip("-n", name, "addr", "add", f"10.213.77.{at + 1}/24", "dev", end)
                ip("-n", name, "link", "set", end, "up")
                ip("-n", name, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            print(f"passed over: between two network namespaces: {error.stderr.decode().strip()}")
            return
        trained_on_two_machines(names)
        cut_off(names, ends)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def main():
    wanted = undisturbed()
    cases = {
        "on one machine": lambda: on_one_machine(wanted),
        "a follower killed and started again": lambda: killed_and_restarted(wanted, 1, "--standalone"),
        "the first process killed and started again": lambda: killed_and_restarted(
            wanted, 0, "--master-addr", "127.0.0.1", "--master-port", "29512"
        ),
        "complete and started again": complete_and_restarted,
        "interrupted": lambda: interrupted(wanted),
        "between two network namespaces": between_namespaces,
    }
    only = sys.argv[3:]
    for name, case in cases.items():
        if only and name not in only:
            continue
        began = time.monotonic()
        case()
        print(f"{name}: done ({time.monotonic() - began:.0f} s)", flush=True)


main()
