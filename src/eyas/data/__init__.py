"""Text and rows from anywhere, cleaned, encoded into shards and packed into batches (docs/data.md)."""
