"""Ray Train on a cluster of several nodes on this machine, one of which is killed in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from epiluma.training import recipe, run
from tests.tiny_project import make_project

CLUSTER = """
import sys, threading, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from epiluma.training import cluster, recipe, run

toml, folder = Path(sys.argv[1]), Path(sys.argv[2])
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
lost = nodes.add_node(num_cpus=1)
nodes.add_node(num_cpus=1)
ray.init(address=nodes.address, log_to_driver=False)
killed = []

def kill():
    while not (folder / run.LOG).is_file():
        time.sleep(0.2)
    nodes.remove_node(lost, allow_graceful=False)
    killed.append(len((folder / run.LOG).read_text().splitlines()))

threading.Thread(target=kill, daemon=True).start()
cluster.train(recipe.load(toml), folder, workers=2)
print("killed after epochs:", killed)
ray.shutdown()
nodes.shutdown()
"""


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_run_goes_on_when_a_node_is_killed(tmp_path: Path) -> None:
    toml = make_project(tmp_path, count=80, epochs=6)
    folder = tmp_path / "run"
    command = [sys.executable, "-c", CLUSTER, str(toml), str(folder)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=480, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "killed after epochs: [" in done.stdout
    lines = [json.loads(line) for line in (folder / run.LOG).read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(recipe.load(toml).epochs)), "each epoch once"
    assert json.loads((folder / run.FINISHED).read_text())["reason"] == "last epoch"
