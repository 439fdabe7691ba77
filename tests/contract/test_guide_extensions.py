"""Chapter extensions, through the front end."""

from __future__ import annotations

import re

from tests.site import Site


def test_each_extension_is_listed_with_a_version(site: Site) -> None:
    response = site.get("/extensions/")
    assert response.status_code == 200
    rows = re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a></th><td>([^<]+)</td>', response.text)
    assert {"Flask-SQLAlchemy", "Flask-Mail", "Flask-WTF", "Flask-Sijax"} <= {name for name, _ in rows}
    assert all(re.fullmatch(r"\d+(\.\d+)+", version) for _, version in rows)
