"""The lock file takes DuckDB 1.5; the oldest client we promise and the next major must do as well.

``OPENCHRONIC_DUCKDB_VERSIONS`` names folders, separated by ``:``, into which another version of the
package was installed (``pip install --target FOLDER 'duckdb==2.*'``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from openchronic_assets.settings import Home
from openchronic_assets.synthetic import generate

OTHERS = [each for each in os.environ.get("OPENCHRONIC_DUCKDB_VERSIONS", "").split(":") if each]

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(not OTHERS, reason="no other DuckDB: set OPENCHRONIC_DUCKDB_VERSIONS"),
]

CLI = "from openchronic_assets.cli import main; main()"


def command(home: Path, *arguments: str, version: str | None = None) -> dict[str, object]:
    environment = os.environ | ({"PYTHONPATH": version} if version else {})
    done = subprocess.run(
        [sys.executable, "-c", CLI, *arguments, "--home", str(home), "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode in (0, 3), done.stderr[-2000:]
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("duckdb") / "extract"
    generate(folder, 150, (2020, 2020), 7, ["23"])
    return folder


@pytest.fixture(scope="module")
def built(extract: Path, tmp_path_factory: pytest.TempPathFactory, java: None) -> Path:
    return job(extract, tmp_path_factory.mktemp("locked"), None)


def job(extract: Path, home: Path, version: str | None) -> Path:
    command(home, "ingest", str(extract), version=version)
    # Too few people for a release: the gate refuses, and the build is published all the same.
    command(home, "run", "--years", "2020", version=version)
    return home


def marts(home: Path) -> dict[str, list[tuple[object, ...]]]:
    with duckdb.connect(str(Home(home).catalogue), read_only=True) as connection:
        names = [row[0] for row in connection.execute("show tables").fetchall()]
        return {
            name: connection.execute(f"select * from {name} order by all").fetchall()
            for name in names
        }


@pytest.mark.long
@pytest.mark.parametrize("version", OTHERS)
def test_the_catalogue_opens(version: str, built: Path) -> None:
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True);"
        "print(duckdb.__version__, c.execute('select count(*) from person').fetchall()[0][0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(Home(built).catalogue)],
        env=os.environ | {"PYTHONPATH": version},
        capture_output=True,
        text=True,
        check=True,
    )
    opened, rows = done.stdout.split()
    assert opened != duckdb.__version__
    assert int(rows) == len(marts(built)["person"]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("version", [each for each in OTHERS if "1.4" not in Path(each).name])
def test_the_main_job_gives_the_same_rows(
    version: str, extract: Path, built: Path, tmp_path: Path
) -> None:
    # One secret, so that pseudonyms can be compared.
    other = Home(tmp_path / "other").create()
    (other.vault / "pseudonym.key").write_bytes((Home(built).vault / "pseudonym.key").read_bytes())
    assert marts(job(extract, other.root, version)) == marts(built)
