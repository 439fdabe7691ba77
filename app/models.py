"""The tables."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.extensions import Model


class Student(Model):
    """A row of the guide's table of students (chapter SQLAlchemy)."""

    __tablename__ = "students"

    id: Mapped[int] = mapped_column("student_id", primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    city: Mapped[str] = mapped_column(String(50), index=True)
    addr: Mapped[str] = mapped_column(String(200))
    pin: Mapped[str] = mapped_column(String(10))


class Item(Model):
    """A representation that PUT replaces and DELETE removes (chapter HTTP methods)."""

    __tablename__ = "items"

    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    body: Mapped[str] = mapped_column(String(10_000))
