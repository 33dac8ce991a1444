"""Users: registration, accounts for auth, and lookup."""

from madang_common.ids import new_id
from madang_common.names import username_form
from madang_common.problems import Conflict, NotFound
from madang_rooms.services.ownership import OwnershipReconciler
from madang_rooms.services.paging import Page
from madang_rooms.services.views import AccountView, UserView, account_view, user_view
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.models import User
from madang_rooms.storage.unit_of_work import (
    UnitOfWork,
    UnitOfWorkRunner,
    read_transaction,
    write_transaction,
)


class Users:
    """Registers, finds, changes and disables users."""

    def __init__(
        self, units: UnitOfWorkRunner, ownership: OwnershipReconciler, settings: RoomsSettings
    ) -> None:
        self.units = units
        self._ownership = ownership
        self._settings = settings

    @write_transaction
    async def add(
        self, unit: UnitOfWork, username: str, password_hash: str, display_name: str
    ) -> UserView:
        """Add a user; raise Conflict if the username is taken."""
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

    @read_transaction
    async def account(self, unit: UnitOfWork, user: str) -> AccountView:
        """Return the account by id; raise NotFound."""
        return account_view(_found(await unit.users.get(user)))

    @read_transaction
    async def account_by_username(self, unit: UnitOfWork, username: str) -> AccountView:
        """Return the account by username in any form; raise NotFound."""
        return account_view(_found(await unit.users.by_username(username_form(username))))

    @write_transaction
    async def set_password(
        self, unit: UnitOfWork, user: str, password_hash: str, *, instead_of: str | None
    ) -> None:
        """Replace the password hash; raise NotFound, or Conflict if it is not `instead_of`."""
        found = _found((await unit.users.lock(user)).get(user))
        if instead_of not in {None, found.password_hash}:
            raise Conflict("The password was changed by another request.")
        found.password_hash = password_hash

    async def set_disabled(self, user: str, *, disabled: bool) -> None:
        """Disable or enable the user, and give their rooms an owner if needed; raise NotFound.

        Idempotent: a repeated call completes one that was interrupted.
        """
        await self._set_disabled(user, disabled=disabled)
        await self._ownership.reconcile_rooms_of(user, as_owner=disabled)

    @write_transaction
    async def _set_disabled(self, unit: UnitOfWork, user: str, *, disabled: bool) -> None:
        _found((await unit.users.lock(user)).get(user)).disabled = disabled

    @read_transaction
    async def get(self, unit: UnitOfWork, user: str) -> UserView:
        """Return the public view of a user; raise NotFound."""
        return user_view(_found(await unit.users.get(user)))

    @read_transaction
    async def find_by_prefix(self, unit: UnitOfWork, prefix: str, limit: int) -> Page[UserView]:
        """Return the first users whose username begins with `prefix`; there is no next page."""
        form = username_form(prefix)
        if not form.isascii():
            return Page(items=[])
        found = await unit.users.with_prefix(form, min(limit, self._settings.user_lookup_most))
        return Page(items=[user_view(user) for user in found])


def _found(user: User | None) -> User:
    if user is None:
        raise NotFound("There is no such user.")
    return user
