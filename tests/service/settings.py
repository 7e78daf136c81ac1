"""The service's own settings, on a data folder that is thrown away with the test run."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_FOLDER = Path(tempfile.mkdtemp(prefix="epiluma-tests-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
for _name in ("uploads", "static"):
    (_FOLDER / _name).mkdir()
for _name in [name for name in os.environ if name.startswith("EPILUMA_")]:
    if _name not in ("EPILUMA_REQUIRE", "EPILUMA_DATA_ROOT", "EPILUMA_CHROMIUM"):
        del os.environ[_name]
os.environ["EPILUMA_DATA_DIR"] = str(_FOLDER)
os.environ["EPILUMA_DEMO"] = "1"

from epiluma.service.settings import *  # noqa: E402, F403
from epiluma.service.settings import STORAGES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the tests sign in often
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
