"""The life of a model from text to talk: the stages in order, each made once."""
