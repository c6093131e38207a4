"""The page of a life: what was trained on what, how it went, what the model can do. One self-contained HTML file."""
