"""The notebooks of docs/notebooks run from the first cell to the last, on a base that was built.

They read the base of ``OPENCHRONIC_HOME``, which the Makefile names: the demonstration's in CI.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import duckdb
import nbformat
import pytest
from nbclient import NotebookClient

from openchronic_assets.settings import HOME_VARIABLE, home

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
EXAMPLES_IN_R = FOLDER / "exemples.R"


def name(path: Path) -> str:
    return path.stem


@pytest.fixture
def something_built() -> None:
    """Skip where nothing is built: notebooks and examples read a base, and do not make one."""
    if not home().catalogue.is_file():
        pytest.skip(f"nothing is built in {home().root}: make demo, or set OPENCHRONIC_HOME")


@pytest.mark.long
@pytest.mark.usefixtures("something_built")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_runs_from_the_first_cell_to_the_last(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The kernel starts elsewhere: ./data would be another folder there.
    monkeypatch.setenv(HOME_VARIABLE, str(home().root))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        # What a notebook writes goes where the test's files go.
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert any(cell.outputs for cell in code)
    assert all(cell.execution_count for cell in code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_is_kept_without_what_it_printed(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    # Outputs hold data on people.
    assert not any(cell.outputs or cell.execution_count for cell in code)
    first = notebook.cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")


@pytest.mark.long
@pytest.mark.usefixtures("something_built")
def test_the_queries_of_the_examples_in_r_run() -> None:
    """R's DuckDB client is in no package of Debian: the same engine runs their text here."""
    text = EXAMPLES_IN_R.read_text(encoding="utf-8")
    queries = re.findall(r'dbGetQuery\(catalogue, "([^"]+)"\)', text)
    assert len(queries) == text.count("dbGetQuery(")
    with duckdb.connect(str(home().catalogue), read_only=True) as connection:
        for query in queries:
            found = connection.execute(query)
            columns = {each[0] for each in found.description}
            found.fetchall()
            # What the next lines of the example take from the answer is in it.
            used = re.search(r"(\w+) <- dbGetQuery\(catalogue, \"" + re.escape(query), text)
            if used:
                assert set(re.findall(rf"\b{used.group(1)}\$(\w+)", text)) <= columns


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.R")), ids=name)
def test_the_examples_in_r_are_r(path: Path) -> None:
    parsed = subprocess.run(
        ["Rscript", "--vanilla", "-e", f"parse('{path}')"],
        capture_output=True,
        check=False,
    )
    assert parsed.returncode == 0, parsed.stderr.decode()
