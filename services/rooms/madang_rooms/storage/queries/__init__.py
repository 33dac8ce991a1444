"""Reads of plain columns: functions for `UnitOfWorkRunner.query`, which need no session."""
