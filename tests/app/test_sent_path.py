"""servers/sent_path.py: whatever a front end makes of a path, the application sees what was sent."""

from __future__ import annotations

import pytest

from servers.sent_path import restore


@pytest.mark.parametrize(
    ("uri", "script_name", "path_info"),
    [
        ("/a?b", "", "/a"),
        ("//a///b/../c/./", "", "//a///b/../c/./"),
        ("/a%2Fb%2e%2e%00%C3%A4%ff", "", "/a/b..\0Ã¤ÿ"),
        ("http://localhost:80//a", "", "//a"),
        ("//http://x/a", "", "//http://x/a"),
        ("/below//a", "/below", "//a"),
        # Of what is not below SCRIPT_NAME, the front end knows better.
        ("*", "", "/given"),
        ("/%62elow/x?", "/other", "/given"),
        ("http://localhost", "", "/given"),
    ],
)
def test_path_info_is_what_was_sent(uri: str, script_name: str, path_info: str) -> None:
    environ = {"REQUEST_URI": uri, "SCRIPT_NAME": script_name, "PATH_INFO": "/given"}
    restore(environ)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)


def test_without_the_request_s_target_nothing_changes() -> None:
    environ = {"SCRIPT_NAME": "", "PATH_INFO": "/given"}
    restore(environ)
    assert environ["PATH_INFO"] == "/given"
