"""A bare WSGI callable: no framework, no packages."""

import json

from app.words import PAGE


def application(environ, start_response):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    kind, status = "application/json", "200 OK"
    if path == "/":
        kind, text = "text/html; charset=utf-8", f"<!doctype html><title>Bare</title><h1>{PAGE}</h1>"
    elif path == "/seen":
        names = {"host": "HTTP_HOST", "scheme": "wsgi.url_scheme", "client": "REMOTE_ADDR"}
        text = json.dumps({name: environ[key] for name, key in names.items()})
    elif path == "/upload" and method == "POST":
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        text = json.dumps({"length": len(body)})
    elif path == "/fail":
        raise RuntimeError("a reason")
    else:
        status, kind, text = "404 Not Found", "text/plain", "There is nothing here."
    start_response(status, [("Content-Type", kind)])
    return [text.encode()]
