"""The REST interface."""

from madang_rooms.api import access, accounts, invites, members, rooms, users

ROUTERS = (
    users.router,
    rooms.router,
    members.router,
    invites.router,
    accounts.router,
    access.router,
)
