"""The guide's table of students, and the items of the chapter on HTTP methods."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "students",
        sa.Column("student_id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("city", sa.String(50), nullable=False),
        sa.Column("addr", sa.String(200), nullable=False),
        sa.Column("pin", sa.String(10), nullable=False),
    )
    op.create_index("ix_students_city", "students", ["city"])
    op.create_table(
        "items",
        sa.Column("key", sa.String(100), primary_key=True),
        sa.Column("body", sa.String(10_000), nullable=False),
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("items")
    op.drop_table("students")
