"""The one exception that is a user's to mend: it names the thing, the value and the way out."""


class UserError(ValueError):
    """A mistake in what the user gave: a file, a manifest, a recipe, a checkpoint, an option.

    The message is one line. The command line prints it and leaves with exit code 2; in Python it is an
    ordinary `ValueError`. Mistakes of our own are `assert`s and keep their traceback.
    """
