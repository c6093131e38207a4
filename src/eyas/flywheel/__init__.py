"""The wheel: what users complain of becomes the next model."""
