"""Flask-Sijax 0.4.1, mended for Flask 3, Python 3.7+ and threads; its API is kept.

Five faults are mended here, and nothing else:

1. It imports ``flask._request_ctx_stack``, which Flask 3 no longer has.
2. It keeps the current request's state on the extension, which all threads share (its issues 18, 19).
3. Sijax 0.3.2 leaves streams by ``StopIteration``, which is a ``RuntimeError`` since PEP 479.
4. Sijax 0.3.2 writes JSON into ``<script>`` unescaped, and without the nonce of our content policy.
5. A call that cannot be made (no such function, arguments that do not fit) is answered with 200, or a
   stack trace; here it is 400.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import GeneratorType
from typing import Any, NoReturn

import flask
from flask import Blueprint, Flask, Response, abort, g, request, stream_with_context
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from app.headers import csp_nonce

flask.__dict__.setdefault("_request_ctx_stack", None)  # 1.: imported, and never used by what is left

import flask_sijax  # noqa: E402
import sijax  # noqa: E402
from sijax.plugin.comet import CometResponse  # noqa: E402
from sijax.plugin.upload import UploadResponse  # noqa: E402
from sijax.response import StreamingIframeResponse  # noqa: E402

View = Callable[..., Any]
route: Callable[[Flask | Blueprint, str], Callable[[View], View]] = flask_sijax.route


class _Streaming(StreamingIframeResponse):  # type: ignore[misc]
    """What Comet and Upload answer with: a page of script elements, sent one by one."""

    def _process_callback(self, callback: Callable[..., Any], args: list[Any]) -> Iterator[str]:
        result = self._perform_handler_call(callback, args)
        for _ in result if isinstance(result, GeneratorType) else (None,):
            if self._commands:
                yield self._flush()
        if self._commands:
            yield self._flush()

    def _flush(self) -> str:
        commands = htmlsafe_json_dumps(self._commands)
        self.clear_commands()
        return f'<script nonce="{csp_nonce()}">window.parent.Sijax.processCommands({commands});</script>\n'


class _Comet(_Streaming, CometResponse):  # type: ignore[misc]
    pass


class _Upload(_Streaming, UploadResponse):  # type: ignore[misc]
    def __init__(self, sijax_instance: sijax.Sijax, request_args: list[Any]) -> None:
        if len(request_args) != 1:
            _refuse()
        super().__init__(sijax_instance, request_args)


class Sijax(flask_sijax.Sijax):  # type: ignore[misc]
    """The extension, with the state of a request kept in that request's `g`."""

    def init_app(self, app: Flask) -> None:
        """Bind the extension to `app`; ``g.sijax`` is it, in every request."""
        app.extensions["sijax"] = self
        app.before_request(self._on_before_request)

    def _on_before_request(self) -> None:
        g.sijax = self

    @property
    def _sijax(self) -> sijax.Sijax:
        if "sijax_of_request" not in g:
            state = g.sijax_of_request = sijax.Sijax()
            state.set_data(request.form)
            state.set_request_uri(request.url[len(request.host_url) - 1 :])
            state.register_event(sijax.Sijax.EVENT_INVALID_REQUEST, _refuse)
            state.register_event(sijax.Sijax.EVENT_INVALID_CALL, _refuse)
        return g.sijax_of_request

    @_sijax.setter
    def _sijax(self, _value: None) -> None:
        """Ignore the parent's initial None."""

    def register_comet_callback(self, *args: Any, **options: Any) -> None:
        """Register a function whose answer is streamed, one flush a `yield`."""
        super().register_comet_callback(*args, response_class=_Comet, **options)

    def register_comet_object(self, *args: Any, **options: Any) -> None:
        """Register all public functions of an object as Comet functions."""
        super().register_comet_object(*args, response_class=_Comet, **options)

    def register_upload_callback(self, *args: Any, **options: Any) -> str:
        """Register the handler of a form with files; returns the script that prepares the form."""
        return str(super().register_upload_callback(*args, response_class=_Upload, **options))

    def get_js(self) -> Markup:
        """Return the script that tells the client where to send requests; it goes into ``<script>`` as is."""
        return Markup(super().get_js().replace("<", r"\u003c"))  # noqa: S704  every < was in a JSON string

    def process_request(self) -> Response:
        """Run the function that was called and return its response; 400 where the call cannot be made."""
        try:
            arguments = json.loads(request.form.get(sijax.Sijax.PARAM_ARGS, ""))
        except (ValueError, RecursionError):
            _refuse()
        if not isinstance(arguments, list):
            _refuse()
        return _response(self._sijax.process_request())

    def execute_callback(self, *args: Any, **options: Any) -> Response:
        """Run a callback and return its response."""
        return _response(self._sijax.execute_callback(*args, **options))


def _refuse(*_event: object) -> NoReturn:
    abort(400, "Sijax has no such function here, or the function does not take these arguments.")


def _response(result: str | Iterator[bytes]) -> Response:
    if isinstance(result, str):
        return Response(result, mimetype="application/json")
    first = next(result, b"")  # a call that cannot be made fails here, while the status can still say so
    return Response(stream_with_context(_stream(first, result)))


def _stream(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
