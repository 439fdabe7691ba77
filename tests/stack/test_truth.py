"""The client's address, asked from a container whose address is known."""

from __future__ import annotations

import json

from tests.stacks import Stack

CLIENT = """
import json, socket, sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={
    "Accept": "application/json", "Host": "localhost", "X-Forwarded-For": "203.0.113.7"})
seen = json.load(urllib.request.urlopen(request, timeout=10))
print(json.dumps([socket.gethostbyname(socket.gethostname()), seen["client"]]))
"""


def test_app_sees_the_clients_own_address(stack: Stack) -> None:
    output = stack.docker.containers.run(
        stack.image_name("migrate"),
        ["python3", "-c", CLIENT, f"http://{stack.profile.name}/request/inspect"],
        network=f"{stack.name}_default",
        remove=True,
    )
    own, seen = json.loads(output)
    assert seen == own
