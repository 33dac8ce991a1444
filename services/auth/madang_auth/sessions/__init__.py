"""Sessions: opened by a login, kept alive by refreshes, listed, ended and stored.

A *session* is the record that a login opens and that lasts until it expires or is ended. *Login*
is only the act of logging in with a username and a password (`Limiter.login`, `POST /login`).

Names that other programs or stored data depend on are older than this rule and say "login" for a
session too: REST paths and JSON fields (`/logins`, `login`), the event `login.ended`, problem
types, settings, Redis keys and values, SQLite tables, metrics, and log events and their fields.
These names stand only where they are published or stored; all other code says "session".
"""
