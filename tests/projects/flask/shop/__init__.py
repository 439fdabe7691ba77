"""Flask, made by a factory, as its tutorial does."""

import logging
import time
from importlib.metadata import version
from pathlib import Path

import werkzeug
from flask import Flask, Response, render_template, request


def create_app(config=None):
    app = Flask(__name__)
    app.config.update(config or {})

    @app.get("/")
    def index():
        return render_template("index.html", word="Flask's page")

    @app.get("/seen")
    def seen():
        return {"host": request.host, "scheme": request.scheme, "client": request.remote_addr}

    @app.post("/upload")
    def upload():
        return {"length": len(request.get_data())}

    @app.get("/fail")
    def fail():
        raise RuntimeError("a reason")

    @app.get("/versions")
    def versions():
        return {"flask": version("flask"), "werkzeug": version("werkzeug"), "from": werkzeug.__file__}

    @app.get("/stream")
    def stream():
        def pieces():
            for number in range(20):
                yield f"{number}\n"
                time.sleep(0.1)

        return Response(pieces(), mimetype="text/plain")

    @app.post("/keep")
    def keep():
        Path("/var/lib/app/kept").write_text(request.get_data(as_text=True))
        logging.getLogger("shop").info("kept")
        return "kept"

    @app.get("/kept")
    def kept():
        return Path("/var/lib/app/kept").read_text()

    return app
