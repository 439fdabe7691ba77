"""Which tests a run asks of which profiles: none is asked of nobody."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.profiles import PROFILES, ROOT

# Of what a variant shares with its sibling; of a front end's own files; of the application server.
SHARED = "tests/stack/test_ipv6.py"
FRONT_END = "tests/stack/test_verify.py"
SERVER = "tests/stack/test_fuzz.py"
CONTRACT = "tests/contract/test_guide_application.py"


@pytest.mark.parametrize(
    ("file", "profiles", "asked"),
    [
        (CONTRACT, "apache-express,apache", {"apache-express", "apache"}),
        # Two with one front end.
        (FRONT_END, "nginx,granian,dev", {"nginx"}),
        (SHARED, "nginx,granian,uwsgi", {"nginx"}),
        (SERVER, "granian,nginx,dev", {"granian", "nginx"}),
        (CONTRACT, "granian,nginx", {"granian", "nginx"}),
        # One of its own with two that share one.
        (SHARED, "nginx,nginx-fastcgi,gevent", {"nginx"}),
        (FRONT_END, "nginx,nginx-fastcgi,gevent", {"nginx", "nginx-fastcgi"}),
        # One alone is asked all.
        (SHARED, "apache-express", {"apache-express"}),
        (FRONT_END, "granian", {"granian"}),
        # Front ends that are no variants of each other have nothing in common.
        (SHARED, "apache,nginx,lighttpd", {"apache", "nginx", "lighttpd"}),
        (FRONT_END, "apache,nginx,lighttpd", {"apache", "nginx", "lighttpd"}),
    ],
)
def test_run_asks(file: str, profiles: str, asked: set[str]) -> None:
    command = [sys.executable, "-m", "pytest", file, "--profiles", profiles, "--collect-only", "-q"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = "|".join(sorted(PROFILES, key=len, reverse=True))  # nginx-fastcgi is not nginx
    assert set(re.findall(rf"(?<=[\[-])(?:{names})(?=[\]-])", done.stdout)) == asked, done.stdout
