"""An auth method with two ways in, one of them by reading; for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from strongroom.base.errors import DeniedError
from strongroom.sdk.auth import Login, Proof, TokenRules
from strongroom.sdk.engine import Call, Help, Route


@dataclass(frozen=True, kw_only=True)
class Word:
    """What is to be known."""

    word: Annotated[str, Help("The word.")] = ""


class TwoDoors:
    """Whoever knows the word gets in: at the front by writing, at the back by reading too."""

    kind: ClassVar[str] = "doors"

    def routes(self) -> tuple[Route, ...]:
        return ()

    def login(self) -> Login[Word]:
        return Login("login", Word, self.prove, lambda _: "", refused="no")

    def other_logins(self) -> tuple[Login[Word], ...]:
        return (Login("back/door", Word, self.prove, lambda _: "", refused="no", by_reading=True),)

    async def prove(self, _call: Call, given: Word) -> Proof:
        if given.word != "sesame":
            raise DeniedError("no")
        return Proof(alias="guest", shown_by="word", rules=TokenRules())

    async def still_holds(self, _call: Call, _role: str, _alias: str) -> TokenRules:
        return TokenRules()
