from __future__ import annotations

import json
import re

from openchronic_assets.exports.docs import build_docs
from openchronic_assets.indicators.loader import catalogue
from openchronic_assets.settings import Home


def test_the_page_describes_every_mart_column_and_asks_the_network_for_nothing(home: Home) -> None:
    page = build_docs(home)
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)=["']https?://[^"']+\.(?:js|css|woff2?)""", text)
    assert "INLINE DATA" not in text
    assert re.search(r"Périodes d.ALD par personne", text)
    # The card of each indicator is in the page, with the table of its measures.
    assert all(f"`{name}`, version" in text for name in catalogue())
    found = re.search(r'"model\.openchronic\.ald_episode": (\{"unique_id".*?"stats": \{\}\})', text)
    assert found
    columns = json.loads(found.group(1))["columns"]
    assert columns["start_date"]["type"] == "date"
    assert all(column["type"] for column in columns.values())
    assert [each.name for each in page.parent.iterdir()] == ["index.html"]
