"""Ray Tune on a cluster of two nodes on this machine, one of which is killed in the middle of a trial."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from epiluma.training.search import report
from epiluma.training.search.study import opened, search
from tests.training.search.objectives import EPOCHS, make_plan, resumable

ROOT = Path(__file__).parents[3]
CLUSTER = """
import sys, threading, time
from pathlib import Path
import psutil
import ray
from ray.cluster_utils import Cluster
from epiluma.training.search.spread import spread
from tests.training.search.objectives import EPOCHS, make_plan, resumable

folder = Path(sys.argv[1])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
ray.init(address=cluster.address, log_to_driver=False)
log = folder / "trial-0001" / "epochs"

def kill():
    while not log.is_file() or len(log.read_text().splitlines()) < EPOCHS // 2:
        time.sleep(0.1)
    worker = psutil.Process(int(log.read_text().split()[-1]))
    above = {parent.pid for parent in worker.parents()}
    (lost,) = (node for node in nodes if node.all_processes["raylet"][0].process.pid in above)
    cluster.remove_node(lost, allow_graceful=False)
    worker.wait(120)
    (folder / "go").touch()

threading.Thread(target=kill, daemon=True).start()
spread(make_plan(pruner="none"), folder, resumable, trials=4, jobs=2)
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_search_over_a_cluster_goes_on_when_a_node_is_killed_and_ends_here(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLUSTER, str(tmp_path)],
        capture_output=True, check=False, timeout=480, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    plan = make_plan(pruner="none")
    rows = report.rows_in(plan, tmp_path)
    assert [row.state for row in rows] == ["complete"] * 4
    for row in rows:
        log = (tmp_path / f"trial-{row.number:04}" / "epochs").read_text().splitlines()
        assert [line.split()[0] for line in log] == [str(epoch) for epoch in range(EPOCHS)]
        assert row.epochs == EPOCHS
        assert row.figures == {"epoch": EPOCHS - 1}
    with opened(plan, tmp_path) as shared:
        assert shared.study.trials[1].user_attrs["interrupted"] == 1
    processes = [line.split()[1] for line in (tmp_path / "trial-0001" / "epochs").read_text().splitlines()]
    assert len(set(processes[:2])) == len(set(processes[2:])) == 1
    assert processes[0] != processes[-1], "another process went on in the same folder"

    search(plan, tmp_path, resumable, trials=5, say=str)
    assert [row.state for row in report.rows_in(plan, tmp_path)] == ["complete"] * 5
    assert report.rows_in(plan, tmp_path)[:4] == rows


def test_without_ray_the_error_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['ray'] = None\n"
        "from epiluma.training.search.space import SearchError\n"
        "try:\n    import epiluma.training.search.spread\n"
        "except SearchError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "spreading a search needs Ray; `pip install epiluma[scale]`"


def test_what_the_cluster_reports_ends_in_the_study_as_it_would_here(tmp_path: Path) -> None:
    from epiluma.training.search.spread import Desk

    plan = make_plan(sampler="random")
    with opened(plan, tmp_path) as shared:
        desk = Desk(shared, 8, 2, str)
        for number in range(5):  # the median pruner asks for five
            assert desk.take(f"t{number}")
            assert not any(desk.hear(f"t{number}", {"epoch": epoch, "value": 0.5}) for epoch in range(3))
            desk.hear(f"t{number}", {"ended": True, "value": 0.5, "stopped": "", "error": "", "figures/loss": 1.0})
        assert desk.take("behind")
        assert desk.take("lost")
        assert desk.take("too many at once") is None
        assert not desk.hear("behind", {"epoch": 0, "value": 0.1})
        assert desk.hear("behind", {"epoch": 1, "value": 0.1}), "below the median"
        assert desk.hear("behind", {"epoch": 2, "value": 0.1}), "a late word changes nothing"
        desk.lose("behind")
        lost = desk.running["lost"].number
        desk.lose("lost")
        again = desk.take("found")
        assert again is not None
        assert again.number == lost
        desk.hear("found", {"ended": True, "value": float("nan"), "stopped": "failed: no memory", "error": ""})
        assert desk.take("next")
        desk.hear("next", {"ended": True, "value": float("nan"), "stopped": "", "error": "no such metric"})
        assert desk.error == "no such metric"
        assert desk.take("after an error") is None
    rows = report.rows_in(plan, tmp_path)
    assert [row.state for row in rows] == ["complete"] * 5 + ["pruned", "failed", "running"]
    assert rows[0].figures == {"loss": 1.0}
    assert [row.note for row in rows[5:7]] == ["pruned after epoch 1", "failed: no memory"]
