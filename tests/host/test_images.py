"""docker/images.sh: what a person reads while images are built."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.profiles import ROOT

# BuildKit's: a step of several that run at once is named again each time it has something to say.
PROGRESS = """\
#5 [nginx base 1/2] FROM docker.io/library/debian:trixie-slim
#6 [nginx nginx 1/4] RUN apt-get update
#6 0.4 Reading package lists...
#7 [nginx nginx 2/4] COPY nginx /srv/nginx
#7 CACHED
#8 [gunicorn gunicorn 1/3] COPY servers servers
#8 DONE 0.1s
#6 [nginx nginx 1/4] RUN apt-get update
#6 2.1 Setting up nginx
#6 DONE 2.2s
"""


def test_each_step_that_is_not_cached_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text(f"#!/bin/sh\ncat <<'END'\n{PROGRESS}END\n")
    (tmp_path / "docker").chmod(0o755)
    environ = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["docker/images.sh", "nginx"], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1:] == [
        "    [nginx nginx 1/4] RUN apt-get update",
        "    [gunicorn gunicorn 1/3] COPY servers servers",
    ]
