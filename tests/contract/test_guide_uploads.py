"""Chapter file uploads, through the front end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import requests

from tests.site import Site

FORM = "/uploads/upload"
LIMIT = 10 * 1024 * 1024


def send(site: Site, name: str, content: bytes = b"content") -> requests.Response:
    return site.submit(FORM, "/uploads/uploader", files={"file": (name, content)})


def test_an_uploaded_file_is_listed_and_comes_back_as_an_attachment(site: Site) -> None:
    name, content = f"{uuid4()}.html", b"<b>\x00\xff\r\n" * 30_000
    response = send(site, name, content)
    assert (response.status_code, response.text) == (200, "file uploaded successfully")
    assert f'href="{site.prefix}/uploads/files/{name}"' in site.get("/uploads/").text
    download = site.get(f"/uploads/files/{name}")
    assert download.content == content
    assert download.headers["Content-Disposition"] == f"attachment; filename={name}"
    assert download.headers["X-Content-Type-Options"] == "nosniff"


def test_uploads_at_once_under_one_name_are_all_kept(site: Site) -> None:
    """Several processes store at once: only the file system can tell them that a name is taken."""
    stem = str(uuid4())
    contents = [bytes([n]) * 50_000 for n in range(16)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda content: send(Site(site.base_url), f"{stem}.bin", content), contents))
    assert [answer.status_code for answer in answers] == [200] * 16
    names = [f"{stem}.bin"] + [f"{stem}-{n}.bin" for n in range(1, 16)]
    assert sorted(site.get(f"/uploads/files/{name}").content for name in names) == contents


def test_path_in_a_name_is_taken_away(site: Site) -> None:
    name = str(uuid4())
    assert send(site, f"../../{name}").status_code == 200
    assert site.get(f"/uploads/files/{name}").content == b"content"


@pytest.mark.parametrize("name", ["..", "/", "../"])
def test_a_name_of_nothing_but_path_is_refused(site: Site, name: str) -> None:
    response = send(site, name)
    assert response.status_code == 400
    assert "can be used as a file&#39;s name" in response.text


def test_no_file_is_refused(site: Site) -> None:
    response = site.submit(FORM, "/uploads/uploader", files={"other": ("x.txt", b"x")})
    assert response.status_code == 400
    assert "Choose a file first." in response.text


def test_an_empty_file_is_a_file(site: Site) -> None:
    name = f"{uuid4()}.txt"
    assert send(site, name, b"").status_code == 200
    download = site.get(f"/uploads/files/{name}")
    assert (download.status_code, download.content) == (200, b"")


def test_just_under_the_limit_is_stored(site: Site) -> None:
    name, content = f"{uuid4()}.bin", bytes(LIMIT - 2000)
    assert send(site, name, content).status_code == 200
    assert len(site.get(f"/uploads/files/{name}").content) == len(content)


def test_over_the_limit_is_413(site: Site) -> None:
    name = f"{uuid4()}.bin"
    assert send(site, name, bytes(LIMIT + 1)).status_code == 413
    assert site.get(f"/uploads/files/{name}").status_code == 404


def test_without_the_token_nothing_is_stored(site: Site) -> None:
    name = f"{uuid4()}.txt"
    assert site.post("/uploads/uploader", files={"file": (name, b"x")}).status_code == 400
    assert site.get(f"/uploads/files/{name}").status_code == 404


def test_uploader_takes_post_alone(site: Site) -> None:
    response = site.get("/uploads/uploader")
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
