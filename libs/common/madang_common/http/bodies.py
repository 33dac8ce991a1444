"""Bodies of requests, before their fields are looked at one by one."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

_MOST_FIELDS = 64


class Body(BaseModel):
    """A request body: nothing in it that is not named.

    Each field that is not known is a mistake to be described, so there may only be so many.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, given: Any) -> Any:
        if isinstance(given, dict) and len(given) > _MOST_FIELDS:
            raise ValueError(f"at most {_MOST_FIELDS} fields")
        return given
