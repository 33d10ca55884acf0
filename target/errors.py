"""The one error of this program: a problem that its user can do something about."""


class TargetError(Exception):
    """Something outside the program's control, said in words for its user.

    `exit_code` is what the command ends with: 2 for a bad command (options, a port in use), 1 when it could not start.
    """

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
