"""The REST interface."""

from madang_rooms.api import access, accounts, bans, invites, members, rooms, users

ROUTERS = (
    users.router,
    rooms.router,
    members.router,
    bans.router,
    invites.router,
    accounts.router,
    access.router,
)
