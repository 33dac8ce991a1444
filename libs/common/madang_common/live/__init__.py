"""Live notices, which are not stored: typing, read markers, ended logins."""
