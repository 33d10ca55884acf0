"""What a journey expects of an answer: a status and the fields that must be there, with their types or values."""

from collections.abc import Mapping
from typing import Any


class Expect:
    """A status, and fields of the JSON answer: a type means "of this type", anything else "equal to this".

    `Expect(202, task_id=str, status="processing")`
    """

    __slots__ = ("fields", "status")

    def __init__(self, status: int = 200, /, **fields: Any) -> None:
        self.status = status
        self.fields = fields

    def complaint(self, body: Mapping[str, Any]) -> str:
        """What is wrong with the body of an answer that has the right status; empty when nothing is."""
        for name, wanted in self.fields.items():
            if name not in body:
                return f"the answer has no {name}"
            value = body[name]
            if isinstance(wanted, type):
                if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
                    return f"{name} is no {wanted.__name__}"
            elif value != wanted:
                return f"{name} is {value!r:.60}, not {wanted!r:.60}"
        return ""


OK = Expect(200)
