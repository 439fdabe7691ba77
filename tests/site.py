"""A visitor: an HTTP session on one site, which fetches the form's token as a browser would."""

from __future__ import annotations

import re
import time
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


class Site(requests.Session):
    """A session whose paths are relative to `base_url`; redirects are not followed unless asked."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url.rstrip("/") + "/"
        self.headers["Referer"] = self.base_url  # as a browser says; by TLS a form is refused without it

    @property
    def prefix(self) -> str:
        """Return what stands before every path of the site: "" at the root."""
        return urlsplit(self.base_url).path.rstrip("/")

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        kwargs.setdefault("allow_redirects", False)
        kwargs.setdefault("timeout", 20)
        return super().request(method, urljoin(self.base_url, url.lstrip("/")), *args, **kwargs)

    def get(self, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        """GET `url`; the parent's own would follow redirects."""
        return self.request("GET", url, **kwargs)

    def token(self, page: str) -> str:
        """Return the CSRF token of the first form of `page`."""
        text = self.get(page).text
        found = TOKEN.search(text)
        assert found, f"no form with a csrf_token on {page}: {text[:300]}"
        return unescape(found[1])

    def submit(
        self, page: str, action: str, data: dict[str, Any] | None = None, **kwargs: Any
    ) -> requests.Response:
        """Open `page`, then POST its form's fields `data` to `action`."""
        return self.post(action, data={"csrf_token": self.token(page), **(data or {})}, **kwargs)

    def attempt(
        self, page: str, action: str, data: dict[str, Any] | None = None, **kwargs: Any
    ) -> requests.Response:
        """Submit where attempts are counted (L6); who is told to come back later does so, once.

        Each view is attempted five times at most by all tests of the guide, so that two runs fit in a minute.
        """
        response = self.submit(page, action, data, **kwargs)
        if response.status_code != 429:
            return response
        time.sleep(int(response.headers["Retry-After"]))
        return self.submit(page, action, data, **kwargs)
