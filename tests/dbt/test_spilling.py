"""A base larger than the memory it may use: DuckDB spills, and dbt goes on."""

from __future__ import annotations

from pathlib import Path

import yaml
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.environments.local import LocalEnvironment
from jinja2 import Environment

from openchronic_assets.warehouse.project import project_dir


def profile(variables: dict[str, str]) -> DuckDBCredentials:
    """The connection that the project declares, with these variables."""
    jinja = Environment()
    jinja.filters |= {"as_number": int, "as_bool": bool}
    text = jinja.from_string((project_dir() / "profiles.yml").read_text()).render(
        env_var=lambda name, default=None: variables.get(name, default)
    )
    body = yaml.safe_load(text)["openchronic"]["outputs"]["duckdb"]
    return DuckDBCredentials.from_dict({"database": "openchronic", **body})


def test_a_cursor_opens_after_another_has_spilled(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    credentials = profile(
        {
            "OPENCHRONIC_DBT_DATABASE": str(tmp_path / "openchronic.duckdb"),
            "OPENCHRONIC_DBT_TEMP": str(spill),
            "OPENCHRONIC_DBT_MEMORY": "40MB",
            "OPENCHRONIC_DBT_THREADS": "1",
        }
    )
    connection = LocalEnvironment.initialize_db(credentials)
    try:
        first = LocalEnvironment.initialize_cursor(credentials, connection.cursor())
        first.execute(
            "create temp table large as select range as n, md5(range::varchar) as t "
            "from range(1500000) order by t"
        )
        assert any(spill.iterdir()), "nothing was spilled: the test tries nothing"
        second = LocalEnvironment.initialize_cursor(credentials, connection.cursor())
        second.execute("select current_setting('temp_directory'), current_setting('threads')")
        assert second.fetchone() == (str(spill), 1)
    finally:
        connection.close()
