"""flup's own server, as its first example has it."""

from flup.server.fcgi import WSGIServer

from app.wsgi import application

WSGIServer(application, bindAddress="/run/app/flup.sock", umask=0o007).run()
