#!/srv/app/venv/bin/python
"""/srv/app/app.fcgi: what lighttpd starts (bin-path), with the socket as its standard input."""

import sys

from servers import flup_server

sys.exit(flup_server.main(["app.wsgi", "--stdin"]))
