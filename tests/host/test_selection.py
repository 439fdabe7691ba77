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
# Of what takes long.
WHOLE = "tests/stack/test_reload.py::test_F3_reload_refuses_what_is_broken_and_goes_on_serving"
CONTRACT = "tests/contract/test_guide_application.py"


@pytest.mark.parametrize(
    ("file", "profiles", "asked"),
    [
        # apache is held to the whole contract, apache-express and apache-fastcgi are in trial.
        (WHOLE, "apache-express,apache-fastcgi,apache", {"apache"}),
        (CONTRACT, "apache-express,apache", {"apache-express", "apache"}),
        # Two with one front end.
        (FRONT_END, "nginx,granian,dev", {"nginx"}),
        (SHARED, "nginx,granian,uwsgi", {"nginx"}),
        (SERVER, "granian,nginx,dev", {"granian", "nginx"}),
        (CONTRACT, "granian,nginx", {"granian", "nginx"}),
        # Of three that are held to it each shows what is its own.
        (SHARED, "nginx,nginx-fastcgi,gevent", {"nginx"}),
        (FRONT_END, "nginx,nginx-fastcgi,gevent", {"nginx", "nginx-fastcgi"}),
        (WHOLE, "nginx,nginx-fastcgi,gevent", {"nginx", "nginx-fastcgi", "gevent"}),
        # One alone is asked all.
        (SHARED, "apache-express", {"apache-express"}),
        (FRONT_END, "granian", {"granian"}),
        (WHOLE, "apache-express", {"apache-express"}),
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
