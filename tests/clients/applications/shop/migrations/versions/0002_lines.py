"""Lines of an order, with their prices."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.create_table(
        "line",
        sa.Column("order_id", sa.Integer, nullable=False),
        sa.Column("article", sa.String(100), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.PrimaryKeyConstraint("order_id", "article"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="lines_of_order", ondelete="CASCADE"),
        sa.CheckConstraint("quantity > 0", name="line_quantity"),
    )


def downgrade() -> None:
    op.drop_table("line")
