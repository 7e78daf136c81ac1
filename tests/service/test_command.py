"""What `serve` refuses before it listens, and what it has made ready when it does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from epiluma import bundle as bundles
from epiluma.bundle import Bundle
from epiluma.service.config import Configuration

SECRET = "k3y-" * 12 + "abcdefgh"
PRODUCTION = {"EPILUMA_SECRET_KEY": SECRET, "EPILUMA_ALLOWED_HOSTS": "skin.example"}
PREPARE = """
import sys
from pathlib import Path
from epiluma.service.command import prepare
from epiluma.bundle import BundleError
from epiluma.service.config import ConfigurationError
try:
    prepare(host=sys.argv[1], demo=sys.argv[2] == "demo", data_dir=Path(sys.argv[3]), bundle=Path(sys.argv[4]))
except (BundleError, ConfigurationError) as error:
    sys.exit(str(error))
from epiluma.service.accounts.models import Clinic, User
print(Clinic.objects.count(), sorted(User.objects.filter(is_active=True).values_list("email", flat=True)))
"""


def prepare(
    data_dir: Path, bundle: Path, *, mode: str = "production", host: str = "127.0.0.1", **environment: str
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("EPILUMA_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PREPARE, host, mode, str(data_dir), str(bundle)],
        env=clean | (PRODUCTION if mode == "production" else {}) | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def non_commercial(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Path:
    import msgspec

    manifest = msgspec.structs.replace(tiny_bundle.manifest, non_commercial=True, licence="CC-BY-NC-4.0")
    return bundles.write(bundles.build(manifest, tiny_bundle.files), tmp_path_factory.mktemp("nc") / "nc.epiluma")


def test_demo_makes_accounts_and_production_closes_them(tmp_path: Path, non_commercial: Path) -> None:
    demo = prepare(tmp_path, non_commercial, mode="demo")
    assert (demo.returncode, demo.stdout) == (0, "1 ['ada@demo.example', 'ben@demo.example']\n"), demo.stderr
    assert list((tmp_path / "static" / "epiluma").glob("app.*.css.gz"))
    again = prepare(tmp_path, non_commercial, mode="demo")
    assert again.stdout == demo.stdout
    real = prepare(tmp_path, non_commercial, EPILUMA_ACCEPT_NON_COMMERCIAL="1")
    assert (real.returncode, real.stdout) == (0, "1 []\n"), real.stderr


@pytest.mark.parametrize(
    ("mode", "host", "environment", "says"),
    [
        ("demo", "0.0.0.0", {}, "demo mode signs visitors in without a password"),
        ("production", "127.0.0.1", {"EPILUMA_SECRET_KEY": ""}, "EPILUMA_SECRET_KEY is missing"),
        ("production", "127.0.0.1", {}, "set EPILUMA_ACCEPT_NON_COMMERCIAL=1"),
        ("demo", "127.0.0.1", {"EPILUMA_BUNDLE_ID": "00" * 32}, "EPILUMA_BUNDLE_ID allows only"),
    ],
)
def test_refused_in_one_line(
    *, mode: str, host: str, environment: dict[str, str], says: str, tmp_path: Path, non_commercial: Path
) -> None:
    done = prepare(tmp_path, non_commercial, mode=mode, host=host, **environment)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "epiluma.sqlite3").exists(), "nothing is made before everything is checked"


def test_a_changed_bundle_is_refused(tmp_path: Path, tiny_bundle: Bundle) -> None:
    folder = bundles.write(tiny_bundle, tmp_path / "bundle")
    graph = bytearray((folder / "model.onnx").read_bytes())
    graph[100] ^= 1
    (folder / "model.onnx").write_bytes(graph)
    done = prepare(tmp_path / "data", folder, mode="demo")
    assert done.returncode == 1
    assert done.stderr.startswith("model.onnx: ")


def test_a_busy_port_is_named(configuration: Configuration) -> None:
    from epiluma.service.command import _refuse_busy_port
    from epiluma.service.config import ConfigurationError

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port} .*--port"):
            _refuse_busy_port("127.0.0.1", port)
