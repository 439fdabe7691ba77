"""Chapter file uploads, in process."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import IO

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse

from app.config import Settings


def send(client: FlaskClient, name: str, content: bytes = b"content") -> TestResponse:
    return client.post("/uploads/uploader", data={"file": (BytesIO(content), name)})


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.upload_folder


def stored(folder: Path) -> dict[str, bytes]:
    """Every file of the folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_is_stored_in_the_upload_folder(client: FlaskClient, folder: Path) -> None:
    response = send(client, "notes.txt", b"text")
    assert (response.status_code, response.text) == (200, "file uploaded successfully")
    assert stored(folder) == {"notes.txt": b"text"}


def test_a_taken_name_gets_a_number(client: FlaskClient, folder: Path) -> None:
    for content in (b"0", b"1", b"2"):
        send(client, "notes.txt", content)
    assert stored(folder) == {"notes.txt": b"0", "notes-1.txt": b"1", "notes-2.txt": b"2"}


def test_uploads_at_once_under_one_name_are_all_kept(app: Flask, folder: Path) -> None:
    contents = [bytes([n]) * 100_000 for n in range(32)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda content: send(app.test_client(), "same.bin", content), contents))
    assert [answer.status_code for answer in answers] == [200] * 32
    assert sorted(stored(folder).values()) == contents


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "etc_passwd"),
        (".bashrc", "bashrc"),
        ("a b.txt", "a_b.txt"),
        ("naïve.txt", "naive.txt"),
        ("<b>.txt", "b.txt"),
        ("a" * 196 + ".txt", "a" * 196 + ".txt"),
    ],
)
def test_only_the_safe_part_of_a_name_is_kept(
    client: FlaskClient, folder: Path, sent: str, kept: str
) -> None:
    assert send(client, sent).status_code == 200
    assert list(stored(folder)) == [kept]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Choose a file first."),
        ("..", "Nothing in “..” can be used as a file&#39;s name; rename the file."),
        ("/", "Nothing in “/” can be used as a file&#39;s name; rename the file."),
        ("日本", "Nothing in “日本” can be used as a file&#39;s name; rename the file."),
        ("a" * 201, "The file&#39;s name is longer than 200 characters; rename the file."),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(
    client: FlaskClient, folder: Path, name: str, message: str
) -> None:
    response = client.post("/uploads/uploader", data={"file": FileStorage(BytesIO(b"x"), name)})
    assert response.status_code == 400
    assert message in response.text
    assert '<input id="file" name="file" type="file"' in response.text
    assert stored(folder) == {}


def test_no_file_is_refused(client: FlaskClient) -> None:
    for data in ({}, {"file": "a text field"}, {"other": (BytesIO(b"x"), "x.txt")}):
        response = client.post("/uploads/uploader", data=data, content_type="multipart/form-data")
        assert response.status_code == 400
        assert "Choose a file first." in response.text


def test_an_empty_file_is_a_file(client: FlaskClient, folder: Path) -> None:
    assert send(client, "empty.txt", b"").status_code == 200
    assert stored(folder) == {"empty.txt": b""}


def test_over_the_limit_is_413_and_nothing_is_kept(client: FlaskClient, folder: Path) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n'
    body = body.ljust(10 * 1024 * 1024) + b"\r\n--x--\r\n"
    response = client.post("/uploads/uploader", data=body, content_type="multipart/form-data; boundary=x")
    assert response.status_code == 413
    assert "<h1>413 " in response.text
    assert stored(folder) == {}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_507_and_leaves_no_part(
    client: FlaskClient, folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def save(_file: FileStorage, part: IO[bytes]) -> None:
        part.write(b"the first half")
        part.flush()
        raise OSError(code, "full")

    monkeypatch.setattr(FileStorage, "save", save)
    response = send(client, "notes.txt")
    assert response.status_code == 507
    assert "no room left" in response.text
    assert stored(folder) == {}


def test_another_fault_of_the_disk_is_500(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(_file: FileStorage, _part: IO[bytes]) -> None:
        raise OSError(errno.EIO, "worn out")

    monkeypatch.setattr(FileStorage, "save", save)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    response = send(client, "notes.txt")
    assert response.status_code == 500
    assert "worn out" not in response.text


def test_no_part_is_seen_while_a_file_arrives(
    client: FlaskClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[str] = []
    hidden: list[str] = []
    save = FileStorage.save

    def look_and_save(file: FileStorage, part: IO[bytes]) -> None:
        hidden.extend(stored(folder))
        pages.append(client.get("/uploads/").text)
        save(file, part)

    monkeypatch.setattr(FileStorage, "save", look_and_save)
    send(client, "notes.txt")
    assert len(hidden) == 1
    assert "<p>0 files</p>" in pages[0]
    assert hidden[0] not in pages[0]


def test_list_shows_the_newest_fifty(client: FlaskClient, folder: Path) -> None:
    for n in range(51):
        (folder / f"file{n:02}").write_bytes(b"x")
    page = client.get("/uploads/").text
    assert "51 files, the newest 50 of them:" in page
    assert page.count('href="/uploads/files/file') == 50


def test_download_is_an_attachment(client: FlaskClient) -> None:
    send(client, "page.html", b"<script>alert(1)</script>")
    with client.get("/uploads/files/page.html") as response:
        assert response.data == b"<script>alert(1)</script>"
        assert response.headers["Content-Disposition"] == "attachment; filename=page.html"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["nothing.txt", "..", "%2e%2e%2fstudents.sqlite3", ".upload-x", "%00"])
def test_only_stored_files_can_be_had(client: FlaskClient, folder: Path, name: str) -> None:
    (folder / ".upload-x").write_bytes(b"half")
    assert client.get(f"/uploads/files/{name}").status_code == 404


def test_uploader_takes_post_alone(client: FlaskClient) -> None:
    assert client.get("/uploads/uploader").status_code == 405
