"""What mod_wsgi loads: the object that every server loads."""

from app.wsgi import application

__all__ = ["application"]
