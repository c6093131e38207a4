"""Full-text search over messages. A later migration that rebuilds `message` on SQLite must make the triggers again."""

from alembic import op

revision = "0002"
down_revision = "0001"

# The id is indexed too, so that the trigger finds a row without a scan; rowids would not survive VACUUM.
SQLITE = (
    "CREATE VIRTUAL TABLE message_search USING fts5(text, message_id, tokenize = 'unicode61 remove_diacritics 0')",
    "CREATE TRIGGER message_search_insert AFTER INSERT ON message BEGIN"
    " INSERT INTO message_search (text, message_id) VALUES (new.text, new.id); END",
    "CREATE TRIGGER message_search_delete AFTER DELETE ON message BEGIN"
    " DELETE FROM message_search WHERE message_search MATCH 'message_id : ' || old.id; END",
    "CREATE TRIGGER message_search_update AFTER UPDATE OF text ON message BEGIN"
    " UPDATE message_search SET text = new.text WHERE message_search MATCH 'message_id : ' || old.id; END",
    "INSERT INTO message_search (text, message_id) SELECT text, id FROM message",
)
# Words as SQLite sees them; the length keeps a huge message below the limit of what PostgreSQL can index.
POSTGRES = (
    "CREATE INDEX message_search ON message USING gin (to_tsvector('simple',"
    " regexp_replace(left(message.text, 100000), '[^[:alnum:]]+', ' ', 'g')))",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in SQLITE if connection.dialect.name == "sqlite" else POSTGRES:
        connection.exec_driver_sql(statement)
