"""One Flask application that shows every feature of the guide, behind whatever front end."""

from __future__ import annotations

import gc

# While modules load nothing is garbage; to look for it would take a tenth of the time.
gc.disable()

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import (
    database,
    errors,
    fingerprints,
    guide,
    headers,
    health,
    limits,
    metrics,
    prefix,
    request_id,
    testing,
)
from app.config import Settings
from app.extensions import csrf, db, mail, sijax

gc.enable()


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application; raises ConfigError with one sentence where a setting is wrong."""
    settings = settings or Settings.from_environment()
    settings.check()

    app = Flask(__name__, static_folder=settings.static_folder or "static", static_url_path="/static")
    app.config.update(settings.flask_config())
    app.extensions["settings"] = settings
    if settings.proxy_hops:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxy_hops, x_proto=settings.proxy_hops, x_host=0
        )

    prefix.init_app(app)

    metrics.init_app(app)  # first: what others refuse counts, too
    limits.init_app(app)
    db.init_app(app)
    mail.init_app(app)
    csrf.init_app(app)
    sijax.init_app(app)

    request_id.init_app(app)
    fingerprints.init_app(app)
    headers.init_app(app)
    errors.init_app(app)
    health.init_app(app)
    database.init_app(app)
    guide.init_app(app)
    if settings.test_views:
        testing.init_app(app)
    return app
