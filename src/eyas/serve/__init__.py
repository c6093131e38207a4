"""The server: an API that real clients speak, and pages for people."""
