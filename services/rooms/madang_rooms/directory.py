"""The user directory."""

from madang_common.ids import new_id
from madang_common.problems import NotFound
from madang_rooms.models import User
from madang_rooms.names import username_form
from madang_rooms.paging import Page
from madang_rooms.settings import RoomsSettings
from madang_rooms.unit_of_work import UnitsOfWork
from madang_rooms.views import AccountView, UserView, account_view, user_view


class Directory:
    """Knows everyone who registered."""

    def __init__(self, units: UnitsOfWork, settings: RoomsSettings) -> None:
        self._units = units
        self._settings = settings

    async def add(self, username: str, password_hash: str, display_name: str) -> UserView:
        """Add a user; raise Conflict if the username is taken."""
        async with self._units.write() as unit:
            user = User(
                id=new_id(),
                username=username,
                display_name=display_name,
                password_hash=password_hash,
                disabled=False,
                created_at_ms=unit.now_ms,
            )
            await unit.users.add(user)
            return user_view(user)

    async def account(self, user: str) -> AccountView:
        """Return the account by id; raise NotFound."""
        async with self._units.read() as unit:
            return account_view(_found(await unit.users.get(user)))

    async def account_by_username(self, username: str) -> AccountView:
        """Return the account by username, however written; raise NotFound."""
        async with self._units.read() as unit:
            return account_view(_found(await unit.users.by_username(username_form(username))))

    async def set_password(self, user: str, password_hash: str) -> None:
        """Replace the password's hash; raise NotFound."""
        async with self._units.write() as unit:
            _found((await unit.users.lock(user)).get(user)).password_hash = password_hash

    async def user(self, user: str) -> UserView:
        """Return what everyone may see of a user; raise NotFound."""
        async with self._units.read() as unit:
            return user_view(_found(await unit.users.get(user)))

    async def look_up(self, prefix: str, limit: int) -> Page[UserView]:
        """Return the first users whose username begins with `prefix`, and no way to the rest."""
        form = username_form(prefix)
        if not form.isascii():
            return Page(items=[])
        async with self._units.read() as unit:
            most = min(limit, self._settings.user_lookup_most)
            found = await unit.users.with_prefix(form, most)
            return Page(items=[user_view(user) for user in found])


def _found(user: User | None) -> User:
    if user is None:
        raise NotFound("there is no such user")
    return user
