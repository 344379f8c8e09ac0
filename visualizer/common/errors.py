"""The one exception that is a message to the person at the keyboard."""


class UserError(Exception):
    """Something a person can put right: one sentence that names the thing and the way out.

    The command line prints the sentence and exits with code 2; it never shows a traceback.
    """
