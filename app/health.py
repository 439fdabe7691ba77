"""What a health check asks: is the process there (`/healthz`), can it serve (`/readyz`)."""

from __future__ import annotations

from flask import Blueprint, Flask, jsonify
from flask.typing import ResponseReturnValue

from app.database import schema_problem

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Answer as long as the process serves at all."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Answer 200 where the database answers with the schema that this code needs, else 503."""
    problem = schema_problem()
    if problem:
        return jsonify(status="unavailable", detail=problem), 503
    return jsonify(status="ok")


def init_app(app: Flask) -> None:
    """Add the two addresses."""
    app.register_blueprint(blueprint)
