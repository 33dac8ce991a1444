"""The REST interface of rooms."""

from madang_rooms.api import access, accounts, bans, blocks, invites, members, rooms, users

ROUTERS = (
    users.router,
    rooms.router,
    members.router,
    bans.router,
    invites.router,
    blocks.router,
    accounts.router,
    access.router,
)
