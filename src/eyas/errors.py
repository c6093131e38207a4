"""The one exception that a user is meant to read."""


class EyasError(Exception):
    """Something the user can mend: one sentence that names the file, line or flag and the remedy.

    The command line prints it after ``eyas:`` without a traceback and exits with 1.
    """
