"""Live notices: what need not last (typing, read notices, ended logins)."""
