"""Questions and answers as the labelling instructions (`labelling.md`) ask for them, each with a truth a program can check."""
