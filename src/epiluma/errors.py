"""The base of every error that speaks to a person."""


class EpilumaError(ValueError):
    """Something in the input or the set-up is wrong; the message says what, where, and what to do.

    The edges map it once: the command line to one line and exit code 2, the web to an error page.
    """
