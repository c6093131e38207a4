"""Lists of conversations are in the order of their last message."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # Stores made while this was written have it already.
    op.create_index(op.f("ix_conversation_updated"), "conversation", ["updated"], if_not_exists=True)
