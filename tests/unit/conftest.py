"""Settings of the unit tests, made before any module of the product is imported."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from openchronic_assets.settings import HOME_VARIABLE

# Importing the definitions parses the models into a home: never into the checkout's own.
_HOME = tempfile.mkdtemp(prefix="openchronic-tests-")
os.environ[HOME_VARIABLE] = _HOME
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
