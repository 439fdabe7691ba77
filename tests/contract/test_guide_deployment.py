"""Chapter deployment, through the front end."""

from __future__ import annotations

import re

from tests.profiles import FRONT_ENDS
from tests.site import Site


def test_picture_names_what_the_footer_names(site: Site) -> None:
    text = site.get("/deployment/").text
    svg = re.search(r'<svg class="topology".*?</svg>', text, re.S)
    footer = re.search(r'<small id="served-by">.*?</small>', text)
    assert svg
    assert footer
    front_end, transport, server, process = re.findall(r"<b>(.*?)</b>", footer[0])
    for name in (transport, server, f"this application, process {process}"):
        assert f">{name}<" in svg[0]
    if front_end in FRONT_ENDS:
        assert f">{front_end}<" in svg[0]
        assert f"<code>{front_end}/README.md</code>" in text


def test_flags_of_the_server_are_shown(site: Site) -> None:
    text = site.get("/deployment/").text
    rows = dict(re.findall(r'<th scope="row"><code>([^<]+)</code></th><td>([^<]*)</td>', text))
    assert rows["wsgi.version"] == "(1, 0)"
    assert rows["wsgi.run_once"] == "False"
    assert {rows["wsgi.multithread"], rows["wsgi.multiprocess"]} <= {"True", "False"}
    assert rows["wsgi.url_scheme"] == site.base_url.split(":")[0]
    assert rows["SERVER_PROTOCOL"].startswith("HTTP/")
