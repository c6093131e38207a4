"""Questions and answers as `labelling.md` asks for them, each with a truth that a program can check."""
